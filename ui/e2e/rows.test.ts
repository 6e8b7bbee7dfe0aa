// Rows: what a filter shows while much arrives, what is around a record, what can be done with a value, by whatever hand.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { binary, sample, sleep, until } from './serving.ts';
import {
  browser,
  drawn,
  filled,
  inChromium,
  leaving,
  rowsOf,
  sealIs,
  server,
  sizeOf,
  visit,
} from './world.ts';

const pillOf = async (page: Page): Promise<string> =>
  (await page.locator('.pill-line').innerText()).replaceAll('\n', ' ');
const liveOf = (query: string): string => `#/default/live?q=${encodeURIComponent(query)}`;
const by = (id: string): object => ({ ...sample(1), actor: { id, type: 'user' } });

/** Batches of 250 records, of which one in five holds a rare one. Returns the indexes of those. */
async function sendMuch(rare: string): Promise<number[]> {
  const first = await sizeOf();
  const sent: number[] = [];
  for (let batch = 0; batch < 60; batch++) {
    const events = Array.from({ length: 250 }, (_, i) => {
      if (batch % 5 !== 0 || i !== (batch * 7) % 250) return by('common');
      sent.push(first + 250 * batch + i);
      return by(rare);
    });
    await server.append(events);
    await sleep(30);
  }
  return sent;
}

/** By a page's own words: how many it found, and of how many of the newest records. */
async function foundOf(page: Page): Promise<{ found: number; of: number } | undefined> {
  const [, found, of] = /: ([\d,]+) of the last ([\d,]+)/.exec(await pillOf(page)) ?? [];
  const number = (text: string): number => Number(text.replaceAll(',', ''));
  return found === undefined || of === undefined
    ? undefined
    : { found: number(found), of: number(of) };
}

inChromium('rows', () => {
  test('a filter while live shows every rare match at high traffic, and sampling ends by itself', async () => {
    const { page } = await visit(liveOf('actor:rare'));
    const { page: all } = await visit();
    await sealIs(page, 'first');
    await sealIs(all, 'first');
    let sampledAll = false;
    let sending = true;
    const looking = (async () => {
      while (sending && !sampledAll) {
        sampledAll = /drawing 1 of \d+, counting all/.test(await pillOf(all));
        await sleep(30);
      }
    })();
    const sent = await sendMuch('rare').finally(() => (sending = false));
    await looking;
    assert.ok(sampledAll, 'what is drawn of all is sampled');
    const size = await sizeOf();
    // A stream that could not keep up passes over some: then the page holds fewer, and says how many.
    await until(
      'all rare ones of those that are held are shown',
      async () => {
        const own = await foundOf(page);
        if (own === undefined) return false;
        const wanted = sent.filter((index) => index >= size - own.of).reverse();
        return own.found === wanted.length && (await rowsOf(page)).join() === wanted.join();
      },
      30,
    );
    assert.doesNotMatch(await pillOf(page), /drawing/);
    await until('sampling ends', async () => !(await pillOf(all)).includes('drawing'), 30);
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
    const first = await sizeOf();
    await server.append(
      Array.from({ length: 50_000 }, (_, i) => ({
        ...sample(i),
        detailsStruct: { note: i % 100 === 7 ? 'a needle ÄÖ' : `hay ${i} ÄÖ` },
      })),
    );
    await until(
      'it has the last one',
      async () => (await rowsOf(page))[0] === first + 50_000 - 1,
      120,
    );
    await page.evaluate(() => {
      const own = window as unknown as { sliced: boolean };
      own.sliced = false;
      new MutationObserver(() => {
        own.sliced ||= /looked at/.test(document.querySelector('.pill-line')?.textContent ?? '');
      }).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    await page.goto(page.url().replace(/#.*/, liveOf('needle')));
    const isThrough = async (size: number): Promise<number | false> => {
      const own = await foundOf(page);
      if (own === undefined) return false;
      const from = Math.max(0, size - own.of - first);
      const wanted = Math.floor((50_000 - 8) / 100) - Math.ceil((from - 7) / 100) + 1;
      return own.found === wanted && own.of;
    };
    const held = await until('it is through', () => isThrough(first + 50_000), 60);
    const sliced = (): Promise<boolean> =>
      page.evaluate(() => (window as unknown as { sliced: boolean }).sliced);
    assert.ok((await sliced()) || held < 20_000, `${held} rows in one go`);
    await server.append([by('common')]);
    await until('one more is held', () => isThrough(first + 50_001), 30);
  });

  test('what has the same target has its type too, and each target is a way', async () => {
    const first = await sizeOf();
    const of = (...targets: [string, string][]): object => ({
      ...sample(1),
      actor: { id: `a-${Math.random()}`, type: 'user' },
      targets: targets.map(([type, id]) => ({ type, id })),
    });
    await server.append([
      of(['invoice', '4711']),
      of(['customer', '4711']),
      of(['invoice', '4711'], ['customer', '12'], ['a', '1'], ['b', '2'], ['c', '3']),
      of(['customer', '12']),
      of(['c', '3'], ['invoice', '9']),
      of(['c', '9'], ['invoice', '3']),
    ]);
    const { page } = await visit(`#/default/record/${first + 2}?tab=around`);
    const around = async (): Promise<number[]> =>
      page
        .locator('.around li a')
        .evaluateAll((all) =>
          all.map((one) => Number(/record\/(\d+)/.exec((one as HTMLAnchorElement).href)![1])),
        );
    const is = (words: string, ...wanted: number[]): Promise<unknown> =>
      until(
        words,
        async () =>
          (await page.locator('.around .here').count()) === 1 &&
          (await around()).join() === wanted.map((one) => first + one).join(),
      );
    await page.getByRole('button', { name: 'target invoice 4711' }).click();
    await is('the invoice', 0);
    await page.getByRole('button', { name: 'target customer 12' }).click();
    await is('the customer', 3);
    await page.locator('.around summary', { hasText: '2 more targets' }).click();
    await page.getByRole('button', { name: 'target c 3' }).click();
    await is('one in the menu', 4);
    await page.getByRole('link', { name: 'all of them' }).click();
    await page.locator('.explore .event-row[data-index]').first().waitFor();
    assert.equal(await page.locator('#query').inputValue(), '(target.type:c target.id:3)');
  });

  test('an empty answer that has not looked everywhere is no empty history', async () => {
    let cut = 0;
    // Of the server's own, so that it goes on from there.
    let cursor = '';
    const { page } = await visit('#/default/record/300?tab=around', {
      lies: {
        answer: (path, body) => {
          if (!path.includes('/search?') || !path.includes('order=newest') || cut === 0)
            return undefined;
          cut--;
          const answer = JSON.parse(body) as { nextCursor: string };
          cursor ||= answer.nextCursor;
          return JSON.stringify({ ...answer, records: [], nextCursor: cursor });
        },
      },
    });
    await page.locator('.around .here').waitFor({ timeout: 20_000 });
    const whole = await page.locator('.around li').count();
    assert.ok(whole > 5);
    cut = 20;
    await page.getByRole('button', { name: 'same session' }).click();
    await page.locator('.around .unseen', { hasText: 'Not all before it' }).waitFor();
    assert.equal(cut, 0);
    await page.getByRole('button', { name: 'look on' }).click();
    await until('all', async () => (await page.locator('.around .unseen').count()) === 0);
    assert.equal(await page.locator('.around li').count(), 11);
  });

  test('every value can become a filter, its negation or a copy, by keys alone', async () => {
    const { page } = await visit('#/default/explore');
    await filled(page, '#/default/explore');
    const query = (): Promise<string> => page.locator('#query').inputValue();
    await page.keyboard.press('j');
    await page.keyboard.press('m');
    const dialog = page.getByRole('dialog', { name: /^Values of record/ });
    await dialog.waitFor();
    const names = await dialog.locator('li > .fine').allInnerTexts();
    for (const name of ['actor.id', 'action', 'target', 'outcome', 'service', 'ip', 'label'])
      assert.ok(names.includes(name), name);
    // From one to the next by Tab, and Enter.
    await dialog.getByRole('button', { name: /^Without these: outcome/ }).focus();
    await page.keyboard.press('Enter');
    await until('its negation', async () => /^NOT outcome:\w+$/.test(await query()));
    await filled(page, '#/default/explore');
    const facet = page.locator('.facet[aria-label=service] li button').first();
    await facet.focus();
    await page.keyboard.press('Alt+Enter');
    await until('with Alt', async () => /^NOT service:\w+$/.test(await query()));
    await filled(page, '#/default/explore');
    await facet.focus();
    await page.keyboard.press('Shift+F10');
    const one = page.getByRole('dialog', { name: 'A value of service' });
    await one.waitFor();
    assert.equal(await one.getByRole('button', { name: 'copy' }).count(), 1);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Escape');
    await until('closed', async () => (await one.count()) === 0);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await until('its own button', async () => /^NOT service:\w+$/.test(await query()));
    await filled(page, '#/default/record/40');
    await page.getByRole('button', { name: 'Look for all without this action' }).focus();
    await page.keyboard.press('Enter');
    await until('from the record', async () => /^NOT action:[\w.]+$/.test(await query()));
    // Of the details, words; what no field has is copied only.
    await filled(page, '#/default/record/40');
    const details = page.locator('.tree');
    await details.getByText('approved after review', { exact: true }).click();
    await until('words', async () => /^text:"approved after review"$/.test(await query()));
    await page.locator('.event-row[data-index]').first().waitFor();
    await filled(page, '#/default/record/40');
    assert.ok((await details.getByRole('button', { name: 'copy' }).count()) >= 5);
    assert.equal(await details.locator('button.value').count(), 3);
  });

  test('a long touch and the other button open the values of a row', async () => {
    const { page, context } = await visit('#/default/live');
    await filled(page, '#/default/live');
    await page.keyboard.press('p');
    await page
      .locator('.event-row[data-index] .cell.target .value')
      .first()
      .click({ button: 'right' });
    const dialog = page.getByRole('dialog', { name: /^Values of record/ });
    await dialog.waitFor();
    assert.match(
      (await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))) ?? '',
      /^Only these: target /,
    );
    await page.keyboard.press('Enter');
    await until('by its type too', () => decodeURIComponent(page.url()).includes('(target.type:'));
    const phone = await browser.newContext({
      viewport: { width: 390, height: 844 },
      hasTouch: true,
      isMobile: true,
    });
    leaving.push(() => phone.close());
    const held = await phone.newPage();
    await held.goto(page.url().replace(/#.*/, '#/default/live'));
    await held.locator('.event-row[data-index]').first().waitFor();
    const place = (await held.locator('.event-row[data-index]').first().boundingBox())!;
    const session = await phone.newCDPSession(held);
    const points = [{ x: place.x + 100, y: place.y + 10 }];
    await session.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: points });
    await held.locator('dialog.values').waitFor();
    await session.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
    await sleep(300);
    assert.ok(!held.url().includes('/record/'), 'it is no click');
    const over = await held.evaluate(() => {
      const box = document.querySelector('dialog.values')!;
      return box.scrollWidth - box.clientWidth;
    });
    assert.ok(over <= 0, `${over} too wide`);
    assert.ok(context.pages().length > 0);
  });

  test('a query that would turn its line around is shown as what it is, from a link, a facet and by hand', async () => {
    await server.append([{ ...by('strange'), source: { service: '\u202egnp.exe' } }]);
    const { page } = await visit(
      '#/default/explore?q=' + encodeURIComponent('service:"\u202egnp.exe"'),
    );
    const shown = async (query: string): Promise<void> => {
      await until(query, async () => (await page.locator('#query').inputValue()) === query);
      await page.locator('.event-row[data-index]').first().waitFor();
      await sleep(500);
      assert.equal(await page.locator('#query').inputValue(), query);
      assert.doesNotMatch(decodeURIComponent(page.url()), /\u202e/);
    };
    await shown('service:"\\u202egnp.exe"');
    await page.goto(page.url().replace(/#.*/, '#/default/explore?q=actor:strange'));
    await page.locator('[data-exact=true][data-count="1"]').waitFor();
    await page.locator('.facet[aria-label=service] li button').first().click();
    await shown('actor:strange service:"\\u202egnp.exe"');
    await page.locator('#query').fill('service:\u202egnp.exe');
    await page.keyboard.press('Enter');
    await shown('service:"\\u202egnp.exe"');
  });

  test('a file that is dropped where no log is chosen is explained there', async () => {
    const { page } = await visit('#/logs');
    await page.locator('table.logs').waitFor();
    await page.evaluate(() => {
      const transfer = new DataTransfer();
      transfer.items.add(new File(['index,received_at,occurred_at,outcome,actor_id\r\n'], 'a.csv'));
      window.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, cancelable: true }));
    });
    await page.locator('[data-explained]', { hasText: /a\.csv.*as CSV/ }).waitFor();
    assert.match(page.url(), /#\/logs$/);
  });

  test('what was said of a dropped file stands under its log only, once, and of two the later one counts', async () => {
    execFileSync(binary, ['logs', 'create', 'beside', '--server', server.grpc]);
    const { page } = await visit('#/default/live');
    await sealIs(page, 'first');
    const drop = (...names: string[]): Promise<void> =>
      page.evaluate((all) => {
        for (const name of all) {
          const transfer = new DataTransfer();
          transfer.items.add(new File([name === 'slow' ? ' '.repeat(9e6) : 'x'], name));
          const event = new DragEvent('drop', { dataTransfer: transfer, cancelable: true });
          window.dispatchEvent(event);
        }
      }, names);
    await drop('first');
    await page.locator('[data-explained]', { hasText: 'first' }).waitFor();
    await drop('slow');
    await drop('quick');
    await page.locator('[data-explained]', { hasText: 'quick' }).waitFor();
    await sleep(1500);
    assert.match(await page.locator('[data-explained]').innerText(), /^quick/);
    await page.goto(page.url().replace(/#.*/, '#/beside/trust'));
    await page.getByRole('heading', { name: 'What is this file?' }).waitFor();
    await drawn(page);
    assert.equal(await page.locator('[data-explained]').count(), 0);
    await page.goto(page.url().replace(/#.*/, '#/default/trust'));
    await page.getByRole('heading', { name: 'What is this file?' }).waitFor();
    await sealIs(page, 'first');
    assert.equal(await page.locator('[data-explained]').count(), 0);
  });

  test('on a phone the log as it grows and the commands are there too', async () => {
    const { page } = await visit('#/default/live', { size: { width: 360, height: 740 } });
    await filled(page, '#/default/live');
    assert.ok(await page.locator('.strip .tiles').isVisible());
    assert.ok(await page.locator('.live-facts .fine').first().isVisible());
    const strip = (await page.locator('.strip').boundingBox())!;
    const list = (await page.locator('.list').boundingBox())!;
    assert.ok(strip.height < 80 && strip.y >= list.y + list.height - 1, JSON.stringify(strip));
    assert.ok(list.height > 250, `${list.height} px of rows`);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    await page.getByRole('button', { name: 'Commands', exact: true }).click();
    await page.getByRole('dialog', { name: 'The same without this page' }).waitFor();
  });

  test('searches with a name are kept for each server, also of one host', async () => {
    const { page, context, proxy } = await visit('#/default/explore?q=outcome:denied');
    await page.locator('[data-exact=true]').waitFor();
    const saved = page.locator('details.menu', { has: page.getByText('saved', { exact: true }) });
    await saved.locator('summary').click();
    await page.getByLabel('Name for this search').fill('mine');
    await page.getByRole('button', { name: 'save', exact: true }).click();
    await saved.getByRole('link', { name: 'mine' }).waitFor();
    const keys = await page.evaluate(() => Object.keys(localStorage));
    assert.ok(
      keys.some((key) => key === `graven-saved ${proxy.address} default`),
      keys.join(),
    );
    assert.ok(!keys.includes('graven-saved-default'));
    assert.ok(context.pages().length === 1);
  });
});
