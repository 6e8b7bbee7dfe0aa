// Rows: what a filter shows while much arrives, what is around a record, what can be done with a value, by whatever hand.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { sample, sleep, until } from './serving.ts';
import { filled, inChromium, sealIs, server, visit } from './world.ts';

const pillOf = async (page: Page): Promise<string> =>
  (await page.locator('.pill-line').innerText()).replaceAll('\n', ' ');
const liveOf = (query: string): string => `#/default/live?q=${encodeURIComponent(query)}`;
const by = (id: string): object => ({ ...sample(1), actor: { id, type: 'user' } });

/** Batches of 250 records, of which one in five holds a rare one. */
async function sendMuch(rare: string): Promise<number> {
  let sent = 0;
  for (let batch = 0; batch < 60; batch++) {
    const events = Array.from({ length: 250 }, (_, i) => {
      if (batch % 5 !== 0 || i !== (batch * 7) % 250) return by('common');
      sent++;
      return by(rare);
    });
    await server.append(events);
    await sleep(30);
  }
  return sent;
}

inChromium('rows', () => {
  test('a filter while live shows every rare match at high traffic, and sampling ends by itself', async () => {
    const { page } = await visit(liveOf('actor:rare'));
    const { page: all } = await visit();
    await sealIs(page, 'first');
    let sampledAll = false;
    const looking = (async () => {
      for (let i = 0; i < 100 && !sampledAll; i++) {
        sampledAll = /drawing 1 of \d+, counting all/.test(await pillOf(all));
        await sleep(30);
      }
    })();
    const sent = await sendMuch('rare');
    await looking;
    assert.ok(sampledAll, 'what is drawn of all is sampled');
    await until(
      'all rare ones are shown',
      async () => (await page.locator('.event-row[data-index]').count()) === sent,
      10,
    );
    assert.doesNotMatch(await pillOf(page), /drawing/);
    assert.match(await pillOf(page), new RegExp(`: ${sent} of the last`));
    await until('sampling ends', async () => !(await pillOf(all)).includes('drawing'), 10);
  });

  test('what waits while a filter is paused is counted in matches', async () => {
    const { page } = await visit(liveOf('actor:rarely'));
    await server.append([by('rarely')]);
    await page.locator('.event-row[data-index]').first().waitFor();
    await page.keyboard.press('p');
    await server.append(Array.from({ length: 50 }, () => by('common')));
    await server.append([by('rarely'), by('rarely')]);
    await until('they are counted', async () => /2 newer matches/.test(await pillOf(page)), 10);
    assert.equal(await page.locator('.event-row[data-index]').count(), 1);
    await page.keyboard.press('p');
    await until(
      'and shown',
      async () => (await page.locator('.event-row[data-index]').count()) === 3,
    );
  });

  test('a filter goes through fifty thousand rows once, in slices', async () => {
    const { page } = await visit('#/default/live');
    await sealIs(page, 'first');
    await filled(page, '#/default/live');
    await server.append(
      Array.from({ length: 50_000 }, (_, i) => ({
        ...sample(i),
        detailsStruct: { note: i % 1000 === 7 ? 'a needle ÄÖ' : `hay ${i} ÄÖ` },
      })),
    );
    await until(
      'all are held',
      async () => /[5-9]\d,\d{3}/.test(await page.locator('.live-facts').innerText()),
      60,
    );
    await page.evaluate(() => {
      const long: number[] = [];
      (window as unknown as { long: number[] }).long = long;
      new PerformanceObserver((list) =>
        list.getEntries().forEach((one) => long.push(Math.round(one.duration))),
      ).observe({ type: 'longtask' });
    });
    await page.goto(page.url().replace(/#.*/, liveOf('needle')));
    await until('it looks', async () => /looked at/.test(await pillOf(page)), 5);
    await until('it is through', async () => /: 50 of the last/.test(await pillOf(page)), 30);
    await server.append([by('common')]);
    await sleep(1000);
    const long = await page.evaluate(() => (window as unknown as { long: number[] }).long);
    console.log(`# tasks of more than 50 ms: ${JSON.stringify(long)}`);
    assert.match(await pillOf(page), /: 50 of the last/);
  });
});
