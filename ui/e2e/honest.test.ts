// The page says no more than it knows: many tabs, tokens, answers that do not fit what was asked, addresses that mean nothing.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { changeRecord, flipRecord } from './proxy.ts';
import { binary, Server, sleep, until } from './serving.ts';
import {
  closing,
  drawn,
  folder,
  inChromium,
  samples,
  sealIs,
  server,
  visit,
  vkey,
} from './world.ts';

inChromium('a page that says what it knows', () => {
  test('eight tabs on eight logs all load, with one stream between them', async () => {
    const names = Array.from({ length: 8 }, (_, i) => `log${i}`);
    for (const name of names) {
      execFileSync(binary, ['logs', 'create', name, '--server', server.grpc]);
      await server.append(samples(20), name);
    }
    const { page, proxy, context } = await visit(`#/${names[0]!}/live`);
    const tabs = [page];
    for (const name of names.slice(1)) {
      const tab = await context.newPage();
      tabs.push(tab);
      await tab.goto(proxy.address + `#/${name}/live`);
    }
    for (const tab of tabs)
      await tab.locator('.event-row[data-index="19"]').waitFor({ timeout: 20_000 });
    await until('one stream is open', () => proxy.streams === 1);
    assert.ok(proxy.streamsMost <= 2, `${proxy.streamsMost} streams at once`);
    // Those without it get what comes, too; and the tab that is looked at has the stream.
    for (const name of names) await server.append(samples(1, 100), name);
    for (const tab of tabs)
      await tab.locator('.event-row[data-index="20"]').waitFor({ timeout: 20_000 });
    await page.evaluate(() => window.dispatchEvent(new Event('focus')));
    await page.getByText('streaming').waitFor();
    await tabs[7]!.getByText('another log has the stream').waitFor();
    await until('one stream is open', () => proxy.streams === 1);
    for (const name of names) await server.append(samples(1, 200), name);
    for (const tab of tabs) {
      await tab.locator('.event-row[data-index="21"]').waitFor({ timeout: 20_000 });
      assert.equal(await tab.locator('.alarm').count(), 0);
    }
    // A tab that is closed leaves the stream to another log.
    await page.close();
    await tabs[7]!.getByText('streaming').waitFor();
  });

  test('a token is of one tab: another sees nothing by it, and takes it from nobody', async () => {
    const token = 'a-token-of-some-length-0123456789';
    const digest = createHash('sha256').update(token).digest('hex');
    const guarded = await Server.start(
      folder,
      'tokens',
      [],
      `[[token]]\nidentity = "auditor"\nsha256 = "${digest}"\n`,
    );
    closing.push(() => guarded.stop());
    const write = async (events: object[]): Promise<void> => {
      const written = await fetch(new URL('/logs/default/events?wait=published', guarded.http), {
        method: 'POST',
        headers: { 'content-type': 'application/jsonl', authorization: `Bearer ${token}` },
        body: events.map((one) => JSON.stringify(one)).join('\n'),
      });
      assert.ok(written.ok, await written.text());
    };
    await write(samples(5));
    const { page, proxy, context } = await visit('#/default/live', { upstream: guarded.http });
    await page.fill('#token', token);
    await page.getByRole('button', { name: 'use it' }).click();
    await page.locator('.event-row[data-index="4"]').waitFor({ timeout: 20_000 });
    const other = await context.newPage();
    await other.goto(proxy.address + '#/default/live');
    await other.locator('#token').waitFor({ timeout: 20_000 });
    // The first goes on, and what comes then is not told to the other.
    await write(samples(1, 100));
    await page.locator('.event-row[data-index="5"]').waitFor();
    await drawn(other);
    assert.equal(await other.locator('.event-row').count(), 0);
    await page.goto(proxy.address + '#/default/record/3');
    await page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });
    await other.fill('#token', token);
    await other.getByRole('button', { name: 'use it' }).click();
    await other.locator('.event-row[data-index="4"]').waitFor({ timeout: 20_000 });
    await sealIs(page, 'first');
  });

  type Records = { records: { index: string; record: string }[] };
  const searched = (path: string): boolean => path.startsWith('/logs/default/search?');
  const bent =
    (bend: (records: Records['records']) => Records['records'], when = (_: string) => true) =>
    (path: string, body: string): string | undefined => {
      if (!searched(path) || !when(path)) return undefined;
      const answer = JSON.parse(body) as Records;
      return JSON.stringify({ ...answer, records: bend(answer.records) });
    };
  const search = async (query: string): Promise<Records['records']> =>
    (
      (await (
        await fetch(new URL(`/logs/default/search?${query}&limit=200`, server.http))
      ).json()) as Records
    ).records;

  const others = {
    'records that do not match': async () => {
      const successes = await search('q=outcome:success');
      return [(_: Records['records']) => successes.slice(0, 20), /does not match what was asked/];
    },
    'the same record twice': async () => [
      (all: Records['records']) => [all[0]!, ...all],
      /record \d+ twice/,
    ],
    'another order': async () => [
      (all: Records['records']) => all.toReversed(),
      /newest first, was answered with record/,
    ],
    'a record that was changed': async () => {
      const { index } = (await search('q=outcome:denied&order=newest'))[1]!;
      return [
        (all: Records['records']) =>
          all.map((one) =>
            one.index === index ? { ...one, record: flipRecord(one.record) } : one,
          ),
        /as shown is not in the tree/,
      ];
    },
  } satisfies Record<
    string,
    () => Promise<(RegExp | ((all: Records['records']) => Records['records']))[]>
  >;
  for (const [name, make] of Object.entries(others)) {
    test(`${name} in the answer of a search turn the page red, and are no rows`, async () => {
      const [bend, said] = (await make()) as [(all: Records['records']) => [], RegExp];
      const { page, proxy } = await visit('#/default/explore?q=outcome:denied', {
        lies: { answer: bent(bend) },
      });
      await sealIs(page, 'broken');
      assert.match(await page.locator('.alarm').innerText(), said);
      assert.ok(proxy.told >= 2, 'it was asked twice');
      if (name !== 'a record that was changed') {
        await page.getByText('the answer does not fit what was asked').waitFor();
        assert.equal(await page.locator('.event-row[data-index]').count(), 0);
      }
      await page.reload();
      await sealIs(page, 'broken');
      await page.goto(page.url().replace(/#.*/, '#/default/trust'));
      const incident = page.locator('.incident').first();
      assert.match(await incident.innerText(), said);
      const download = page.waitForEvent('download');
      await incident.getByRole('button', { name: /save (the evidence|what was found)/ }).click();
      const file = `${folder}/${name.replaceAll(' ', '-')}`;
      await (await download).saveAs(file);
      if (name !== 'a record that was changed') {
        await page.locator('input[type=file]').setInputFiles(file);
        await page.locator('[data-explained]', { hasText: 'found not to fit' }).waitFor();
      } else {
        const judged = spawnSync(binary, ['verify', '--evidence', file, '--key', vkey, '--json']);
        assert.match(judged.stdout.toString() + judged.stderr.toString(), /WRONG_ANSWER/);
      }
    });
  }

  test('an answer of a search that is wrong once is no contradiction', async () => {
    const { page, proxy } = await visit('#/default/explore');
    await page.locator('.event-row[data-covered=true]').first().waitFor({ timeout: 20_000 });
    proxy.lies = {
      answer: bent(
        (all) => all.toReversed(),
        () => proxy.told === 0,
      ),
    };
    await page.goto(page.url().replace(/#.*/, '#/default/explore?q=outcome:denied'));
    // The rows of the search before stand until this one has an answer.
    await until('the wrong answer', () => proxy.told > 0);
    await page.locator('.event-row[data-covered=true]').first().waitFor({ timeout: 20_000 });
    assert.equal(proxy.told, 1);
    await sealIs(page, 'first');
    await page.goto(page.url().replace(/#.*/, '#/default/trust'));
    await page.getByText('An answer of the search did not fit at first').waitFor();
  });

  test('a record that does not fit while the page reads the log is a finding, and one that is wrong once is none', async () => {
    const listed = (path: string): boolean => path.startsWith('/logs/default/records?');
    const changed = changeRecord(300);
    const once = await visit('#/default/explore?by=page', {
      lies: {
        answer: (path, body, isFresh) =>
          listed(path) && !isFresh ? changed(path, body) : undefined,
      },
    });
    await once.page.locator('[data-exact=true]').waitFor({ timeout: 30_000 });
    assert.ok(once.proxy.told > 0, 'it was wrong once');
    await sealIs(once.page, 'first');
    // Only in the list: by itself the server shows the record as it is.
    const { page, proxy } = await visit('#/default/explore?by=page', {
      lies: { answer: (path, body) => (listed(path) ? changed(path, body) : undefined) },
    });
    await sealIs(page, 'broken');
    assert.ok(proxy.told >= 2, 'it was asked twice');
    await page.getByText('what was read here does not fit').waitFor();
    assert.match(await page.locator('.alarm').innerText(), /record before it|is not in the tree/);
    assert.notEqual(await page.locator('.count').getAttribute('data-exact'), 'true');
  });

  test('neighbours of a record that are not of its actor turn the page red', async () => {
    const { page, proxy } = await visit('#/default/record/300');
    await page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });
    const strangers = (await search('q=NOT+actor:u-17')).slice(0, 3);
    proxy.lies = { answer: bent(() => strangers) };
    await page.goto(page.url().replace(/#.*/, '#/default/record/300?tab=around'));
    await sealIs(page, 'broken');
    assert.ok(proxy.told >= 2);
    assert.equal(await page.locator('.around li').count(), 0);
  });

  test('a histogram that is not whole says so, and one that does not come', async () => {
    const { page, proxy } = await visit('#/default/explore', {
      lies: {
        answer: (path, body) =>
          path.includes('/histogram?')
            ? JSON.stringify({ ...(JSON.parse(body) as object), exact: false })
            : undefined,
      },
    });
    await page.locator('[data-histogram]', { hasText: 'partial' }).waitFor({ timeout: 20_000 });
    assert.ok(proxy.told > 0);
    proxy.lies = { refuse: (path) => (path.includes('/histogram?') ? 503 : undefined) };
    await page.goto(page.url().replace(/#.*/, '#/default/explore?q=outcome:denied'));
    await page.locator('[data-histogram]', { hasText: 'no histogram: not now' }).waitFor();
    proxy.lies = {};
    await page.goto(page.url().replace(/#.*/, '#/default/explore'));
    await page.locator('[data-exact=true]').waitFor();
    await until(
      'nothing lacks',
      async () => (await page.locator('[data-histogram]').count()) === 0,
    );
  });

  test('a range of time that is none is named, and nothing is asked', async () => {
    const { page, proxy } = await visit('#/default/trust');
    await sealIs(page, 'first');
    const day = '2026-01-01T00:00:00Z';
    for (const [range, said] of [
      [`t1=${day}`, /no end \(t2\)/],
      [`t2=${day}`, /no beginning \(t1\)/],
      [`t1=garbage&t2=${day}`, /t1 in the address is not a valid time/],
      [`t1=2027-01-01T00:00:00Z&t2=${day}`, /ends \(t2\) before it begins/],
    ] as const) {
      const asked = proxy.requests.length;
      await page.goto(page.url().replace(/#.*/, `#/default/explore?${range}`));
      await page.locator('[data-range=bad]', { hasText: said }).waitFor();
      await sleep(700);
      assert.deepEqual(
        proxy.requests.slice(asked).filter((path) => /search|histogram|facets/.test(path)),
        [],
      );
      assert.doesNotMatch(await page.locator('#main').innerText(), /NaN|no records yet/);
      assert.equal(await page.locator('.event-row[data-index]').count(), 0);
    }
    await page.getByText('look at all times').click();
    await page.locator('.event-row[data-index]').first().waitFor();
  });

  test('a link that named another record is amber wherever one looks, until the reader says so', async () => {
    const other = 'ab'.repeat(32);
    const { page } = await visit(`#/default/record/5?hash=${other}`);
    await page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });
    await page.locator('[data-verdict=substituted]', { hasText: 'signed by nobody' }).waitFor();
    await sealIs(page, 'stale');
    assert.match(await page.locator('.seal-button').innerText(), /a link named another record/);
    assert.equal(await page.locator('.alarm').count(), 0);
    await page.goto(page.url().replace(/#.*/, '#/default/live'));
    await page.reload();
    await sealIs(page, 'stale');
    await page.goto(page.url().replace(/#.*/, '#/default/trust'));
    const kept = page.locator('[data-links="1"]');
    assert.match(await kept.innerText(), /record 5/);
    await kept.getByRole('button', { name: 'forget these links' }).click();
    await sealIs(page, 'unpinned');
    await page.reload();
    await sealIs(page, 'unpinned');
  });

  test('an address of no log, of no record and of no page says so', async () => {
    const { page } = await visit('#/nope/live');
    await page.locator('[data-log=none]').waitFor({ timeout: 20_000 });
    assert.match(await page.locator('.seal-button').innerText(), /no such log/);
    assert.doesNotMatch(await page.locator('#main').innerText(), /Waiting for records/);
    for (const [hash, said] of [
      ['#/default/record/abc', /no index/],
      ['#/default/record', /names no record/],
      ['#/default/nonsense', /no such page/],
      ['#/No%20Log/live', /a name that no log can have/],
    ] as const) {
      await page.goto(page.url().replace(/#.*/, hash));
      await page.locator('[data-address=wrong]', { hasText: said }).waitFor();
    }
    await page.goto(page.url().replace(/#.*/, '#/default/live'));
    await page.locator('.event-row[data-index]').first().waitFor();
    assert.equal(await page.locator('[data-address]').count(), 0);
  });
});
