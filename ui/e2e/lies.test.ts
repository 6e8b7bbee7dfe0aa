// A server that was taken over: what turns the page red, what only amber, and the evidence.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { launch } from './browser.ts';
import { changeRecord, flipRecord } from './proxy.ts';
import { binary, Server, sleep, startWitness, until } from './serving.ts';
import {
  browser,
  inChromium,
  closing,
  folder,
  leaving,
  samples,
  seal,
  sealIs,
  server,
  sizeOf,
  vkey,
  visit,
} from './world.ts';

inChromium('a server that was taken over', () => {
  async function saysSo(page: Page, where: string): Promise<void> {
    await page.locator('.alarm').waitFor({ timeout: 20_000 });
    await until(`title and icon of ${where}`, async () => {
      const icon = (await page.locator('#icon').getAttribute('href')) ?? '';
      return /DOES NOT FIT/.test(await page.title()) && /c4281c/.test(icon);
    });
    if (where !== '#/logs') await sealIs(page, 'broken');
  }

  /** In a moment, after a reload, on every page, in another tab; and nothing takes it away. */
  async function staysBroken(page: Page): Promise<string> {
    await sealIs(page, 'broken', 40);
    const said = await page.locator('.alarm').innerText();
    await saysSo(page, 'the page that was open');
    await page.reload();
    await saysSo(page, 'the page after a reload');
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('.alarm button').count(), 0, 'it cannot be dismissed');
    const other = await page.context().newPage();
    for (const hash of [
      '#/default/live',
      '#/default/explore',
      '#/default/record/2',
      '#/default/trust',
      '#/logs',
    ]) {
      await other.goto(page.url().replace(/#.*/, hash));
      await saysSo(other, hash);
    }
    await other.close();
    return said;
  }

  async function evidenceOf(page: Page, name: string): Promise<string> {
    await page.goto(page.url().replace(/#.*/, '#/default/trust'));
    const download = page.waitForEvent('download');
    await page
      .locator('.incident')
      .getByRole('button', { name: /save (the evidence|what was found)/ })
      .click();
    const file = `${folder}/${name}`;
    await (await download).saveAs(file);
    return file;
  }

  function judge(file: string, key = vkey): string {
    try {
      return execFileSync(binary, ['verify', '--evidence', file, '--key', key, '--json'], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    } catch (error) {
      const failed = error as { stdout: string; stderr: string };
      return failed.stdout + failed.stderr;
    }
  }

  test('a flipped byte in a record turns the page red, for good, with evidence that the command line confirms', async () => {
    const { page, proxy } = await visit('#/default/record/3');
    await page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });
    proxy.lies = { answer: changeRecord(3) };
    await page.keyboard.press('v');
    await page.locator('[data-verdict=bad]').waitFor({ timeout: 20_000 });
    assert.ok(proxy.told >= 2, 'it was asked twice');
    assert.match(await staysBroken(page), /Record 3 as shown is not in the tree/);
    assert.match(judge(await evidenceOf(page, 'record.evidence')), /WRONG_ANSWER/);
  });

  test('another record of the same log in its place turns the page red', async () => {
    const { page, proxy } = await visit('#/default/live');
    await sealIs(page, 'first');
    const other = await (await fetch(new URL('/logs/default/records/9', server.http))).text();
    proxy.lies = {
      answer: (path) => (/\/logs\/default\/records\/7$/.test(path) ? other : undefined),
    };
    await page.goto(page.url().replace(/#.*/, '#/default/record/7'));
    const verdict = page.locator('article[aria-label="Record 7"] [data-verdict=bad]');
    await verdict.waitFor({ timeout: 20_000 });
    assert.match(await verdict.innerText(), /not what the tree .* has at this place/);
    assert.ok(proxy.told >= 2, 'it was asked twice');
    await staysBroken(page);
    assert.match(judge(await evidenceOf(page, 'other.evidence')), /WRONG_ANSWER/);
  });

  for (const [name, bend] of [
    ['a wrong path', (hashes: string[]) => [hashes[1]!, ...hashes.slice(1)]],
    ['a path that is too short', (hashes: string[]) => hashes.slice(1)],
  ] as const) {
    test(`${name} turns the page red`, async () => {
      const { page, proxy } = await visit('#/default/record/4');
      await page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });
      proxy.lies = {
        answer: (path, body) => {
          if (!path.includes('/proofs/inclusion?index=4&')) return undefined;
          const answer = JSON.parse(body) as { hashes: string[] };
          return JSON.stringify({ ...answer, hashes: bend(answer.hashes) });
        },
      };
      await page.keyboard.press('v');
      await page.locator('[data-verdict=bad]').waitFor({ timeout: 20_000 });
      assert.ok(proxy.told >= 2);
      await staysBroken(page);
      assert.match(judge(await evidenceOf(page, 'path.evidence')), /WRONG_ANSWER/);
    });
  }

  test('a record that is wrong once and right when asked again is no contradiction', async () => {
    const { page, proxy } = await visit('#/default/record/5');
    await page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });
    const lie = changeRecord(5);
    proxy.lies = { answer: (path, body) => (proxy.told === 0 ? lie(path, body) : undefined) };
    await page.keyboard.press('v');
    await until('the lie was told', () => proxy.told === 1);
    await sleep(1500);
    assert.equal(await page.locator('[data-verdict=bad]').count(), 0);
    await sealIs(page, 'first');
    await page.goto(page.url().replace(/#.*/, '#/default/trust'));
    await page.getByText('Wrong once, right when asked again').waitFor();
  });

  test('a changed row in the stream turns the page red', async () => {
    const { page, proxy } = await visit();
    await sealIs(page, 'first');
    const changed = new Set<number>();
    proxy.lies = {
      event: (name, data) => {
        if (name !== 'rows') return undefined;
        const rows = JSON.parse(data) as { first: string; records: string[] };
        rows.records[0] = flipRecord(rows.records[0]!);
        changed.add(Number(rows.first));
        return JSON.stringify(rows);
      },
      answer: (path, body) =>
        [...changed]
          .map((index) => changeRecord(index)(path, body))
          .find((one) => one !== undefined),
    };
    await server.append(samples(3, 8000));
    assert.match(
      await staysBroken(page),
      /not in the tree of size|does not name the record before/,
    );
    assert.ok(proxy.told > 0);
    assert.match(judge(await evidenceOf(page, 'row.evidence')), /WRONG_ANSWER/);
  });

  test('a record that was changed before the page is opened turns it red with evidence', async () => {
    const changed = (await sizeOf()) - 20;
    const { page, proxy } = await visit('#/default/live', {
      lies: { answer: changeRecord(changed) },
    });
    assert.match(await staysBroken(page), new RegExp(`Record ${changed} as shown is not in the`));
    assert.ok(proxy.told >= 2);
    assert.match(judge(await evidenceOf(page, 'before.evidence')), /WRONG_ANSWER/);
  });

  test('a cache on the way that keeps wrong answers never turns the page red', async () => {
    const { page, proxy } = await visit('#/default/live');
    await sealIs(page, 'first');
    const kept = [changeRecord(7), changeRecord((await sizeOf()) - 5)];
    let fresh = 0;
    proxy.lies = {
      answer: (path, body, isFresh) => {
        if (isFresh) {
          if (/records|proofs/.test(path)) fresh++;
          return undefined;
        }
        if (path.includes('/proofs/inclusion?index=8&')) {
          const answer = JSON.parse(body) as { hashes: string[] };
          return JSON.stringify({ ...answer, hashes: answer.hashes.toReversed() });
        }
        return kept.map((lie) => lie(path, body)).find((one) => one !== undefined);
      },
    };
    for (const index of [7, 8]) {
      const told = proxy.told;
      await page.goto(page.url().replace(/#.*/, `#/default/record/${index}`));
      await page
        .locator(`article[aria-label="Record ${index}"] [data-verdict=good]`)
        .waitFor({ timeout: 20_000 });
      assert.ok(proxy.told > told, `a wrong answer about record ${index} came`);
    }
    assert.ok(fresh >= 2, 'and was asked for again, past it');
    await page.goto(page.url().replace(/#.*/, '#/default/trust'));
    await page.getByText('Wrong once, right when asked again').waitFor();

    // A browser that begins behind such a cache, and one whose stream passes through it.
    const told = proxy.told;
    const context = await browser.newContext();
    leaving.push(() => context.close());
    const begins = await context.newPage();
    await begins.goto(proxy.address + '#/default/trust');
    await sealIs(begins, 'first');
    assert.ok(proxy.told > told, 'wrong records came');
    await begins.getByText('Wrong once, right when asked again').waitFor();
    let once = 0;
    proxy.lies = {
      event: (name, data) => {
        if (name !== 'rows' || once++ > 0) return undefined;
        const rows = JSON.parse(data) as { records: string[] };
        rows.records[0] = flipRecord(rows.records[0]!);
        return JSON.stringify(rows);
      },
    };
    await server.append(samples(3, 8500));
    await until('a changed row came', () => once > 0);
    await server.append(samples(3, 8510));
    for (const one of [page, begins]) {
      await sealIs(one, 'first');
      assert.equal(await one.locator('.alarm').count(), 0);
    }
  });

  test('two tabs that check for themselves, and a proxy that shows now an old tree and now the new one, are no rollback', async () => {
    const { proxy } = await visit('#/logs');
    const context = await browser.newContext();
    leaving.push(() => context.close());
    await context.addInitScript(() => {
      delete (window as { SharedWorker?: unknown }).SharedWorker;
    });
    let kept = '';
    let asked = 0;
    let old = 0;
    proxy.lies = {
      answer: (path, body) => {
        if (!path.endsWith('/logs/default/checkpoint')) return undefined;
        if (asked++ % 2 === 0 || kept === '') {
          kept = body;
          return undefined;
        }
        if (kept !== body) old++;
        return kept;
      },
    };
    const pages = [await context.newPage(), await context.newPage()];
    for (const page of pages) {
      await page.goto(proxy.address + '#/default/live');
      await until('it is checked', async () => ['first', 'unpinned'].includes(await seal(page)));
    }
    for (let i = 0; i < 30; i++) {
      await server.append(samples(2, 8600 + 2 * i));
      const note = new URL('logs/default/checkpoint', proxy.address);
      if (i % 3 === 0) await fetch(note);
      for (const page of pages) {
        if (i % 10 === 9) {
          await page.reload();
          await page.locator('.event-row[data-index]').first().waitFor();
        }
        assert.ok((await seal(page)) !== 'broken', `append ${i}`);
      }
      await sleep(120);
    }
    assert.ok(old > 0, 'an old one was shown');
    proxy.lies = {};
    await server.append(samples(1, 8700));
    for (const page of pages) {
      await sealIs(page, 'unpinned', 30);
      assert.equal(await page.locator('.alarm').count(), 0);
    }
  });

  test('a bad signature turns the page red', async () => {
    const { page, proxy } = await visit();
    await sealIs(page, 'first');
    const bend = (note: string): string =>
      note.replace(/\n(\d+)\n/, (_, size: string) => `\n${Number(size) + 1}\n`);
    proxy.lies = {
      answer: (path, body) => (path.endsWith('/checkpoint') ? bend(body) : undefined),
      event: (name, data) =>
        name === 'checkpoint'
          ? JSON.stringify({
              ...(JSON.parse(data) as object),
              note: bend((JSON.parse(data) as { note: string }).note),
            })
          : undefined,
    };
    await server.append(samples(1, 8100));
    assert.match(await staysBroken(page), /signature of the checkpoint/);
    assert.ok(proxy.told >= 2, 'it was asked twice');
    assert.match(judge(await evidenceOf(page, 'signature.evidence')), /WRONG_ANSWER/);
  });

  interface Forked {
    key: string;
    /** 300 records, and 50 of its own. */
    a: Server;
    /** The same 300, and 90 others. */
    b: Server;
    /** The 300 alone. */
    c: Server;
    /** Statements of both about `outcome:denied` from when they had 20 of their own. */
    statements: { a: string; b: string };
  }

  /** Appends, with a statement in between. */
  async function grow(server: Server, events: readonly object[]): Promise<string> {
    await server.append(events.slice(0, 20));
    const asked = new URL('/logs/default/statement?q=outcome:denied', server.http);
    const statement = await (await fetch(asked)).text();
    assert.equal(statement.split('\n')[3], '320');
    await server.append(events.slice(20));
    return statement;
  }

  let forks: Promise<Forked> | undefined;

  /** Three servers with one key. */
  const forkedServers = (): Promise<Forked> =>
    (forks ??= (async () => {
      const one = await Server.start(folder, 'fork-a');
      await one.append(samples(300));
      const key = await one.vkey();
      await one.stop();
      one.copy(folder, 'fork-b');
      one.copy(folder, 'fork-c');
      const [a, b, c] = await Promise.all(
        ['fork-a', 'fork-b', 'fork-c'].map((name) => Server.start(folder, name)),
      );
      for (const server of [a!, b!, c!]) closing.push(() => server.stop());
      const statements = {
        a: await grow(a!, samples(50, 1000)),
        b: await grow(b!, samples(90, 2000)),
      };
      return { key, a: a!, b: b!, c: c!, statements };
    })());

  test('a fork turns the page red with evidence that proves it, and a rollback too', async () => {
    const { key: forkKey, a, b, c } = await forkedServers();
    const forked = await visit('#/default/live', { upstream: a.http });
    await sealIs(forked.page, 'first');
    forked.proxy.upstream = b.http;
    forked.proxy.cut();
    assert.match(await staysBroken(forked.page), /does not begin with the one of size 350/);
    const file = await evidenceOf(forked.page, 'fork.evidence');
    assert.match(judge(file, forkKey), /FORK_PROVEN/);

    const rolled = await visit('#/default/live', { upstream: a.http });
    await sealIs(rolled.page, 'first');
    rolled.proxy.upstream = c.http;
    rolled.proxy.cut();
    assert.match(
      await staysBroken(rolled.page),
      /was 350 records long, signed, and the server now says that it has 300/,
    );
    const withheld = await evidenceOf(rolled.page, 'rollback.evidence');
    assert.match(judge(withheld, forkKey), /WITHHELD/);
    assert.match(
      await rolled.page.locator('.incident').innerText(),
      /those from 300 to 349 were signed and are not shown any more/,
    );

    // With its new end the tree that was rolled back is a fork.
    const regrown = await visit('#/default/live', { upstream: c.http });
    await sealIs(regrown.page, 'first');
    regrown.proxy.upstream = a.http;
    regrown.proxy.cut();
    await regrown.page.locator('.event-row[data-index="349"]').waitFor({ timeout: 30_000 });
    await sealIs(regrown.page, 'first');
    regrown.proxy.upstream = b.http;
    regrown.proxy.cut();
    assert.match(await staysBroken(regrown.page), /does not begin with the one of size 350/);
  });

  test('a signed statement over another tree turns the page red with evidence, as does a checkpoint that is dropped', async () => {
    const { key, a, b, statements } = await forkedServers();
    const { page, proxy } = await visit('#/default/trust', { upstream: a.http });
    await sealIs(page, 'first');
    writeFileSync(`${folder}/earlier.answer`, statements.a);
    await page.locator('input[type=file]').setInputFiles(`${folder}/earlier.answer`);
    assert.match(
      await page.locator('[data-explained]').innerText(),
      /proven here to be the beginning of the tree of size 350 that this page checked/,
    );
    await sealIs(page, 'first');

    // The same question, signed by the same key over another history.
    proxy.lies = {
      answer: (path) => (path.includes('/statement?') ? statements.b : undefined),
    };
    await page.goto(page.url().replace(/#.*/, '#/default/explore?q=outcome:denied'));
    await page.locator('[data-exact=true]').waitFor({ timeout: 30_000 });
    await page.locator('.how summary').click();
    await page.getByRole('button', { name: "the server's signed statement" }).click();
    await page.locator('[data-statement=false]').waitFor({ timeout: 20_000 });
    assert.ok(proxy.told > 0);
    assert.match(
      await staysBroken(page),
      /size 350 does not begin with the one of size 320 that the same key signed/,
    );
    const evidence = await evidenceOf(page, 'stated.evidence');
    assert.match(judge(evidence, key), /FORK_PROVEN/);
    await page.locator('input[type=file]').setInputFiles(evidence);
    await page.locator('[data-explained=true]', { hasText: 'proves a fork' }).waitFor();

    // A browser that was never here sees it by what its reader brings along.
    const fresh = await visit('#/default/trust', { upstream: a.http });
    await sealIs(fresh.page, 'first');
    const note = await (await fetch(new URL('/logs/default/checkpoint', b.http))).text();
    writeFileSync(`${folder}/brought.checkpoint`, note);
    await fresh.page.locator('input[type=file]').setInputFiles(`${folder}/brought.checkpoint`);
    await fresh.page.locator('[data-explained=false]').waitFor();
    assert.match(
      await staysBroken(fresh.page),
      /was 390 records long, signed, and the server now says that it has 350/,
    );
  });

  test('witnesses count when their keys are known, and their lag is no lateness', async () => {
    const alone = await Server.start(folder, 'witnessed');
    const logKey = await alone.vkey();
    await alone.stop();
    const witness = await startWitness(folder, logKey);
    const policy = `log ${logKey}\nwitness own ${witness.vkey} ${witness.url}\nquorum own\n`;
    writeFileSync(`${folder}/policy`, policy);
    const witnessed = await Server.start(folder, 'witnessed', ['--policy', `${folder}/policy`]);
    closing.push(
      () => witness.stop(),
      () => witnessed.stop(),
    );
    await witnessed.append(samples(300));
    await until(
      'something is cosigned',
      async () => (await fetch(new URL('/logs/default/checkpoint', witnessed.http))).ok,
      60,
    );
    const { page } = await visit('#/default/trust', { upstream: witnessed.http });
    await sealIs(page, 'first', 60);
    await page.getByText('not checked, key unknown').waitFor({ timeout: 30_000 });
    await page.fill('#key', policy);
    await page.getByRole('button', { name: 'pin' }).click();
    await page.getByText('verified here').waitFor({ timeout: 30_000 });
    for (let i = 0; i < 30; i++) {
      await witnessed.append(samples(3, 400 + 3 * i));
      assert.ok(['first', 'checking'].includes(await seal(page)), await seal(page));
      await sleep(100);
    }
    await page.reload();
    await sealIs(page, 'verified', 60);
    await page.locator('[data-seal]').click();
    assert.match(await page.locator('.popover').innerText(), /cosigned by 1 of 1 witnesses/);
    await page.goto(page.url().replace(/#.*/, '#/default/record/7'));
    await page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });
    assert.match(await page.locator('[data-verdict]').innerText(), /cosigned by 1 witness/);
  });

  test('without TLS on a name that is not loopback the page checks with its own cryptography', async () => {
    const { proxy } = await visit('#/logs');
    const insecure = await launch([
      '--host-resolver-rules=MAP audit.example 127.0.0.1',
      '--disable-features=LocalNetworkAccessChecks',
    ]);
    closing.push(() => insecure.close());
    const page = await insecure.newPage();
    await page.goto(proxy.address.replace('127.0.0.1', 'audit.example') + '#/default/record/9');
    assert.equal(
      await page.evaluate(() => window.isSecureContext || crypto.subtle !== undefined),
      false,
    );
    await page.locator('[data-verdict=good]').waitFor({ timeout: 30_000 });
    await sealIs(page, 'first');
  });

  test('a server with tokens gets one from the reader', async () => {
    const token = 'a-token-of-some-length-0123456789';
    const digest = createHash('sha256').update(token).digest('hex');
    const guarded = await Server.start(
      folder,
      'guarded',
      [],
      `[[token]]\nidentity = "auditor"\nsha256 = "${digest}"\n`,
    );
    closing.push(() => guarded.stop());
    const { page } = await visit('#/default/live', { upstream: guarded.http });
    await page.fill('#token', token);
    await page.getByRole('button', { name: 'use it' }).click();
    await page.getByText('Listening for the first event').waitFor({ timeout: 30_000 });
    await page.goto(page.url().replace(/#.*/, '#/logs'));
    await page.locator('table.logs').waitFor();
  });
});
