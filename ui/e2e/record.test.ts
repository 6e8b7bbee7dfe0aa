// One record: what proves it, on the screen, on paper, in a file and in a link that somebody else opens; by keys alone.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { symlinkSync, mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import { readRoute } from '../src/route.ts';
import { flipRecord } from './proxy.ts';
import { binary, sample, Server, until } from './serving.ts';
import {
  browser,
  closing,
  drawn,
  folder,
  inChromium,
  leaving,
  samples,
  sealIs,
  server,
  sizeOf,
  visit,
  vkey,
} from './world.ts';

const good = (page: Page): Promise<void> =>
  page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });

inChromium('a record', () => {
  test('its receipt is verified by the very command that the page shows, and a changed one is not', async () => {
    const { page, errors } = await visit('#/default/record/21?tab=proof');
    await good(page);
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'download receipt' }).click();
    const file = await download;
    assert.equal(file.suggestedFilename(), 'default-21.tlog-proof');
    const place = `${folder}/receipts`;
    mkdirSync(place);
    symlinkSync(binary, `${place}/graven`);
    await file.saveAs(`${place}/${file.suggestedFilename()}`);
    const command = await page.locator('.command pre').innerText();
    assert.ok(command.startsWith(`graven receipt verify --key ${vkey} default-21.tlog-proof`));
    const run = (): Promise<{ stdout: string }> =>
      promisify(execFile)('sh', ['-c', command], {
        cwd: place,
        env: { ...process.env, PATH: `${place}:${process.env['PATH']}` },
      });
    assert.match((await run()).stdout, /signed a tree of 6\d\d records that has this one at 21\./);
    await promisify(execFile)('sed', ['-i', '$s/.$/x/', `${place}/default-21.tlog-proof`]);
    await assert.rejects(run(), (error: { code: number }) => error.code === 1);
    assert.deepEqual(errors, []);
  });

  test('what is answered about the record before says nothing about this one', async () => {
    const { page, proxy, errors } = await visit('#/default/record/23');
    await good(page);
    for (const refused of [true, false]) {
      let letGo = (): void => undefined;
      const held = new Promise<void>((resolve) => (letGo = resolve));
      proxy.told = 0;
      proxy.lies = {
        late: (path) => (/\/records\/24$/.test(path) ? held : undefined),
        refuse: (path) => (refused && /\/records\/24$/.test(path) ? 503 : undefined),
      };
      const asked = (): number => proxy.requests.filter((path) => /records\/24$/.test(path)).length;
      const before = asked();
      await page.goto(page.url().replace(/#.*/, '#/default/record/24'));
      await until('the first is asked for', () => asked() > before);
      await page.goto(page.url().replace(/#.*/, '#/default/record/25'));
      await page.locator('article[aria-label="Record 25"] [data-verdict=good]').waitFor();
      letGo();
      if (refused) await until('it was refused', () => proxy.told > 0);
      // Answers come in the order in which they were let go: the next one is behind the one that was late.
      await page.keyboard.press('v');
      await good(page);
      await drawn(page);
      assert.equal(await page.getByText('Not verified').count(), 0);
      assert.match(await page.locator('[data-verdict]').innerText(), /are leaf 25 of the tree/);
      proxy.lies = {};
    }
    assert.deepEqual(errors, []);
  });

  test('its neighbours and what is around it keep the search that led there, and the way', async () => {
    const kept = { from: 'explore', q: 'session:s-4', order: 'oldest', tab: 'around' };
    const { page } = await visit(`#/default/record/40?${new URLSearchParams(kept).toString()}`);
    await good(page);
    const is = async (index: number, way: string): Promise<void> => {
      await page.locator(`article[aria-label="Record ${index}"]`).waitFor();
      await page.locator('.around button[aria-pressed=true]', { hasText: `same ${way}` }).waitFor();
      const { parameters } = readRoute(new URL(page.url()).hash);
      for (const [name, value] of Object.entries({ ...kept, way }))
        assert.equal(parameters.get(name), value, name);
    };
    await page.getByRole('button', { name: 'same session' }).click();
    await is(40, 'session');
    await page.getByRole('link', { name: 'record 41 →' }).click();
    await good(page);
    await is(41, 'session');
    // Nine sessions by turns: the next of the same one.
    await page.locator('.around .here + li a').click();
    await is(50, 'session');
    await page.keyboard.press('Escape');
    await page.locator('.explore .event-row[data-index="4"]').waitFor();
  });

  test('a part of the page that breaks takes nothing else with it, and is there again on the next address', async () => {
    const { page, errors } = await visit('#/default/record/26');
    await good(page);
    await page.evaluate(() => {
      Array.prototype.toReversed = () => {
        throw new Error('p\u202eq');
      };
    });
    await page.getByRole('tab', { name: 'around' }).click();
    const broke = page.locator('.drawer [data-page=broke]');
    await broke.waitFor();
    assert.match(await broke.innerText(), /could not be drawn: !?Error: p202Eq\./);
    await broke.getByRole('button', { name: 'reload' }).waitFor();
    await sealIs(page, 'first');
    assert.ok((await page.locator('#main .event-row[data-index]').count()) > 0);
    await page.goto(page.url().replace(/#.*/, '#/default/record/27'));
    await good(page);
    assert.equal(await broke.count(), 0);
    assert.deepEqual(errors, []);
  });

  test('on paper stand its words, its fields, and its proof with every hash whole and the command', async () => {
    const { page } = await visit('#/default/record/22');
    await good(page);
    await page.getByRole('tab', { name: 'fields' }).waitFor();
    assert.ok(!(await page.locator('.ladder').isVisible()), 'on the screen its fields alone');
    await page.getByRole('tab', { name: 'proof' }).click();
    const shown = await page.locator('.rung .hash-short').first().innerText();
    assert.match(shown, /^[0-9a-f]{8}…[0-9a-f]{4}$/);
    await page.emulateMedia({ media: 'print' });
    // A4 without its margins.
    await page.setViewportSize({ width: 717, height: 1000 });
    await drawn(page);
    for (const hash of await page.locator('.rung .hash-text').all())
      assert.match((await hash.innerText()).trim(), /^[0-9a-f]{64}$/);
    assert.ok(await page.locator('.verdict.good').isVisible());
    assert.ok(await page.locator('.sentence').isVisible());
    assert.ok(await page.locator('.note').isVisible());
    assert.ok(await page.locator('.command pre').isVisible());
    assert.equal(await page.getByRole('button', { name: 'download receipt' }).count(), 0);
    assert.ok(await page.getByText('source.user_agent').isVisible(), 'its fields');
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    await page.goto(page.url().replace(/#.*/, '#/default/record/22'));
    await good(page);
    assert.ok(
      await page.locator('.rung.top').isVisible(),
      'its proof, also when its fields are open',
    );
    assert.ok(await page.getByText('source.user_agent').isVisible());
    const pdf = await page.pdf({ format: 'A4' });
    assert.ok(pdf.length > 10_000);
  });

  test('a link to it is noticed by a colleague to whom another record is shown, and says nothing where it is the same', async () => {
    const one = await Server.start(folder, 'honest');
    await one.append(samples(40));
    await one.stop();
    one.copy(folder, 'substituted');
    const [a, b] = await Promise.all(
      ['honest', 'substituted'].map((name) => Server.start(folder, name)),
    );
    for (const each of [a!, b!]) closing.push(() => each.stop());
    await a!.append([{ ...sample(1), action: 'funds.approve' }]);
    await b!.append([{ ...sample(1), action: 'funds.reject' }]);

    const { page, context } = await visit('#/default/record/40', { upstream: a!.http });
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await good(page);
    await page.getByRole('button', { name: 'copy link' }).click();
    await page.getByText('copied', { exact: true }).waitFor();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(link, /#\/default\/record\/40\?hash=[0-9a-f]{64}$/);

    const colleague = async (upstream: URL): Promise<Page> => {
      const visited = await visit('#/logs', { upstream });
      await visited.page.goto(visited.proxy.address + new URL(link).hash);
      await good(visited.page);
      return visited.page;
    };
    const same = await colleague(a!.http);
    await sealIs(same, 'first');
    assert.equal(await same.locator('[data-verdict=substituted]').count(), 0);
    // Another history by the same key: all of its own proofs hold, and only the link tells.
    const other = await colleague(b!.http);
    await sealIs(other, 'stale');
    const said = await other.locator('[data-verdict=substituted]').innerText();
    assert.match(said, /Not the record of the link/);
    assert.ok(said.includes(/hash=([0-9a-f]{16})/.exec(link)![1]!));
    await other.reload();
    await other.locator('[data-verdict=substituted]').waitFor();
    await other.keyboard.press('v');
    await other.locator('[data-verdict=substituted]').waitFor();
  });

  test('a record that is substituted on the way is noticed by the link and by its own proof', async () => {
    const { page, proxy } = await visit('#/default/record/23');
    await good(page);
    const hash = await page.evaluate(async () => {
      const answer = await fetch('logs/default/records/23');
      const { record } = (await answer.json()) as { record: string };
      const bytes = Uint8Array.from(atob(record), (one) => one.charCodeAt(0));
      const leaf = new Uint8Array(bytes.length + 1);
      leaf.set(bytes, 1);
      const digest = await crypto.subtle.digest('SHA-256', leaf);
      return [...new Uint8Array(digest)].map((one) => one.toString(16).padStart(2, '0')).join('');
    });
    proxy.lies = {
      answer: (path, body) => {
        if (!path.startsWith('/logs/default/records/23')) return undefined;
        const answer = JSON.parse(body) as { record: string };
        return JSON.stringify({ ...answer, record: flipRecord(answer.record) });
      },
    };
    const context = await browser.newContext();
    leaving.push(() => context.close());
    const colleague = await context.newPage();
    await colleague.goto(`${proxy.address}#/default/record/23?hash=${hash}`);
    await colleague.locator('[data-verdict=substituted]').waitFor({ timeout: 20_000 });
    await colleague.locator('[data-verdict=bad]').waitFor();
    assert.ok(proxy.told >= 2);
    await sealIs(colleague, 'broken');
  });

  test('its proof is stepped through by keys, and at both ends the focus stays', async () => {
    const { page } = await visit('#/default/record/24?tab=proof');
    await good(page);
    const rungs = page.locator('.rung');
    const all = await rungs.count();
    assert.ok(all > 5, 'leaf, steps and root');
    await page.locator('.ladder-box').focus();
    await page.keyboard.press('ArrowDown');
    await until('the root is gone', async () => (await page.locator('.rung.top').count()) === 0);
    for (let i = 0; i < all + 3; i++) await page.keyboard.press('ArrowDown');
    assert.equal(await rungs.count(), 1, 'the record alone');
    for (let i = 1; i < all; i++) {
      await page.keyboard.press('ArrowUp');
      assert.equal(await rungs.count(), i + 1);
    }
    assert.match(await page.locator('.rung.top').innerText(), /equal to the root that was signed/);
    await page.keyboard.press('ArrowUp');
    assert.equal(await rungs.count(), all);
    // The buttons, by keys as well.
    await page.getByRole('button', { name: 'step down' }).focus();
    for (let i = 0; i < all + 3; i++) await page.keyboard.press('Enter');
    assert.equal(await rungs.count(), 1);
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'step down');
  });

  test('its bytes name their field under the pointer and under the keys', async () => {
    const { page } = await visit('#/default/record/25?tab=bytes');
    await good(page);
    const said = page.locator('.hex-field');
    const bytes = await page
      .locator('.hex .byte')
      .evaluateAll((all) => all.map((one) => parseInt(one.textContent ?? '', 16)));
    // The first two fields of every record: tag and index, tag and eight bytes of time.
    assert.deepEqual([bytes[0], bytes[1], bytes[2]], [0x08, 25, 0x11]);
    await page.locator('.hex [data-at="1"]').hover();
    assert.match(await said.innerText(), /^index · bytes 0 to 1$/);
    await page.locator('.hex [data-at="5"]').hover();
    assert.match(await said.innerText(), /^received_at · bytes 2 to 10$/);
    assert.equal(await page.locator('.hex .byte.on').count(), 9);
    await page.mouse.move(0, 0);
    await page.locator('pre.hex').focus();
    await page.keyboard.press('ArrowRight');
    assert.match(await said.innerText(), /^index · bytes 0 to 1 · tag and length$/);
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    assert.match(await said.innerText(), /^received_at · bytes 2 to 10 · tag and length$/);
    await page.keyboard.press('ArrowDown');
    assert.match(await said.innerText(), /^previous_hash · bytes 11 to 44$/);
    for (let i = 0; i < bytes.length; i++) await page.keyboard.press('ArrowDown');
    assert.match(await said.innerText(), new RegExp(`^event\\..* to ${bytes.length - 1}`));
    assert.equal(
      await page.locator('.hex .byte.at').getAttribute('data-at'),
      `${bytes.length - 1}`,
    );
  });

  test('what came before and after is that of its actor, its target and its trace', async () => {
    const first = await sizeOf();
    const trace = 'ab'.repeat(16);
    const made = Array.from({ length: 12 }, (_, i) => ({
      ...sample(i),
      actor: { id: i % 2 === 0 ? 'the-actor' : `other-${i}`, type: 'user' },
      targets: [{ type: 'case', id: i % 3 === 0 ? 'the-case' : `case-${i}` }],
      traceId: i % 4 === 0 ? trace : `${i}`.padStart(32, '0'),
    }));
    await server.append(made);
    const { page } = await visit(`#/default/record/${first + 4}?tab=around`);
    await good(page);
    const around = async (): Promise<number[]> => {
      await page.locator('.around .here').waitFor({ timeout: 20_000 });
      return page
        .locator('.around li a')
        .evaluateAll((all) =>
          all.map((one) => Number(/record\/(\d+)/.exec((one as HTMLAnchorElement).href)![1])),
        );
    };
    const at = (...places: number[]): number[] => places.map((place) => first + place);
    await until('its actor', async () => (await around()).length === 5);
    assert.deepEqual(await around(), at(0, 2, 6, 8, 10));
    await page.getByRole('button', { name: 'same trace' }).click();
    await until('its trace', async () => (await around()).length === 2);
    assert.deepEqual(await around(), at(0, 8));
    await page.locator('.around li a').last().click();
    await until('the next of the trace', () => page.url().includes(`/record/${first + 8}`));
    await good(page);
    await page.goto(page.url().replace(/#.*/, `#/default/record/${first + 6}?tab=around`));
    await good(page);
    await page.getByRole('button', { name: 'same target' }).click();
    await until('its target', async () => (await around()).length === 3);
    assert.deepEqual(await around(), at(0, 3, 9));
  });
});
