// Live, as it runs: the picture of the log, drawing one of many, holding still; and what Trust says that the server says.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { Server, startWitness, until } from './serving.ts';
import { closing, folder, inChromium, rowsOf, samples, sealIs, server, visit } from './world.ts';

const countedHere = async (page: Page): Promise<number> =>
  Number(
    /counted here: ([\d,]+)/
      .exec(await page.locator('.live-facts').innerText())?.[1]
      ?.replaceAll(',', '') ?? -1,
  );

/** The server's own word, as Trust gets it. */
async function statusOf(from: Server): Promise<Record<string, unknown>> {
  return (await (await fetch(new URL('/status', from.http))).json()) as Record<string, unknown>;
}

interface Witnessed {
  witnessed: Server;
  policy: string;
}
let started: Promise<Witnessed> | undefined;
const withWitness = (): Promise<Witnessed> => (started ??= startWitnessed());

async function startWitnessed(): Promise<Witnessed> {
  const alone = await Server.start(folder, 'followed');
  const key = await alone.vkey();
  await alone.stop();
  const witness = await startWitness(folder, key);
  const policy = `log ${key}\nwitness own ${witness.vkey} ${witness.url}\nquorum own\n`;
  writeFileSync(`${folder}/followed.policy`, policy);
  const witnessed = await Server.start(folder, 'followed', [
    '--policy',
    `${folder}/followed.policy`,
  ]);
  closing.push(
    () => witness.stop(),
    () => witnessed.stop(),
  );
  return { witnessed, policy };
}

inChromium('following', () => {
  test('the picture of the log shows batches, tiles that fill, checkpoints and witnesses, and names each of them', async () => {
    const { witnessed, policy } = await withWitness();
    await witnessed.append(samples(300));
    const { page } = await visit('#/default/trust', { upstream: witnessed.http });
    await sealIs(page, 'first', 60);
    await page.fill('#key', policy);
    await page.getByRole('button', { name: 'pin' }).click();
    await page.getByText('verified here').waitFor({ timeout: 30_000 });
    await page.goto(page.url().replace(/#.*/, '#/default/live'));
    await page.locator('.event-row[data-index]').first().waitFor();
    const filled = (): Promise<string[]> =>
      page
        .locator('.tiles > span')
        .evaluateAll((all) => all.map((one) => (one as HTMLElement).dataset['filled']!));
    await until('the tiles of 300 leaves', async () => (await filled()).join() === '256,44');

    await witnessed.append(samples(7, 1000));
    const piece = (kind: string): ReturnType<Page['locator']> =>
      page.locator(`.chain [data-kind=${kind}]`).first();
    await until('a batch of 7', async () => (await piece('batch').innerText()) === '+7');
    await until('its checkpoint', async () => (await piece('checkpoint').innerText()) === '307');
    await piece('cosigned').waitFor({ timeout: 30_000 });
    assert.equal(await piece('cosigned').innerText(), '1 witness');
    await until('the tile fills', async () => (await filled()).join() === '256,51');
    // Each under its own shape, and not by colour alone.
    const shapes = await page.locator('.chain .glyph').evaluateAll((all) =>
      all.map((one) => {
        const { clipPath, borderRadius } = getComputedStyle(one, '::before');
        return `${one.className.replace(' newest', '')}: ${clipPath.slice(0, 5)} ${borderRadius}`;
      }),
    );
    assert.equal(new Set(shapes.map((one) => one.replace(/^.*: /, ''))).size, 3, shapes.join('\n'));

    // By the pointer.
    const name = page.locator('.strip-name');
    // What comes meanwhile may move it away from the pointer.
    const isNamed = (kind: string, words: RegExp): Promise<boolean> =>
      until(`${kind} is named`, async () => {
        await piece(kind).hover();
        return words.test(await name.innerText());
      });
    await isNamed('batch', /^7 records, linked one to the next, from 300 on, /);
    await isNamed('checkpoint', /^checkpoint of size 307: signature verified, root recomputed, /);
    await isNamed('cosigned', /^cosigned at size 307 by witness\.example\/own, /);
    await page.locator('.tiles > span').first().hover();
    await name.getByText('tile 0: full, it never changes again').waitFor();
    await page.locator('.live-head').hover();
    // By keys, which move no row.
    const growing = page.getByRole('group', { name: /^Tiles, batches/ });
    await growing.focus();
    await name.getByText(/^tile 0: full/).waitFor();
    await page.keyboard.press('ArrowRight');
    await name.getByText('tile 1: 51 of 256 leaves, still filling').waitFor();
    const named = new Set<string>();
    await until('each kind has been named', async () => {
      await page.keyboard.press('ArrowDown');
      const kind = /^cosigned|^checkpoint|^7 records/.exec(await name.innerText())?.[0];
      if (kind !== undefined) named.add(kind);
      return named.size === 3;
    });
    assert.equal(await page.locator('.event-row.selected').count(), 0);

    // Tiles become full as they are seen.
    await witnessed.append(samples(220, 2000));
    await until('a third tile', async () => (await filled()).join() === '256,256,15');
  });

  test('the picture moves once for what is new, and not at all where motion is not wanted', async () => {
    const { page } = await visit();
    await sealIs(page, 'first');
    const begun = (): Promise<string[]> =>
      page.evaluate(() => (window as unknown as { begun: string[] }).begun);
    await page.evaluate(() => {
      const seen: string[] = [];
      (window as unknown as { begun: string[] }).begun = seen;
      for (const kind of ['animationstart', 'transitionrun'])
        document.addEventListener(kind, (event) => seen.push(`${kind} ${event.target}`));
    });
    await server.append(samples(3, 3000));
    await until('the seal of the checkpoint closes', async () =>
      (await begun()).some((one) => one.startsWith('animationstart')),
    );
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await page.evaluate(() => {
      (window as unknown as { begun: string[] }).begun.length = 0;
    });
    const before = await page.locator('.chain li').count();
    await server.append(samples(3, 3100));
    await until('it is drawn', async () => (await page.locator('.chain li').count()) > before);
    await page.locator('.chain [data-kind=checkpoint]').first().waitFor();
    assert.deepEqual(await begun(), []);
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
  });

  test('where more arrives than can be drawn, one of many is, says so, and all are counted', async () => {
    const { page } = await visit();
    await sealIs(page, 'first');
    const before = await countedHere(page);
    const sending = server.append(samples(1900, 10_000));
    // It is there for a moment.
    const pills = (): Promise<string> =>
      page
        .locator('.pill.still')
        .allInnerTexts()
        .then((all) => all.join('\n'));
    const step = await until('one of many is drawn', async () => {
      const found = /^drawing 1 of (\d+), counting all$/m.exec(await pills());
      return found !== null && Number(found[1]);
    });
    await sending;
    assert.ok(step >= 2 && (step & (step - 1)) === 0, `1 of ${step}`);
    await until('all are counted', async () => (await countedHere(page)) === before + 1900);
    // Who holds the list still gets them all.
    await page.keyboard.press('p');
    await until('each of them', async () => {
      const rows = await rowsOf(page);
      return rows.length > 5 && rows.every((row, i) => i === 0 || row === rows[i - 1]! - 1);
    });
    assert.doesNotMatch(await pills(), /drawing/);
  });

  test('it holds still by key, by button, by scrolling and by opening one, and says how much waits', async () => {
    const { page } = await visit();
    await sealIs(page, 'first');
    const pause = page.getByRole('button', { name: /^(pause|follow)$/ });
    const pill = page.locator('button.pill');
    const holds: [string, () => Promise<void>][] = [
      ['key', () => page.keyboard.press('p')],
      ['button', () => pause.click()],
      [
        'scroll',
        async () => {
          await page.locator('.list').hover();
          await page.mouse.wheel(0, 900);
        },
      ],
      ['row', () => page.locator('.event-row[data-index] time').nth(2).click()],
    ];
    for (const [i, [by, hold]] of holds.entries()) {
      await hold();
      await pill.waitFor();
      assert.equal(await pause.getAttribute('aria-pressed'), 'true', by);
      const held = await rowsOf(page);
      await server.append(samples(11 + i, 20_000 + 100 * i));
      await pill.getByText(new RegExp(`${11 + i} newer`)).waitFor();
      assert.deepEqual(await rowsOf(page), held, by);
      await pill.click();
      await until(`${by}: it follows`, async () => (await rowsOf(page))[0]! > held[0]!);
      if (by === 'row') await page.keyboard.press('Escape');
      else assert.equal(await pause.getAttribute('aria-pressed'), 'false', by);
    }
  });

  test('what waits behind a filter is what passes it', async () => {
    const { page } = await visit('#/default/live?q=' + encodeURIComponent('actor:waits'));
    await sealIs(page, 'first');
    await server.append(samples(2, 30_000).map((one) => ({ ...one, actor: { id: 'waits' } })));
    await until('they are there', async () => (await rowsOf(page)).length === 2);
    await page.keyboard.press('p');
    await server.append([
      ...samples(40, 30_100),
      ...samples(3, 30_200).map((one) => ({ ...one, actor: { id: 'waits' } })),
    ]);
    await page.locator('button.pill', { hasText: /^↑ 3 newer/ }).waitFor();
    await page.locator('button.pill').click();
    await until('all five', async () => (await rowsOf(page)).length === 5);
  });

  test('Trust shows of the server what it says of itself, value by value', async () => {
    const { witnessed } = await withWitness();
    await witnessed.append(samples(40, 40_000));
    const { page } = await visit('#/default/trust', { upstream: witnessed.http });
    const shown = async (name: string): Promise<string> => {
      const line = page.locator('.facts > div', {
        has: page.locator('dt').getByText(name, { exact: true }),
      });
      return (await line.count()) === 0 ? '' : (await line.locator('dd').innerText()).trim();
    };
    const grouped = (value: unknown): string => Number(value).toLocaleString('en-US');
    const facts = (await (await fetch(new URL('/logs/default', witnessed.http))).json()) as Record<
      string,
      string
    >;
    await page.locator('.facts').waitFor();
    await until('the exactly-once window', async () => {
      return (
        (await shown('exactly once within')) === `${grouped(facts['duplicateWindow'])} records`
      );
    });
    assert.equal(await shown('durable'), grouped(facts['durableSize']));
    // Of what goes on changing, what was true before or after: nothing is appended meanwhile.
    let wrong: string[] = [];
    await until('the state of now', async () => {
      const status = await statusOf(witnessed);
      const scrub = status['scrub'] as Record<string, unknown>;
      const [witness] = status['witnesses'] as Record<string, string>[];
      const bytes = (value: unknown): string =>
        Number(value) > 1e9
          ? `${(Number(value) / 1e9).toFixed(1)} GB`
          : `${(Number(value) / 1e6).toFixed(1)} MB`;
      const wanted: [string, string][] = [
        ['state', 'serving'],
        ['version', String(status['version'])],
        ['events since then', grouped(status['eventsAppended'])],
        ['duplicates', grouped(status['eventsDuplicate'])],
        ['refused', grouped(status['requestsRefused'])],
        ['checkpoints signed', grouped(status['checkpointsSigned'])],
        ['batches', grouped(status['batches'])],
        [
          'disk left',
          `${bytes(status['diskFreeBytes'])}, of which ${bytes(status['diskReserveBytes'])} are kept back`,
        ],
        ['journal', `${bytes(status['journalBytesUsed'])} of ${bytes(status['journalBytesMax'])}`],
        ['scrubber findings', grouped(scrub['findingsCount'])],
        [
          `witness ${witness!['name']}`,
          `cosigns ${grouped(witness!['logsCosigned'])} ${Number(witness!['logsCosigned']) === 1 ? 'log' : 'logs'}`,
        ],
      ];
      wrong = [];
      for (const [name, value] of wanted)
        if ((await shown(name)) !== value)
          wrong.push(`${name}: ${await shown(name)}, not ${value}`);
      return wrong.length === 0;
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${wrong.join('; ')}`);
    });
    assert.match(await shown('scrubber'), /^round \d+, \d+ %$/);
  });

  test('Trust lists the checkpoints that were seen, each with its size, root and witnesses', async () => {
    const { witnessed, policy } = await withWitness();
    const { page } = await visit('#/default/trust', { upstream: witnessed.http });
    await sealIs(page, 'first', 60);
    await page.fill('#key', policy);
    await page.getByRole('button', { name: 'pin' }).click();
    const newest = page.locator('.time-line li').first();
    for (let i = 0; i < 3; i++) {
      await witnessed.append(samples(5, 50_000 + 10 * i));
      const note = await until('it is cosigned', async () => {
        const text = await (
          await fetch(new URL('/logs/default/checkpoint', witnessed.http))
        ).text();
        return /\n\u2014 witness\.example/.test(text) && text;
      });
      const [, size, root] = note.split('\n') as [string, string, string];
      const hex = Buffer.from(root, 'base64').toString('hex');
      const entry = page.locator('.time-line li').filter({
        has: page
          .locator('.number')
          .getByText(Number(size).toLocaleString('en-US'), { exact: true }),
      });
      await entry.waitFor({ timeout: 30_000 });
      assert.equal(await entry.locator('.hash-long').textContent(), hex);
    }
    const sizes = (await page.locator('.time-line li > .number').allInnerTexts()).map((one) =>
      Number(one.replaceAll(',', '')),
    );
    assert.ok(sizes.length >= 3);
    assert.deepEqual(
      sizes,
      sizes.toSorted((a, b) => b - a),
    );
    await newest.getByText(/1 cosigned/).waitFor({ timeout: 30_000 });
    // What was seen is there on the next visit too, the older below the newer.
    await page.reload();
    await page.locator('.time-line li').nth(2).waitFor();
    const again = (await page.locator('.time-line li > .number').allInnerTexts()).map((one) =>
      Number(one.replaceAll(',', '')),
    );
    for (const size of sizes) assert.ok(again.includes(size), `${size} of ${again.join()}`);
  });

  test('Trust shows what a server says that is not well', async () => {
    let appended = 1000;
    const begun = Date.now();
    const { page, proxy } = await visit('#/default/trust', {
      lies: {
        answer: (path, body) => {
          if (path !== '/status') return undefined;
          const status = JSON.parse(body) as Record<string, unknown>;
          // A thousand in each second, by this clock.
          appended = 1000 + (Date.now() - begun);
          return JSON.stringify({
            ...status,
            state: 'SERVER_STATE_DISK_FULL',
            stateReason: 'the disk has 12 bytes left',
            eventsAppended: String(appended),
            scrub: {
              ...(status['scrub'] as object),
              rounds: '4',
              progress: 0.31,
              findingsCount: '2',
              lastRoundEndedAt: '2026-03-05T10:00:00Z',
            },
            witnesses: [
              {
                name: 'w.example/\u202eone',
                logsCosigned: '3',
                logsFailing: '1',
                problem: 'no route',
              },
            ],
          });
        },
      },
    });
    await page.locator('.zone').selectOption('UTC');
    const facts = page.locator('.facts > div');
    const line = (name: string, value: string): Promise<void> =>
      facts
        .filter({ has: page.locator('dt').getByText(name, { exact: true }) })
        .filter({ has: page.locator('dd').getByText(value, { exact: true }) })
        .waitFor();
    await line('state', 'disk full');
    await line('why', 'the disk has 12 bytes left');
    await line('scrubber', 'round 5, 31 %');
    await line('last full pass', '2026-03-05 10:00:00.000 UTC');
    await line('scrubber findings', '2');
    await facts.locator('dd.bad', { hasText: 'no route' }).waitFor();
    for (const name of ['state', 'scrubber findings'])
      assert.match(
        (await facts
          .filter({ has: page.locator('dt').getByText(name, { exact: true }) })
          .locator('dd')
          .getAttribute('class')) ?? '',
        /bad/,
      );
    assert.ok(!/\u202e/.test(await page.locator('.facts').innerText()));
    const rate = await until('a rate', async () => {
      const text = await facts
        .filter({ hasText: 'all logs together take' })
        .locator('dd')
        .innerText({ timeout: 1000 })
        .catch(() => '');
      return text !== '' && Number(/^([\d,.]+) \/s$/.exec(text)?.[1]?.replaceAll(',', ''));
    });
    // Of a thousand, as exact as the times at which two answers came.
    assert.ok(rate > 300 && rate < 3000, `${rate} a second`);
    assert.ok(proxy.told >= 2);
    await sealIs(page, 'first');
  });
});
