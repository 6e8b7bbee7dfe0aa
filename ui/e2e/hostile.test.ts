// Events are written by strangers. Whatever they write, and however much of it, on every view it is shown as what it is, with
// a mark where the eye could be deceived, and leaves the page its size.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { changeRecord } from './proxy.ts';
import { enormous, hostile, until } from './serving.ts';
import { csvColumns } from '../src/record/export.ts';
import { drawn, folder, inChromium, sealIs, server, sizeOf, visit, type Visit } from './world.ts';

const widths = [360, 1280] as const;

/** What could deceive, found in what the browser would draw or say: nothing. */
async function harmless(page: Page, where: string): Promise<void> {
  const found = await page.evaluate(() => {
    const hidden =
      /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\u115f\u1160\u3164\uffa0\ufe00-\ufe0f]/u;
    const found: string[] = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode() !== null)
      if (hidden.test(texts.currentNode.nodeValue ?? ''))
        found.push(`text in ${texts.currentNode.parentElement?.className}`);
    for (const one of document.querySelectorAll('body *')) {
      if (/^(img|iframe|object|embed|form:not\(\.key-form\))$/i.test(one.tagName))
        found.push(one.tagName);
      for (const { name, value } of one.attributes) {
        if (name.startsWith('on')) found.push(`${one.tagName} ${name}`);
        if (
          /^(href|src|action|formaction)$/.test(name) &&
          /^(javascript|data):/i.test(value.trim())
        )
          found.push(`${one.tagName} ${name}=javascript`);
        if (hidden.test(value)) found.push(`${one.tagName}.${one.className} ${name}`);
      }
    }
    if (hidden.test(document.title)) found.push('title');
    return [...new Set(found)].slice(0, 5);
  });
  assert.deepEqual(found, [], where);
}

/** Neither the page nor the part that scrolls in it is wider than it may be, and it is not so much that it stands still. */
async function fits(page: Page, where: string): Promise<void> {
  for (const width of widths) {
    await page.setViewportSize({ width, height: 800 });
    await drawn(page);
    const found = await page.evaluate(() => {
      const root = document.documentElement;
      const wide = [
        root,
        document.querySelector('#main')!,
        ...document.querySelectorAll('.drawer, .record, .page-text'),
      ]
        .filter((one) => one.scrollWidth > one.clientWidth)
        .map((one) => `${one.tagName}.${one.className}: ${one.scrollWidth} in ${one.clientWidth}`);
      return { wide, elements: document.querySelectorAll('*').length };
    });
    assert.deepEqual(found.wide, [], `${where} at ${width}`);
    assert.ok(found.elements < 15_000, `${where}: ${found.elements} elements`);
  }
}

async function shown(page: Page, where: string): Promise<void> {
  await harmless(page, where);
  await fits(page, where);
}

inChromium('strangers', () => {
  let firstHostile = 0;
  let firstEnormous = 0;

  const append = async (): Promise<void> => {
    if (firstHostile > 0) return;
    firstHostile = await sizeOf();
    await server.append(hostile);
    firstEnormous = firstHostile + hostile.length;
    // One by one: together they are more than a request may have.
    for (const { event } of enormous) await server.append([event]);
    assert.equal(await sizeOf(), firstEnormous + enormous.length, 'all of them were taken');
  };

  async function look(hash: string): Promise<Visit> {
    await append();
    const visited = await visit(hash);
    visited.page.on('dialog', (dialog) => {
      visited.errors.push(`a dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    return visited;
  }

  const turnTo = (page: Page, hash: string): Promise<unknown> =>
    page.goto(page.url().replace(/#.*/, hash));

  test('in Live, with whatever columns, and as they arrive', async () => {
    const { page, errors } = await look('#/default/live');
    await sealIs(page, 'first');
    await page.locator('.event-row[data-index]').nth(20).waitFor();
    await server.append(hostile);
    for (const { event } of enormous) await server.append([event]);
    await until(
      'the last is here',
      async () =>
        (await page.locator('.event-row[data-index]').first().getAttribute('data-index')) ===
        String((await sizeOf()) - 1),
    );
    await shown(page, 'live');
    assert.ok((await page.locator('.list .warn-mark').count()) >= 4);
    await sealIs(page, 'first');
    assert.deepEqual(errors, []);
  });

  test('in Explore, its facets and all of its columns, and on paper', async () => {
    const all =
      'time,outcome,actor,action,target,service,delay,index,ip,written+by,reason,trace,session,labels';
    const { page, errors } = await look(`#/default/explore?q=target.type:thing&cols=${all}`);
    await page.locator('.event-row[data-covered=true]').nth(5).waitFor({ timeout: 30_000 });
    await page.setViewportSize({ width: 1280, height: 3000 });
    await page.locator('.facet .warn-mark').first().waitFor();
    assert.ok((await page.locator('.list .warn-mark').count()) >= 4);
    const text = await page.locator('.list').innerText();
    assert.ok(text.includes('<img src=x onerror=alert(1)>'), 'markup is text');
    await shown(page, 'explore');
    await page.setViewportSize({ width: 1280, height: 3000 });
    await page.emulateMedia({ media: 'print' });
    await drawn(page);
    assert.ok((await page.locator('.list .warn-mark').count()) >= 4, 'marked on paper too');
    await shown(page, 'explore on paper');
    assert.deepEqual(errors, []);
  });

  test('as records, in each of their views, and on paper', async () => {
    const { page, errors } = await look('#/default/live');
    await sealIs(page, 'first');
    const names = [...hostile.map((_, i) => `hostile ${i}`), ...enormous.map(({ name }) => name)];
    for (const [i, name] of names.entries()) {
      for (const tab of ['fields', 'json', 'bytes', 'proof']) {
        await turnTo(page, `#/default/record/${firstHostile + i}?tab=${tab}`);
        await page.locator(`#record-${tab}[aria-selected=true]`).waitFor();
        await page
          .locator(`article[aria-label="Record ${firstHostile + i}"] [data-verdict=good]`)
          .waitFor({ timeout: 20_000 });
        await shown(page, `${name}, ${tab}`);
        if (tab !== 'fields') continue;
        await page.emulateMedia({ media: 'print' });
        await shown(page, `${name}, on paper`);
        await page.emulateMedia({ media: 'screen' });
      }
    }
    assert.deepEqual(errors, []);
  });

  test('what is long is cut with its length, shown whole when it is asked for, and copied whole', async () => {
    const { page, context, errors } = await look('#/default/live');
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    const of = (name: string): string =>
      `#/default/record/${firstEnormous + enormous.findIndex((one) => one.name === name)}`;
    await turnTo(page, of('one word of 64 KiB'));
    await page.locator('.tree .cut', { hasText: '… 62,000 more' }).waitFor({ timeout: 20_000 });
    await page.getByRole('button', { name: 'show all 64,000 characters' }).click();
    await until('all of it', async () =>
      (await page.locator('.tree').innerText()).includes('W'.repeat(64_000)),
    );
    await shown(page, 'one word, whole');
    await turnTo(page, of('twenty thousand overrides'));
    await page.getByRole('button', { name: 'show all 20,000 characters' }).click();
    await page.locator('.hidden-mark', { hasText: '202E ×20,000' }).waitFor();
    await shown(page, 'overrides, whole');
    await turnTo(page, of('three thousand keys'));
    await page.getByRole('button', { name: 'show all 3,000' }).waitFor({ timeout: 20_000 });
    await page.getByRole('tab', { name: 'JSON' }).click();
    await page.getByRole('button', { name: 'copy JSON' }).click();
    await page.getByText('copied', { exact: true }).waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    const event = (JSON.parse(copied) as { event: { detailsStruct: object } }).event;
    assert.equal(Object.keys(event.detailsStruct).length, 3000);
    assert.deepEqual(errors, []);
  });

  test('in the incident view, the alarm, the title and on paper', async () => {
    const { page, proxy, errors } = await look('#/default/live');
    await sealIs(page, 'first');
    const index =
      firstEnormous + enormous.findIndex(({ name }) => name === 'every name at its limit');
    proxy.lies = { answer: changeRecord(index) };
    await turnTo(page, `#/default/record/${index}`);
    await page.locator('[data-verdict=bad]').waitFor({ timeout: 20_000 });
    assert.ok(proxy.told >= 2);
    await shown(page, 'a record that does not fit');
    await turnTo(page, '#/default/trust');
    await page.locator('.incident').waitFor();
    await shown(page, 'incident');
    await page.emulateMedia({ media: 'print' });
    await shown(page, 'incident on paper');
    assert.deepEqual(errors, []);
  });

  test('in a checkpoint of another, whose name would turn the alarm around', async () => {
    const { page, proxy, errors } = await look('#/default/live');
    await sealIs(page, 'first');
    const turned = (note: string): string => note.replace(/^[^\n]*/, 'evil.example/\u202egpj.exe');
    proxy.lies = {
      answer: (path, body) => (path.endsWith('/checkpoint') ? turned(body) : undefined),
      event: (name, data) =>
        name === 'checkpoint'
          ? JSON.stringify({
              ...(JSON.parse(data) as object),
              note: turned((JSON.parse(data) as { note: string }).note),
            })
          : undefined,
    };
    await server.append([hostile[0]!]);
    await sealIs(page, 'broken', 40);
    await turnTo(page, '#/default/trust');
    await page.locator('.incident .warn-mark').first().waitFor();
    await shown(page, 'a checkpoint of another');
    assert.deepEqual(errors, []);
  });

  test('in a file that is dropped: a receipt, an export, evidence and what is none of them', async () => {
    const { page, errors } = await look('#/default/live');
    await sealIs(page, 'first');
    const explained = async (name: string, text: string | Buffer): Promise<string> => {
      const file = `${folder}/${name}`;
      writeFileSync(file, text);
      await page.locator('input[type=file]').setInputFiles(file);
      await page
        .locator('[data-explained]', { hasText: name.slice(0, 3) })
        .waitFor({ timeout: 20_000 });
      await shown(page, `dropped: ${name}`);
      return page.locator('[data-explained]').innerText();
    };
    for (const name of ['every name at its limit', 'one word of 64 KiB']) {
      const index = firstEnormous + enormous.findIndex((one) => one.name === name);
      await turnTo(page, `#/default/record/${index}?tab=proof`);
      await page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });
      const download = page.waitForEvent('download');
      await page.getByRole('button', { name: 'download receipt' }).click();
      const receipt = `${folder}/enormous.tlog-proof`;
      await (await download).saveAs(receipt);
      await turnTo(page, '#/default/trust');
      assert.match(
        await explained(`rec-${index}.tlog-proof`, readFileSync(receipt)),
        /receipt that holds/,
      );
    }
    assert.ok((await page.locator('[data-explained]').count()) === 1);
    await explained('abc\u202egpj.txt', 'Z' + '\u0301'.repeat(60_000));
    await page.locator('[data-explained] .warn-mark').first().waitFor();
    await explained('mar.jsonl', '{"index":0,"record":"<img src=x onerror=alert(1)>"}\n');
    await explained('big.bin', Buffer.alloc(17 << 20, 'x'));
    assert.deepEqual(errors, []);
  });

  test('in what the server says of itself, of its logs and of what it refuses', async () => {
    const { page, proxy, errors } = await look('#/default/live');
    await sealIs(page, 'first');
    const evil = 'a\u202egpj.exe\u200b<img src=x onerror=alert(1)>';
    const changed = (answer: { logs?: object[] }): object =>
      answer.logs === undefined
        ? { ...answer, version: evil, stateReason: evil, recoveryReport: evil }
        : {
            ...answer,
            logs: answer.logs.map((log) => ({
              ...log,
              origin: evil,
              state: 'LOG_STATE_READ_ONLY',
              stateReason: evil,
            })),
          };
    proxy.lies = {
      answer: (path, body) =>
        /^\/(status|logs)(\?|$)/.test(path)
          ? JSON.stringify(changed(JSON.parse(body) as { logs?: object[] }))
          : undefined,
    };
    await turnTo(page, '#/logs');
    await page.locator('.logs .origin .warn-mark').first().waitFor({ timeout: 20_000 });
    await shown(page, 'logs');
    await turnTo(page, '#/default/trust');
    await page.locator('.facts .warn-mark').nth(2).waitFor({ timeout: 20_000 });
    await shown(page, 'the state of the server');
    proxy.lies = {
      answer: (path, body) =>
        path === '/logs' ? body.replace('"default"', JSON.stringify(evil)) : undefined,
    };
    await turnTo(page, '#/logs');
    await page.getByText('by a name that no log can have').waitFor({ timeout: 20_000 });
    await shown(page, 'a log with a name that is none');
    const told = proxy.told;
    proxy.lies = {
      refuse: (path) => (/\/search\?|\/records\/3$/.test(path) ? 503 : undefined),
      refusal: evil,
    };
    await turnTo(page, '#/default/explore?q=outcome:denied');
    await page.locator('.list .warn-mark').first().waitFor({ timeout: 60_000 });
    await shown(page, 'a search that is refused');
    await turnTo(page, '#/default/record/3');
    await page.locator('.record .notice .warn-mark').waitFor({ timeout: 60_000 });
    await shown(page, 'a record that is refused');
    assert.ok(proxy.told > told + 1);
    assert.deepEqual(errors, []);
  });

  test('in a CSV no value is a formula or breaks a line, and all are there', async () => {
    const { page, errors } = await look('#/default/explore?q=target.type:thing');
    await page.locator('[data-exact=true]').waitFor({ timeout: 30_000 });
    const count = Number(await page.locator('.count').getAttribute('data-count'));
    assert.ok(count >= hostile.length + enormous.length - 1);
    const download = page.waitForEvent('download');
    await page.locator('summary', { hasText: 'export' }).click();
    await page.getByRole('button', { name: 'CSV' }).click();
    const file = `${folder}/hostile.csv`;
    await (await download).saveAs(file);
    const text = readFileSync(file, 'utf8');
    const lines = text.split('\r\n').slice(1, -1);
    assert.equal(lines.length, count);
    for (const line of lines) {
      const cells = [...line.matchAll(/"((?:[^"]|"")*)"/g)].map((one) => one[1]!);
      assert.equal(cells.length, csvColumns.length, line.slice(0, 200));
      for (const cell of cells) assert.doesNotMatch(cell, /^\s*[=+\-@\t]/, cell.slice(0, 100));
      assert.doesNotMatch(line, /[\n\r\v\f\u0085\u2028\u2029\0\u200b\u202a-\u202e\u2066-\u2069]/);
    }
    assert.ok(text.includes(`"'=HYPERLINK(""http://evil"")`));
    assert.deepEqual(errors, []);
  });

  test('in a link: what it names is no more than text, and a filter by an enormous value is one', async () => {
    const { page, errors } = await look('#/default/live');
    await sealIs(page, 'first');
    const evil = encodeURIComponent('<img src=x onerror=alert(1)>\u202e' + 'q'.repeat(3000));
    for (const hash of [
      `#/default/explore?q=${evil}`,
      `#/default/live?q=${evil}`,
      `#/default/record/5?hash=${evil}&from=${evil}&tab=${evil}`,
      `#/${evil}/live`,
      `#/default/${evil}`,
    ]) {
      await turnTo(page, hash);
      await drawn(page);
      await harmless(page, hash.slice(0, 40));
      await fits(page, hash.slice(0, 40));
    }
    const index =
      firstEnormous + enormous.findIndex(({ name }) => name === 'every name at its limit');
    await page.setViewportSize({ width: 1280, height: 800 });
    await turnTo(page, `#/default/record/${index}`);
    await page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });
    await page.locator('.field-line', { hasText: 'targets[0].id' }).locator('button.value').click();
    await until(
      'what has it',
      async () =>
        (await page.locator('.event-row[data-index]').first().getAttribute('data-index')) !==
          null && page.url().includes('/explore'),
    );
    await page.locator('[data-exact=true]').waitFor({ timeout: 20_000 });
    assert.ok(Number(await page.locator('.count').getAttribute('data-count')) >= 1);
    await shown(page, 'a filter by an enormous value');
    assert.deepEqual(errors, []);
  });
});
