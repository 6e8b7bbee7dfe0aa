// Search: queries, facets, rows by the million, and whether that is all.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { millionFound } from './million.ts';
import { changeRecord } from './proxy.ts';
import { matcher } from '../src/record/matcher.ts';
import { parseQuery, QueryError } from '../src/record/query.ts';
import { decodeRow } from '../src/record/row.ts';
import { binary, sleep, until } from './serving.ts';
import { inChromium, folder, rowsOf, sealIs, server, sizeOf, visit, vkey } from './world.ts';

inChromium('searching', () => {
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
    await until('the query is in the address', () => /q=(v1:\+)?action:invoice/.test(page.url()));
    const exactCount = (of: Page, below = Infinity): Promise<number> =>
      until('an exact count', async () => {
        const { count, exact } = await of
          .locator('.count')
          .evaluate((one) => ({ ...(one as HTMLElement).dataset }) as Record<string, string>);
        return exact === 'true' && Number(count) > 0 && Number(count) < below && Number(count);
      });
    const all = await exactCount(page, await sizeOf());
    await until("the answer's form is in the address", () =>
      /q=v1:\+action:invoice/.test(page.url()),
    );
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
    // What was exported is what the log still has; with a word changed it is not what its bytes say.
    const exported = `${folder}/export.jsonl`;
    await page.goto(page.url().replace(/#.*/, '#/default/trust'));
    await page.locator('input[type=file]').setInputFiles(exported);
    await page.locator('[data-explained=true]', { hasText: 'still has exactly these' }).waitFor();
    const changed = readFileSync(exported, 'utf8').replace('"actorId":"', '"actorId":"not-');
    writeFileSync(`${folder}/changed.jsonl`, changed);
    await page.locator('input[type=file]').setInputFiles(`${folder}/changed.jsonl`);
    await page.locator('[data-explained=false]', { hasText: 'not what its bytes say' }).waitFor();
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
      'time:2026',
      'time<=2026-01',
      'occurred:2026',
      'index>=17 index<=400',
      'v1: outcome:denied',
      'action:"invoice.*"',
      'target.type:invoice (target.id:42)',
      'not@authorized',
      '"uthorized"',
      'label."env":staging',
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
    const { page, proxy } = await visit('#/logs');
    const { total, lies } = await millionFound(server);
    proxy.lies = lies;
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
    await until(
      'it is there',
      async () => (await page.locator('.event-row.waiting').count()) === 0,
    );
    const shown = await rowsOf(page);
    assert.equal(shown[shown.length - 1], total - 1);
    assert.deepEqual(
      shown,
      shown.map((_, i) => shown[0]! + i),
    );
    assert.ok(proxy.told < 12, `${proxy.told} requests: only what is looked at`);
  });

  test('an export says how far it is, and one that is cancelled saves nothing', async () => {
    const { page, proxy } = await visit('#/logs');
    const { total, lies } = await millionFound(server);
    proxy.lies = lies;
    let saved = 0;
    page.on('download', () => saved++);
    await page.goto(page.url().replace(/#.*/, '#/default/explore?order=oldest'));
    await page.locator(`[data-count="${total}"]`).waitFor({ timeout: 30_000 });
    await page.locator('summary', { hasText: 'export' }).click();
    await page.getByRole('button', { name: 'CSV' }).click();
    const progress = page.getByRole('progressbar', { name: 'Export' });
    await until('some of it', async () => Number(await progress.getAttribute('value')) >= 400);
    await page.getByRole('button', { name: 'cancel' }).click();
    await until('it has ended', async () => (await progress.count()) === 0);
    const told = proxy.told;
    await sleep(800);
    assert.equal(proxy.told, told, 'nothing is asked for any more');
    assert.equal(saved, 0);
  });

  test('an export that breaks off says so and saves nothing', async () => {
    const { page, proxy } = await visit('#/default/explore');
    await page.locator('[data-exact=true]').waitFor({ timeout: 30_000 });
    let saved = 0;
    page.on('download', () => saved++);
    proxy.lies = { refuse: (path) => (path.includes('/search?') ? 503 : undefined) };
    await page.locator('summary', { hasText: 'export' }).click();
    await page.getByRole('button', { name: 'CSV' }).click();
    await page.getByText('Nothing was saved: not now').waitFor();
    assert.ok(proxy.told > 0);
    assert.equal(saved, 0);
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

  test('is that all: the signed statement is copied, fits what the page shows, and a lying one does not', async () => {
    const { page, context, proxy } = await visit('#/default/explore?q=outcome:denied');
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.locator('[data-exact=true]').waitFor({ timeout: 30_000 });
    const count = Number(await page.locator('.count').getAttribute('data-count'));
    const ask = page.getByRole('button', { name: "the server's signed statement" });
    await page.locator('.how summary').click();
    await ask.click();
    // Its signatures are checked here; whether it is true, only a search of all records shows.
    const fits = page.locator('[data-statement=undefined]');
    await fits.waitFor({ timeout: 30_000 });
    assert.match(
      await fits.innerText(),
      /records match, under a checkpoint of size [\d,]+ signed by the key that this page checks with, (which is|proven here to be) .*this page checked: the word/,
    );
    await page.getByRole('button', { name: 'copy the statement' }).click();
    const copied = await until('something is copied', () =>
      page.evaluate(() => navigator.clipboard.readText()),
    );
    assert.equal(copied.split('\n')[0], 'graven answer v1');
    assert.equal(copied.split('\n')[6], String(count));
    // What was copied is what the command line searches again; the command stands beside it.
    const file = `${folder}/denied.answer`;
    writeFileSync(file, copied);
    const command = await page.locator('.how').getByText('graven verify --answer').innerText();
    const answerKey = /--answer-key (\S+)/.exec(command)![1]!;
    assert.ok(command.includes(`--key ${vkey} `));
    const said = execFileSync(
      binary,
      [
        'verify',
        ...['--answer', file, '--key', vkey, '--answer-key', answerKey],
        ...['--server', server.grpc, '--json'],
      ],
      { encoding: 'utf8' },
    );
    const verdict = JSON.parse(said) as { verdict: string; count: number };
    assert.deepEqual([verdict.verdict, verdict.count], ['HOLDS', count]);

    // The page that read and matched all records itself knows that it holds.
    await page.goto(page.url() + '&by=page');
    await page.getByText('matched here, record by record').waitFor({ timeout: 60_000 });
    await page.locator('[data-exact=true]').waitFor({ timeout: 30_000 });
    await ask.click();
    await page.locator('[data-statement=true]').waitFor({ timeout: 30_000 });

    // One match left out, signed or not; another query; a file of nothing.
    const lies: [RegExp, (body: string) => string][] = [
      [/not signed by the key/, (body) => body.replace(`\n${count}\n`, `\n${count - 1}\n`)],
      [/cannot be read/, (body) => body.slice(0, 100) + '\n'],
    ];
    for (const [words, lie] of lies) {
      proxy.told = 0;
      proxy.lies = {
        answer: (path, body) => (path.includes('/statement?') ? lie(body) : undefined),
      };
      await ask.click();
      await until('it is refused', async () =>
        words.test(await page.locator('[data-statement=false]').innerText()),
      );
      assert.ok(proxy.told > 0);
    }
    // A statement that the server did sign, about another question.
    const other = await (
      await fetch(new URL('/logs/default/statement?q=outcome:success', server.http))
    ).text();
    proxy.lies = {
      answer: (path) => (path.includes('/statement?') ? other : undefined),
    };
    await ask.click();
    await until('it is refused', async () =>
      /does not fit/.test(await page.locator('[data-statement=false]').innerText()),
    );
    proxy.lies = {};
    await page.goto(page.url().replace(/#.*/, '#/default/trust'));
    await page.locator('input[type=file]').setInputFiles(file);
    await until('the file is explained', async () =>
      /statement that .* records match/.test(await page.locator('[data-explained]').innerText()),
    );
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
});
