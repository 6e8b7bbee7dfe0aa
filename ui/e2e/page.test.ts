// The page in Chromium against the real server, with a proxy between them that can lie. Each lie must have been told.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { chromiumPath, launch } from './browser.ts';
import { flipRecord, Proxy, type Lies } from './proxy.ts';
import { matcher, parseQuery, QueryError } from '../src/record/query.ts';
import { decodeRow } from '../src/record/row.ts';
import {
  binary,
  dist,
  hostile,
  makeFolder,
  remove,
  sample,
  Server,
  sleep,
  startWitness,
  until,
} from './serving.ts';

const missing =
  chromiumPath === undefined
    ? 'needs chromium'
    : !existsSync(binary)
      ? `needs ${binary}`
      : !existsSync(dist)
        ? 'needs the built page'
        : false;
const samples = (count: number, from = 0): object[] =>
  Array.from({ length: count }, (_, i) => sample(from + i));

describe('in Chromium', { skip: missing, timeout: 1_200_000 }, () => {
  let folder: string;
  let server: Server;
  let browser: Browser;
  let vkey: string;
  const closing: (() => Promise<unknown>)[] = [];

  before(
    async () => {
      folder = makeFolder('page');
      server = await Server.start(folder);
      browser = await launch();
      vkey = await server.vkey();
      await server.append(samples(600));
    },
    { timeout: 300_000 },
  );

  after(async () => {
    for (const close of closing.reverse()) await close();
    await browser?.close();
    await server?.stop();
    remove(folder);
  });

  interface Visit {
    page: Page;
    proxy: Proxy;
    context: BrowserContext;
    errors: string[];
  }

  async function visit(
    hash = '#/default/live',
    options: {
      lies?: Lies;
      size?: { width: number; height: number };
      upstream?: URL;
      scheme?: 'dark' | 'light';
    } = {},
  ): Promise<Visit> {
    const proxy = await Proxy.start(options.upstream ?? server.http, '/audit/log');
    proxy.lies = options.lies ?? {};
    const context = await browser.newContext({
      viewport: options.size ?? { width: 1440, height: 900 },
      colorScheme: options.scheme ?? 'light',
      acceptDownloads: true,
    });
    closing.push(
      () => proxy.stop(),
      () => context.close(),
    );
    const page = await context.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
        errors.push(message.text());
    });
    await page.goto(proxy.address + hash);
    return { page, proxy, context, errors };
  }

  const sizeOf = async (): Promise<number> =>
    Number(
      (
        (await (await fetch(new URL('/logs/default', server.http))).json()) as {
          publishedSize: string;
        }
      ).publishedSize,
    );
  const seal = (page: Page): Promise<string> =>
    page
      .locator('[data-seal]')
      .getAttribute('data-seal')
      .then((value) => value ?? '');
  const sealIs = (page: Page, wanted: string, seconds = 20): Promise<string> =>
    until(
      `the seal is ${wanted}`,
      async () => (await seal(page)) === wanted && wanted,
      seconds,
    ).catch(async (error: unknown) => {
      throw new Error(`${String(error)}; it is ${await seal(page)}`);
    });
  const rowsOf = (page: Page): Promise<number[]> =>
    page
      .locator('.event-row[data-index]')
      .evaluateAll((rows) => rows.map((row) => Number((row as HTMLElement).dataset['index'])));

  test('a live row is there within a second of its append, under the policy and behind a prefix, with nothing from elsewhere', async () => {
    const { page, proxy, errors, context } = await visit();
    const hosts = new Set<string>();
    context.on('request', (request) => hosts.add(new URL(request.url()).host));
    await sealIs(page, 'first');
    const known = Math.max(...(await rowsOf(page)));
    const begun = Date.now();
    await server.append([{ ...sample(1), actor: { id: 'somebody-new' } }]);
    await page.getByText('somebody-new').first().waitFor({ timeout: 5000 });
    const took = Date.now() - begun;
    assert.ok(Math.max(...(await rowsOf(page))) > known);
    assert.ok(took < 1000, `${took} ms`);
    assert.ok(
      proxy.requests.some((path) => path.startsWith('/logs/default/live')),
      'by the stream',
    );
    await page.reload();
    await sealIs(page, 'unpinned');
    assert.deepEqual([...hosts], [new URL(proxy.address).host]);
    assert.deepEqual(errors, []);
  });

  test('the binary serves the page itself, with the policy in its headers', async (context) => {
    const answer = await fetch(server.http);
    const policy = answer.headers.get('content-security-policy') ?? '';
    if (!(await answer.text()).includes('<div id="page">'))
      return context.skip('this binary was built without the page');
    for (const part of [
      "default-src 'none'",
      "script-src 'self'",
      "require-trusted-types-for 'script'",
      "frame-ancestors 'none'",
    ])
      assert.ok(policy.includes(part), part);
    const own = await browser.newContext();
    closing.push(() => own.close());
    const page = await own.newPage();
    const errors: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text());
    });
    await page.goto(server.http.href);
    await sealIs(page, 'first');
    await page
      .locator('.event-row[data-index]')
      .first()
      .click({ position: { x: 40, y: 10 } });
    await page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });
    await page.goto(server.http.href + '#/default/explore?q=outcome:denied');
    await page.locator('[data-exact=true]').waitFor();
    assert.deepEqual(errors, []);
  });

  test('a key in the fragment pins, leaves the address, and a wrong one turns the page red', async () => {
    const { page } = await visit(`#/default/live?pin=${encodeURIComponent(vkey)}`);
    await until('the pin is taken out of the address', () => !page.url().includes('pin='));
    await sealIs(page, 'first');
    await page.reload();
    await sealIs(page, 'verified');
    await page.locator('[data-seal]').click();
    assert.match(
      await page.locator('.popover').innerText(),
      /recomputed here.*included in root.*consistent with what this browser saw.*key pinned by a link/s,
    );

    const other = await Server.start(folder, 'other');
    closing.push(() => other.stop());
    const wrong = await visit(`#/default/live?pin=${encodeURIComponent(await other.vkey())}`);
    await sealIs(wrong.page, 'broken');
    assert.match(await wrong.page.locator('.alarm').innerText(), /not signed by the log's key/);
  });

  test('two tabs share one stream', async () => {
    const { page, proxy, context } = await visit();
    await sealIs(page, 'first');
    const pages = [page];
    for (let i = 0; i < 6; i++) {
      const next = await context.newPage();
      await next.goto(proxy.address + '#/default/live');
      pages.push(next);
    }
    await server.append([{ ...sample(2), actor: { id: 'seen-by-all' } }]);
    for (const one of pages)
      await one.getByText('seen-by-all').first().waitFor({ timeout: 15_000 });
    assert.equal(proxy.requests.filter((path) => path.includes('/live')).length, 1);
  });

  test('reading holds the list still, counts what comes, and going back shows it', async () => {
    const { page } = await visit();
    await sealIs(page, 'first');
    await page.locator('.list').hover();
    await page.mouse.wheel(0, 600);
    await page.locator('.pill').waitFor();
    const held = await rowsOf(page);
    await server.append(samples(37, 5000));
    await page.getByText('37 newer').waitFor();
    assert.deepEqual(await rowsOf(page), held);
    await page.locator('.pill').click();
    await until(
      'the newest is on top',
      async () => Math.max(...(await rowsOf(page))) > Math.max(...held),
    );
    await page.keyboard.press('p');
    await page.getByText('paused').waitFor();
    await page.keyboard.press('p');
    await until('it follows again', async () => (await page.locator('.pill').count()) === 0);
  });

  test('a filter while live shows only what matches, and goes on checking all', async () => {
    const { page } = await visit(
      '#/default/live?q=' + encodeURIComponent('outcome:denied NOT actor:nobody'),
    );
    await sealIs(page, 'first');
    await until('only denied ones', async () => {
      const shown = await page.locator('.event-row[data-index]').count();
      return shown > 0 && shown === (await page.locator('.event-row.denied').count());
    });
    await server.append([
      { ...sample(3), actor: { id: 'passes-by' } },
      { ...sample(5), outcome: 'OUTCOME_DENIED', actor: { id: 'stopped' } },
    ]);
    await page.getByText('stopped', { exact: true }).first().waitFor();
    assert.equal(await page.getByText('passes-by').count(), 0);
    await sealIs(page, 'first');
  });

  test('a record is verified up to the signed root, its receipt holds for the command line, and its link carries its hash', async () => {
    const { page, errors } = await visit('#/default/record/17');
    await page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });
    assert.match(
      await page.locator('[data-verdict]').innerText(),
      /leaf 17 of the tree of size [\d,]+, by a path of \d+ hashes, recomputed/,
    );
    await page.getByRole('tab', { name: 'proof' }).click();
    assert.match(await page.locator('.rung.top').innerText(), /equal to the root that was signed/);
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'download receipt' }).click();
    const receipt = `${folder}/17.tlog-proof`;
    await (await download).saveAs(receipt);
    const said = execFileSync(binary, ['receipt', 'verify', receipt, '--key', vkey], {
      encoding: 'utf8',
    });
    assert.match(said, /17/);

    await page.goto(page.url().replace(/#.*/, '#/default/record/17?hash=' + '0'.repeat(64)));
    await page.locator('[data-verdict=substituted]').waitFor();
    await page.goto(page.url().replace(/#.*/, '#/default/trust'));
    await page.locator('input[type=file]').setInputFiles(receipt);
    await page.locator('[data-explained=true]').waitFor();
    assert.match(
      await page.locator('[data-explained]').innerText(),
      /receipt that holds.*still has exactly this record/s,
    );
    writeFileSync(
      `${folder}/bad.tlog-proof`,
      readFileSync(receipt, 'utf8').replace(
        /^extra (.*)$/m,
        (_, extra: string) => `extra ${flipRecord(extra)}`,
      ),
    );
    await page.locator('input[type=file]').setInputFiles(`${folder}/bad.tlog-proof`);
    await page.locator('[data-explained=false]').waitFor();
    assert.deepEqual(errors, []);
  });

  // ---- a server that was taken over ------------------------------------------------------------------------------

  async function staysBroken(page: Page): Promise<string> {
    await sealIs(page, 'broken', 40);
    const said = await page.locator('.alarm').innerText();
    assert.match(await page.title(), /DOES NOT FIT/);
    assert.match((await page.locator('#icon').getAttribute('href')) ?? '', /c4281c/);
    await page.reload();
    await sealIs(page, 'broken');
    return said;
  }

  async function evidenceOf(page: Page, name: string): Promise<string> {
    await page.goto(page.url().replace(/#.*/, '#/default/trust'));
    const download = page.waitForEvent('download');
    await page.locator('.incident').getByRole('button', { name: /save/ }).click();
    const file = `${folder}/${name}`;
    await (await download).saveAs(file);
    return file;
  }

  function judge(file: string): string {
    try {
      return execFileSync(binary, ['verify', '--evidence', file, '--key', vkey, '--json'], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    } catch (error) {
      const failed = error as { stdout: string; stderr: string };
      return failed.stdout + failed.stderr;
    }
  }

  const changeRecord =
    (index: number) =>
    (path: string, body: string): string | undefined => {
      if (!new RegExp(`^/logs/default/records(/${index}$|\\?)`).test(path)) return undefined;
      const answer = JSON.parse(body) as { record?: string; records?: { record: string }[] };
      if (answer.record !== undefined) answer.record = flipRecord(answer.record);
      else {
        const first = Number(/first=(\d+)/.exec(path)![1]);
        const one = answer.records?.[index - first];
        if (one === undefined) return undefined;
        one.record = flipRecord(one.record);
      }
      return JSON.stringify(answer);
    };

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
    assert.ok(proxy.told > 0);
    assert.match(judge(await evidenceOf(page, 'signature.evidence')), /WRONG_ANSWER/);
  });

  test('a fork turns the page red with evidence that proves it, and a rollback too', async () => {
    const one = await Server.start(folder, 'fork-a');
    await one.append(samples(300));
    const forkKey = await one.vkey();
    await one.stop();
    one.copy(folder, 'fork-b');
    one.copy(folder, 'fork-c');
    const a = await Server.start(folder, 'fork-a');
    const b = await Server.start(folder, 'fork-b');
    const c = await Server.start(folder, 'fork-c');
    closing.push(
      () => a.stop(),
      () => b.stop(),
      () => c.stop(),
    );
    await a.append(samples(50, 1000));
    await b.append(samples(90, 2000));

    const forked = await visit('#/default/live', { upstream: a.http });
    await sealIs(forked.page, 'first');
    forked.proxy.upstream = b.http;
    forked.proxy.cut();
    assert.match(await staysBroken(forked.page), /does not begin with the one of size 350/);
    const file = await evidenceOf(forked.page, 'fork.evidence');
    let said = '';
    try {
      said = execFileSync(binary, ['verify', '--evidence', file, '--key', forkKey, '--json'], {
        encoding: 'utf8',
      });
    } catch (error) {
      said = String((error as { stdout: string }).stdout);
    }
    assert.match(said, /FORK_PROVEN/);

    const rolled = await visit('#/default/live', { upstream: a.http });
    await sealIs(rolled.page, 'first');
    rolled.proxy.upstream = c.http;
    rolled.proxy.cut();
    assert.match(
      await staysBroken(rolled.page),
      /was 350 records long, signed, and the server now says that it has 300/,
    );
  });

  test('what is withheld or late is amber and never red, and passes', async () => {
    const { page, proxy } = await visit();
    await sealIs(page, 'first');
    proxy.lies = {
      refuse: (path) => (path.endsWith('/checkpoint') ? 503 : undefined),
      event: (name) => (name === 'checkpoint' ? null : undefined),
    };
    await server.append(samples(5, 8200));
    await sealIs(page, 'stale', 60);
    assert.ok(proxy.told > 0);
    assert.equal(await page.locator('.alarm').count(), 0);
    await page.locator('[data-seal]').click();
    assert.match(await page.locator('.popover').innerText(), /freshness is not provable/i);
    proxy.lies = {};
    await server.append(samples(1, 8300));
    await sealIs(page, 'first', 30);
  });

  test('an older checkpoint that a lagging proxy shows is no rollback', async () => {
    const old = await (await fetch(new URL('/logs/default/checkpoint', server.http))).text();
    await server.append(samples(20, 8400));
    const { page, proxy } = await visit();
    await sealIs(page, 'first');
    proxy.lies = { answer: (path) => (path.endsWith('/checkpoint') ? old : undefined) };
    await sealIs(page, 'stale', 60);
    assert.ok(proxy.told > 0);
    await page.locator('[data-seal]').click();
    assert.match(await page.locator('.popover').innerText(), /older checkpoint.*consistent/s);
    proxy.lies = {};
    await sealIs(page, 'first', 30);
  });

  test('a server that went away is amber, and the page goes on by itself when it is back', async () => {
    const { page, proxy } = await visit();
    await sealIs(page, 'first');
    proxy.lies = { refuse: (path) => (path.startsWith('/logs') ? 503 : undefined) };
    proxy.cut();
    await sealIs(page, 'stale', 60);
    proxy.lies = {};
    await server.append([{ ...sample(7), actor: { id: 'after-the-pause' } }]);
    await page.getByText('after-the-pause').first().waitFor({ timeout: 30_000 });
    await sealIs(page, 'first', 30);
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

  // ---- searching -------------------------------------------------------------------------------------------------

  test('a query is typed, narrowed by a facet, shared by its address, and exported', async () => {
    const { page, context, proxy } = await visit('#/default/explore');
    await sealIs(page, 'first');
    await page.locator('[data-exact=true]').waitFor({ timeout: 30_000 });
    await page.keyboard.press('/');
    await page.keyboard.type('action:invo');
    await page.locator('#query-choices [role=option]').first().waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Enter');
    await until('the query is in the address', () => /q=action:invoice/.test(page.url()));
    const exactCount = (of: Page, below = Infinity): Promise<number> =>
      until('an exact count', async () => {
        const { count, exact } = await of
          .locator('.count')
          .evaluate((one) => ({ ...(one as HTMLElement).dataset }) as Record<string, string>);
        return exact === 'true' && Number(count) > 0 && Number(count) < below && Number(count);
      });
    const all = await exactCount(page, await sizeOf());
    await page.locator('.facet[aria-label=service] button').first().click();
    const fewer = await exactCount(page, all);
    assert.match(decodeURIComponent(page.url()), /service:/);
    const shared = await context.newPage();
    await shared.goto(page.url());
    await until(
      'the other sees the same',
      async () => Number(await shared.locator('.count').getAttribute('data-count')) === fewer,
    );
    await until(
      'rows on the screen are looked up in the tree',
      async () => (await shared.locator('.event-row[data-covered=true]').count()) > 3,
    );

    for (const [kind, button] of [
      ['jsonl', 'JSON Lines'],
      ['csv', 'CSV'],
    ] as const) {
      const download = page.waitForEvent('download');
      await page.locator('summary', { hasText: 'export' }).click();
      await page.getByRole('button', { name: button }).click();
      const file = `${folder}/export.${kind}`;
      await (await download).saveAs(file);
      const lines = readFileSync(file, 'utf8').trim().split('\n');
      assert.equal(lines.length, fewer + (kind === 'csv' ? 1 : 0));
      if (kind === 'jsonl')
        assert.ok(
          lines.every((line) =>
            (JSON.parse(line) as { action: string }).action.startsWith('invoice'),
          ),
        );
    }
    void proxy;
  });

  test('what is filtered here and what the server finds are the same records', async (context) => {
    const size = Number(
      (
        (await (await fetch(new URL('/logs/default', server.http))).json()) as {
          publishedSize: string;
        }
      ).publishedSize,
    );
    const rows = [];
    for (let first = 0; first < size;) {
      const page = (await (
        await fetch(new URL(`/logs/default/records?first=${first}&count=1000`, server.http))
      ).json()) as { records: { record: string }[] };
      for (const one of page.records)
        rows.push(decodeRow(new Uint8Array(Buffer.from(one.record, 'base64')), ''));
      first += page.records.length;
    }
    let compared = 0;
    for (const query of [
      '',
      'actor.id:u-17',
      'actor:u-17',
      'action:invoice.*',
      'action:invoice.approve',
      'outcome:denied',
      'NOT outcome:success',
      'outcome:(denied OR failure)',
      'service:checkout ip:10.1.0.0/16',
      'target.type:invoice target.id:42',
      'target.type:invoice target.id:s-9',
      'label.env:staging',
      'lovelace',
      'LOVELACE review',
      '"not authorized"',
      'author*',
      'index:10..20',
      'index:>=100 index:<=120',
      'index:<120',
      'time:2026-01-01..2030-01-01',
      'time:>=2030-01-01',
      'request:r-7',
      'session:s-3',
      'written_by:anonymous',
      'actor.type:service OR action:secret.read',
      '(actor.id:u-17 OR actor.id:u-21) NOT service:ledger',
      'reason:authorized',
      'reason:"the role"',
      'u-17',
      'outcome:foo',
      'outcome:unknown',
      'acton:x',
      'actor.id:',
      '(actor.id:a',
      'outcome:denied)',
      'OR a',
      'ip:10.0.0.0/40',
      'index:x',
      '"open',
    ]) {
      const answer = await fetch(
        new URL(
          `/logs/default/search?${new URLSearchParams({ q: query, limit: '1000', order: 'oldest', size: String(size) })}`,
          server.http,
        ),
      );
      if (answer.status === 404) return context.skip('this server has no search');
      let here: number[] | undefined;
      try {
        const matches = matcher(parseQuery(query));
        here = rows
          .filter(matches)
          .map((row) => row.index)
          .slice(0, 1000);
      } catch (error) {
        assert.ok(error instanceof QueryError);
      }
      if (here === undefined) assert.equal(answer.status, 400, `refused here, not there: ${query}`);
      else {
        assert.equal(
          answer.status,
          200,
          `refused there, not here: ${query} ${await answer.clone().text()}`,
        );
        const there = ((await answer.json()) as { records: { index: string }[] }).records.map(
          (one) => Number(one.index),
        );
        assert.deepEqual(here.slice(0, there.length), there, query);
        compared += there.length;
      }
    }
    assert.ok(compared > 500);
  });

  test('a million rows can be scrolled to the end, and are fetched where one looks', async () => {
    const total = 1_000_000;
    const size = 500;
    const { page, proxy } = await visit('#/logs');
    const all = (await (
      await fetch(new URL(`/logs/default/records?first=0&count=${size}`, server.http))
    ).json()) as { records: { record: string }[] };
    proxy.lies = {
      answer: (path) => {
        if (!path.startsWith('/logs/default/search?')) return undefined;
        const asked = new URLSearchParams(path.split('?')[1]);
        const from = Number(asked.get('from_ordinal') ?? 0);
        const records = Array.from({ length: Math.min(200, total - from) }, (_, i) => ({
          index: String((from + i) % size),
          recordHash: '',
          record: all.records[(from + i) % size]!.record,
        }));
        return JSON.stringify({
          query: '',
          treeSize: '500',
          count: { value: String(total), exact: true },
          records,
          nextCursor: from + 200 < total ? 'c' : '',
          scannedTo: '0',
        });
      },
    };
    await page.goto(page.url().replace(/#.*/, '#/default/explore?order=oldest'));
    await page.locator(`[data-count="${total}"]`).waitFor({ timeout: 30_000 });
    const list = page.locator('.explore .list');
    for (const share of [0.5, 0.25, 1]) {
      await list.evaluate((box, part) => {
        box.scrollTop = (box.scrollHeight - box.clientHeight) * part;
      }, share);
      await until(
        'rows are there',
        async () =>
          (await page.locator('.event-row.waiting').count()) === 0 &&
          (await page.locator('.event-row[data-index]').count()) > 10,
      );
    }
    // The rows of the place before are whole too, until the scrolling has been seen.
    await until('the last row is on the screen', async () =>
      /–1,000,000 of 1,000,000 \(exact\)/.test(await page.locator('.count').innerText()),
    );
    await until('it is there', async () => (await page.locator('.event-row.waiting').count()) === 0);
    const shown = await rowsOf(page);
    assert.equal(shown[shown.length - 1], (total - 1) % size);
    assert.deepEqual(
      shown,
      shown.map((_, i) => shown[0]! + i),
    );
    assert.ok(proxy.told < 12, `${proxy.told} requests: only what is looked at`);
  });

  test('a record shows what came before and after for the same actor', async (context) => {
    const { page } = await visit('#/default/record/40');
    await page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });
    await page.getByRole('tab', { name: 'around' }).click();
    await page.locator('.around').waitFor();
    await until(
      'an answer',
      async () => (await page.locator('.around .here, .around .notice').count()) > 0,
    );
    if ((await page.locator('.around .notice').count()) > 0)
      return context.skip('this server has no search');
    const links = await page
      .locator('.around li a')
      .evaluateAll((all) =>
        all.map((one) => Number(/record\/(\d+)/.exec((one as HTMLAnchorElement).href)![1])),
      );
    assert.equal(links.length, 10);
    assert.deepEqual(
      links,
      links.toSorted((a, b) => a - b),
    );
    const actor = await page.locator('.sentence b').first().innerText();
    for (const name of await page.locator('.around li:not(.here) b').allInnerTexts())
      assert.ok(actor.includes(name));
  });

  test('is that all: the page reads the whole log and finds the same, and a record left out or changed does not pass', async () => {
    const { page, proxy } = await visit('#/default/explore?q=outcome:denied');
    await page.locator('[data-exact=true]').waitFor({ timeout: 30_000 });
    const there = await page.locator('.count').getAttribute('data-count');
    const here = page.url() + '&by=page';
    await page.goto(here);
    await page.reload();
    await page.getByText('matched here, record by record').waitFor({ timeout: 60_000 });
    await page.locator('[data-exact=true]').waitFor({ timeout: 30_000 });
    assert.equal(await page.locator('.count').getAttribute('data-count'), there);
    await page.locator('.how summary').click();
    await page.getByText('each links to the one before it').waitFor();
    proxy.lies = { answer: changeRecord(50) };
    await page.reload();
    await sealIs(page, 'broken', 40);
    assert.ok(proxy.told > 0);
    assert.notEqual(await page.locator('.count').getAttribute('data-exact'), 'true');
  });

  test('an error stands under its column', async () => {
    const { page } = await visit('#/default/explore');
    await sealIs(page, 'first');
    await page.fill('#query', 'actor:alice acton:x');
    await page.keyboard.press('Enter');
    assert.match(
      await page.locator('#query-error').innerText(),
      /column 13: there is no field “acton”/,
    );
  });

  // ---- for everybody ---------------------------------------------------------------------------------------------

  test('events of strangers are shown harmlessly and marked', async () => {
    await server.append(hostile);
    const { page, errors } = await visit(
      '#/default/explore?q=' + encodeURIComponent('target.type:thing'),
    );
    await sealIs(page, 'first');
    await until(
      'they are there',
      async () => (await page.locator('.event-row[data-index]').count()) >= hostile.length,
    );
    assert.equal(await page.locator('.list img, .list script, .list [onerror]').count(), 0);
    const text = await page.locator('.list').innerText();
    assert.ok(text.includes('<img src=x onerror=alert(1)>'), 'markup is text');
    assert.ok(!/[\u202a-\u202e\u2066-\u2069\u200b]/.test(text), 'nothing invisible is drawn');
    assert.ok((await page.locator('.list .warn-mark').count()) >= 4);
    for (const row of await rowsOf(page)) {
      await page.goto(page.url().replace(/#.*/, `#/default/record/${row}`));
      await page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });
      await page.getByRole('tab', { name: 'JSON' }).click();
      await page.locator('.json').waitFor();
    }
    assert.deepEqual(errors, []);
  });

  test('everything can be reached by keys alone', async () => {
    const { page } = await visit();
    await sealIs(page, 'first');
    const keys = async (...all: string[]): Promise<void> => {
      for (const key of all) await page.keyboard.press(key);
    };
    await keys('j', 'j', 'j', 'k', 'Enter');
    await page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });
    const opened = page.url();
    await keys('j');
    await until('the next record', () => page.url() !== opened && page.url().includes('/record/'));
    await keys('v');
    await page.locator('.rung.top').waitFor();
    await keys('Escape');
    await until('back to the list', () => page.url().includes('/live'));
    await keys('g', 'e');
    await until('Explore', () => page.url().includes('/explore'));
    await keys('g', 't');
    await until('Trust', () => page.url().includes('/trust'));
    await keys('g', 'o');
    await page.locator('table.logs').waitFor();
    await keys('Enter');
    await until('the log', () => page.url().includes('/live'));
    await keys('?');
    await page.getByRole('heading', { name: 'Keys' }).waitFor();
    await keys('Escape', '/');
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'query');
    await keys('Escape');
    // Tab goes through everything, and what has the focus shows it.
    for (let i = 0; i < 12; i++) {
      await keys('Tab');
      const shown = await page.evaluate(() => {
        const own = document.activeElement as HTMLElement;
        return (
          own === document.body ||
          getComputedStyle(own).outlineStyle !== 'none' ||
          own.id === 'query'
        );
      });
      assert.ok(shown, `Tab ${i}`);
    }
  });

  const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

  for (const scheme of ['light', 'dark'] as const) {
    test(`axe finds nothing in the ${scheme} theme, on a desk and on a phone`, async () => {
      for (const size of [
        { width: 1440, height: 900 },
        { width: 390, height: 844 },
      ]) {
        for (const hash of [
          '#/default/live',
          '#/default/explore',
          '#/default/record/5',
          '#/default/record/5?from=explore',
          '#/default/trust',
          '#/logs',
        ]) {
          const { page } = await visit(hash, { scheme, size });
          await page
            .locator(hash === '#/logs' ? 'table.logs' : '[data-seal=first]')
            .waitFor({ timeout: 20_000 });
          if (hash.includes('record'))
            await page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });
          if (hash.includes('explore'))
            await page.locator('[data-exact=true]').waitFor({ timeout: 20_000 });
          await sleep(400);
          // By the debugger, past the page's own policy.
          const session = await page.context().newCDPSession(page);
          await session.send('Runtime.evaluate', { expression: axe + ';0' });
          const answer = await session.send('Runtime.evaluate', {
            expression: `axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}).then(found => JSON.stringify(found.violations.map(one => one.id + ': ' + one.nodes.slice(0, 3).map(node => node.html.slice(0, 160) + ' ' + (node.any[0]?.message ?? '')).join(' | '))))`,
            awaitPromise: true,
            returnByValue: true,
          });
          assert.deepEqual(JSON.parse(String(answer.result.value)), [], `${hash} ${size.width}`);
          await page.close();
        }
      }
    });
  }

  test('no page is wider than its window, from 360 to 2,560 pixels', async () => {
    const { page } = await visit();
    await sealIs(page, 'first');
    for (const width of [360, 390, 600, 768, 1024, 1280, 1920, 2560]) {
      await page.setViewportSize({ width, height: 800 });
      for (const hash of [
        '#/default/live',
        '#/default/explore',
        '#/default/record/5',
        '#/default/trust',
        '#/logs',
      ]) {
        await page.goto(page.url().replace(/#.*/, hash));
        await sleep(150);
        const over = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        assert.ok(over <= 0, `${hash} at ${width}: ${over} too wide`);
      }
    }
  });

  test('an empty log shows how to send the first event, and lights up when it comes', async () => {
    const fresh = await Server.start(folder, 'fresh');
    closing.push(() => fresh.stop());
    const { page, proxy } = await visit('#/default/live', { upstream: fresh.http });
    await page.getByText('Listening for the first event').waitFor({ timeout: 20_000 });
    for (const way of ['grpcurl', 'Python', 'C++', 'curl'])
      await page.getByRole('tab', { name: way, exact: true }).click();
    const command = await page.locator('.command pre').innerText();
    assert.ok(command.includes(`${proxy.address}logs/default/events`));
    // Not in this process's own time: the proxy in it has to answer.
    await promisify(execFile)('sh', ['-c', command]);
    await page.locator('.event-row[data-index="0"]').waitFor({ timeout: 5000 });
    await page.getByText('invoice.approve').first().waitFor();
  });

  test('without a stream the page asks instead, and checks the same', async () => {
    const { page, proxy } = await visit('#/default/live', {
      lies: { refuse: (path) => (path.includes('/live?') ? 404 : undefined) },
    });
    await sealIs(page, 'first');
    await server.append([{ ...sample(9), actor: { id: 'without-a-stream' } }]);
    await page.getByText('without-a-stream').first().waitFor({ timeout: 10_000 });
    assert.ok(proxy.told > 0);
    await page.locator('.live-facts', { hasText: 'no stream here' }).waitFor({ timeout: 10_000 });
    await sealIs(page, 'first');
  });
});
