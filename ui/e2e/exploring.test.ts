// Explore, narrowed and kept: stretches of the histogram, values of all there are, columns, zones, names for searches,
// completion, errors under their column.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { sample, sleep, until } from './serving.ts';
import { drawn, inChromium, rowsOf, sealIs, server, sizeOf, visit } from './world.ts';

const countOf = (page: Page): Promise<number> =>
  until('an exact count', async () => {
    const { count, exact } = await page
      .locator('.count')
      .evaluate((one) => ({ ...(one as HTMLElement).dataset }) as Record<string, string>);
    return exact === 'true' && Number(count);
  });
const countIs = (page: Page, wanted: number): Promise<unknown> =>
  until(`the count is ${wanted}`, async () => (await countOf(page)) === wanted);
const parameter = (page: Page, name: string): string | null =>
  new URLSearchParams(page.url().replace(/^[^?]*\??/, '')).get(name);

/** What a browser that knows zones shows for a time: not by the page's own reckoning. */
const shownIn = (ms: number, timeZone: string): string =>
  new Date(ms).toLocaleString('sv-SE', { timeZone });

inChromium('exploring', () => {
  test('nothing in a range of time is no empty log', async () => {
    const range = 't1=2001-01-01T00:00:00Z&t2=2001-01-02T00:00:00Z';
    for (const by of ['', '&by=page']) {
      const { page } = await visit(`#/default/explore?${range}${by}`);
      await page.locator('.list').getByText('Nothing in this range of time.').waitFor();
      assert.equal(await page.getByText('no records yet').count(), 0);
    }
  });

  test('places of rows are those in the list that is shown', async () => {
    const { page } = await visit('#/default/explore?q=outcome:denied');
    await page.locator('[data-exact=true]').waitFor({ timeout: 30_000 });
    await page.locator('.event-row[data-index]').nth(5).waitFor();
    const count = Number(await page.locator('.count').getAttribute('data-count'));
    const list = page.locator('.explore .list');
    assert.equal(await list.getAttribute('aria-rowcount'), String(count + 1));
    const places = await list
      .locator('[role=row]')
      .evaluateAll((rows) => rows.map((row) => Number(row.getAttribute('aria-rowindex'))));
    assert.deepEqual(
      places,
      places.map((_, i) => i + 1),
    );
    assert.ok(places.length > 6 && places.length <= count + 1);
  });

  test('an outcome that has no name is shown by its number', async () => {
    await server.append(
      [17, -1].map((outcome) => ({ ...sample(2), action: 'odd.outcome', outcome })),
    );
    for (const by of ['', '&by=page']) {
      const { page, errors } = await visit('#/default/explore?q=action:odd.outcome' + by);
      await page.locator('[data-exact=true][data-count="2"]').waitFor({ timeout: 30_000 });
      assert.equal(await page.locator('[data-page=broke]').count(), 0);
      const facet = page.locator('.facet[aria-label=outcome]');
      await facet.locator('.outcome').first().waitFor();
      if (by === '') {
        const shown = (await facet.locator('.outcome').allInnerTexts()).join(' ');
        assert.match(shown, /17/);
        assert.match(shown, /-1/);
        await page.locator('.event-row[data-index] .cell.time').first().click();
        await page.locator('.sentence', { hasText: /outcome -1 \(a value/ }).waitFor();
      }
      assert.deepEqual(errors, []);
    }
  });

  test('a stretch of the histogram, chosen by keys or by pointer, narrows the search to what its bars count', async () => {
    for (const [wave, count] of [5, 7, 9].entries()) {
      if (wave > 0) await sleep(2100);
      await server.append(
        Array.from({ length: count }, () => ({ ...sample(0), action: `wave.w${wave}` })),
      );
    }
    const { page } = await visit('#/default/explore?q=action:wave.*');
    await page.locator('.zone').selectOption('UTC');
    await countIs(page, 21);
    const keys = page.getByRole('slider', { name: /Matches over time/ });
    const words = async (): Promise<string> => (await keys.getAttribute('aria-valuetext')) ?? '';
    const walkTo = async (what: RegExp, key: string): Promise<string> => {
      for (let i = 0; i < 70 && !what.test(await words()); i++) await page.keyboard.press(key);
      assert.match(await words(), what);
      return words();
    };
    await keys.focus();
    await page.keyboard.press('Home');
    const first = await walkTo(/: 5 success$/, 'ArrowRight');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowRight');
    await walkTo(/: 12 success$/, 'Shift+ArrowRight');
    assert.equal(await page.locator('.chart-says').innerText(), await words(), 'seen as well');
    // Another key than Enter leaves the search as it is.
    await page.keyboard.press('Escape');
    assert.equal(parameter(page, 't1'), null);
    await page.keyboard.press('Home');
    await walkTo(/: 5 success$/, 'ArrowRight');
    await walkTo(/: 12 success$/, 'Shift+ArrowRight');
    await page.keyboard.press('Enter');
    await countIs(page, 12);
    const [from, to] = [parameter(page, 't1')!, parameter(page, 't2')!];
    for (const time of [from, to]) assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    // The bar that was named first is where the stretch begins.
    assert.equal(first.slice(0, 19), from.slice(0, 19).replace('T', ' '));
    assert.match(await page.locator('.range summary').innerText(), /^\d{4}-\d\d-\d\d .* – /);
    await page.reload();
    await countIs(page, 12);
    await page.goBack();
    await countIs(page, 21);

    // By pointer: the bar that counts nine, of which the readout tells where it is.
    const plot = (await page.locator('.chart .u-over').boundingBox())!;
    const bars = Number(await keys.getAttribute('aria-valuemax')) + 1;
    const middle = (bar: number): number => plot.x + ((bar + 0.5) / bars) * plot.width;
    let nine: number | undefined;
    for (let bar = 0; bar < bars && nine === undefined; bar++) {
      await page.mouse.move(middle(bar), plot.y + 20);
      if (await page.locator('.chart-says', { hasText: /: 9 success$/ }).count()) nine = bar;
    }
    assert.ok(nine !== undefined, 'a bar counts nine');
    await page.mouse.move(middle(nine) - 4, plot.y + 20);
    await page.mouse.down();
    await page.mouse.move(middle(nine) + 4, plot.y + 20, { steps: 4 });
    await page.mouse.up();
    await countIs(page, 9);
    assert.ok(Date.parse(parameter(page, 't1')!) >= Date.parse(to) - 1000);
    // And back to all times.
    await page.locator('.range summary').click();
    await page.getByRole('button', { name: 'all times' }).click();
    await countIs(page, 21);
    assert.equal(parameter(page, 't1'), null);
  });

  test('a value is looked for among all values of a field, also where they are not of the first ten', async () => {
    for (const by of ['', '&by=page']) {
      const { page } = await visit('#/default/explore?q=outcome:success' + by);
      await countOf(page);
      const facet = page.locator('.facet[aria-label=ip]');
      await facet.locator('.others').waitFor();
      const top = await facet.locator('.facet-value').allInnerTexts();
      assert.equal(top.length, 10);
      // One of the many, by the records themselves.
      const answer = (await (
        await fetch(
          new URL('/logs/default/facets?q=outcome:success&field=ip&top=1000', server.http),
        )
      ).json()) as { facets: { values: { value: string; count: string }[] }[] };
      const all = answer.facets[0]!.values;
      const wanted = all.findLast((one) => !top.includes(one.value))!;
      const part = wanted.value.slice(3);
      const matching = all.filter((one) => one.value.includes(part));
      await facet.getByRole('searchbox').fill(part);
      await until('what has it in it', async () => {
        const shown = await facet.locator('.facet-value').allInnerTexts();
        return (
          shown.length === Math.min(20, matching.length) && shown.every((one) => one.includes(part))
        );
      });
      const row = facet.locator('button', {
        has: page.getByText(wanted.value, { exact: true }),
      });
      assert.equal(await row.locator('.number').innerText(), wanted.count);
      await facet.getByRole('searchbox').fill('nobody has this');
      await facet.getByText('no value has that in it').waitFor();
      await facet.getByRole('searchbox').fill(part);
      await row.click();
      await countIs(page, Number(wanted.count));
      assert.ok(parameter(page, 'q')!.endsWith(`ip:${wanted.value}`), page.url());
    }
  });

  test('columns are chosen, are in the address, survive, and have their place on a phone', async () => {
    const { page } = await visit('#/default/explore?q=outcome:success');
    await countOf(page);
    await page.locator('summary', { hasText: 'columns' }).click();
    for (const [name, chosen] of [
      ['ip', true],
      ['trace', true],
      ['service', false],
    ] as const)
      await page.getByRole('checkbox', { name, exact: true }).setChecked(chosen);
    await page.keyboard.press('Escape');
    assert.equal(parameter(page, 'cols'), 'time,outcome,actor,action,target,delay,ip,trace');
    const heads = (): Promise<string[]> => page.locator('.head .cell').allInnerTexts();
    const wanted = ['time', 'outcome', 'actor', 'action', 'target', 'delay', 'ip', 'trace'];
    assert.deepEqual(await heads(), wanted);
    await page.reload();
    await countOf(page);
    assert.deepEqual(await heads(), wanted);
    const cell = page.locator('.event-row[data-index] .cell.ip').first();
    assert.match(await cell.innerText(), /^10\.\d+\.\d+\.\d+$/);
    // Each under its own head.
    const left = (selector: string): Promise<number> =>
      page
        .locator(selector)
        .first()
        .evaluate((one) => one.getBoundingClientRect().left);
    for (const name of ['time', 'actor', 'ip', 'trace'])
      assert.equal(
        await left(`.head .cell.${name}`),
        await left(`.event-row[data-index] .cell.${name}`),
        name,
      );
    await page.setViewportSize({ width: 360, height: 780 });
    await drawn(page);
    assert.ok(await cell.isVisible());
    assert.ok(!(await page.locator('.event-row[data-index] .cell.service').count()));
    const boxes = await page.locator('.event-row[data-index]').evaluateAll((rows) =>
      rows.slice(0, 4).map((row) => {
        const own = row.getBoundingClientRect();
        const inner = [...row.querySelectorAll('.cell')].map((one) => one.getBoundingClientRect());
        return {
          top: own.top,
          bottom: own.bottom,
          low: Math.max(...inner.map((one) => one.bottom)),
          wide: Math.max(...inner.map((one) => one.right)),
        };
      }),
    );
    for (const [i, box] of boxes.entries()) {
      assert.ok(box.low <= box.bottom + 1 && box.wide <= 360, JSON.stringify(box));
      if (i > 0) assert.ok(box.top >= boxes[i - 1]!.bottom - 1, 'no row lies over another');
    }
    // None is chosen any more: then the ordinary ones.
    await page.goto(page.url().replace(/cols=[^&]*/, 'cols=nonsense'));
    await until('the ordinary ones', async () => !(await cell.count()));
  });

  test('times are shown in the zone that is chosen, and the address stays absolute', async () => {
    const { page, proxy } = await visit('#/default/explore?q=outcome:success');
    const zone = 'America/St_Johns';
    const times = page.locator('.event-row[data-index] time');
    const isIn = (timeZone: string): Promise<unknown> =>
      until(`rows show ${timeZone}`, async () => {
        const [text, iso] = await times
          .first()
          .evaluate((one) => [one.textContent, (one as HTMLTimeElement).dateTime] as const);
        return text!.slice(0, 19) === shownIn(Date.parse(iso), timeZone);
      });
    await countOf(page);
    // The canonical form of the query comes into it when the answer is there.
    await until('the address has it', () => parameter(page, 'q')?.startsWith('v1:'));
    const before = page.url();
    await page.locator('.zone').selectOption('UTC');
    await isIn('UTC');
    await page.locator('.zone').selectOption(zone);
    await isIn(zone);
    assert.equal(page.url(), before);
    await page.reload();
    await isIn(zone);
    // What is typed is meant there; what goes into the address is meant everywhere.
    await page.locator('.range summary').click();
    await page.locator('.range input').first().fill('2026-01-02T10:00:00');
    await page.locator('.range input').last().fill('2026-02-01T00:00:00');
    await page.getByRole('button', { name: 'use', exact: true }).click();
    await until('it is in the address', () => parameter(page, 't1') !== null);
    assert.equal(parameter(page, 't1'), '2026-01-02T13:30:00.000Z');
    assert.equal(parameter(page, 't2'), '2026-02-01T03:30:00.000Z');
    assert.equal(
      await page.locator('.range summary').innerText(),
      '2026-01-02 10:00:00 – 2026-02-01 00:00:00',
    );
    // Weeks are asked for day by day, as days are in that zone.
    const borders = await until('days are asked for', () => {
      const path = proxy.requests.findLast((one) => /histogram\?.*at=/.test(one));
      return path !== undefined && new URLSearchParams(path.replace(/^.*\?/, '')).get('at')!;
    });
    const days = borders.split(',');
    assert.ok(days.length >= 31 && days.length <= 34, borders);
    for (const day of days) assert.match(shownIn(Date.parse(day), zone), / 00:00:00$/);
    assert.ok(Date.parse(days[0]!) <= Date.parse(parameter(page, 't1')!));
    assert.ok(Date.parse(days[days.length - 1]!) >= Date.parse(parameter(page, 't2')!));
  });

  test('bars of days stand where days begin in the zone, and their labels say which', async () => {
    const begins = Array.from({ length: 20 }, (_, i) =>
      Date.UTC(2026, 2, 19 + i, i < 10 ? 23 : 22),
    );
    const { page, context, proxy } = await visit('#/logs');
    proxy.lies = {
      answer: (path, body) => {
        if (!path.includes('/histogram?')) return undefined;
        const buckets = begins.slice(0, -1).map((ms, i) => ({
          start: new Date(ms).toISOString(),
          counts: { success: String(i + 1) },
        }));
        const [from, to] = [begins[0]!, begins[begins.length - 1]!];
        return JSON.stringify({
          ...(body.startsWith('{') ? (JSON.parse(body) as object) : {}),
          exact: true,
          from: new Date(from).toISOString(),
          to: new Date(to).toISOString(),
          bucketNs: '86400000000000',
          buckets,
        });
      },
    };
    await context.addInitScript(() => {
      localStorage.setItem('graven-zone', 'Europe/Berlin');
      const seen: [string, number][] = [];
      (window as unknown as { labels: typeof seen }).labels = seen;
      const own = CanvasRenderingContext2D.prototype.fillText;
      CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
        seen.push([text, x]);
        own.call(this, text, x, y);
      };
    });
    await page.goto(page.url().replace(/#.*/, '#/default/explore?q=outcome:success'));
    await page.reload();
    const keys = page.getByRole('slider', { name: /Matches over time/ });
    await keys.waitFor();
    await until(
      'the days are drawn',
      async () => (await keys.getAttribute('aria-valuemax')) === '18',
    );
    assert.ok(proxy.told > 0);
    await keys.focus();
    await page.keyboard.press('Home');
    for (let i = 0; i < 9; i++) await page.keyboard.press('ArrowRight');
    // The day on which clocks were put forward has 23 hours, and is one bar.
    assert.match(
      (await keys.getAttribute('aria-valuetext'))!,
      /^2026-03-29 00:00:00 – 2026-03-30 00:00:00: 10 success$/,
    );
    // Each label stands where its day begins there, and not where one of UTC does.
    const labels = (
      await page.evaluate(() => (window as unknown as { labels: [string, number][] }).labels)
    ).filter(([text]) => /^0[34]-\d\d$/.test(text));
    const plot = await page.locator('.chart .u-over').evaluate((over) => {
      const canvas = over.parentElement!.querySelector('canvas')!.getBoundingClientRect();
      const own = over.getBoundingClientRect();
      return { left: own.left - canvas.left, width: own.width };
    });
    const hourPixels = plot.width / (19 * 24);
    assert.ok(labels.length >= 5 && hourPixels > 1, JSON.stringify(labels));
    for (const [text, x] of labels) {
      const day = begins.find((ms) => shownIn(ms, 'Europe/Berlin').slice(5, 10) === text)!;
      const wanted = plot.left + ((day - begins[0]!) / 3_600_000) * hourPixels;
      assert.ok(Math.abs(x - wanted) < hourPixels, `${text} at ${x}, and not at ${wanted}`);
    }
  });

  test('a search gets a name, keeps it over a reload, is opened, renamed and forgotten', async () => {
    const { page } = await visit('#/default/explore?q=outcome:denied&order=oldest&cols=time,ip');
    const count = await countOf(page);
    const menu = page.locator('.saved-menu');
    await menu.locator('summary').click();
    await menu.getByText('No search has a name yet').waitFor();
    await page.getByRole('textbox', { name: 'Name for this search' }).fill('denied <b>once</b>');
    await page.keyboard.press('Enter');
    await page.goto(page.url().replace(/#.*/, '#/default/explore?q=outcome:success'));
    await page.reload();
    await menu.locator('summary').click();
    // Whoever sends a link cannot put markup here, but a name is text all the same.
    const link = menu.getByRole('link', { name: 'denied <b>once</b>' });
    await link.click();
    await countIs(page, count);
    assert.deepEqual(
      ['q', 'order', 'cols'].map((name) => parameter(page, name)?.replace(/^v1: /, '')),
      ['outcome:denied', 'oldest', 'time,ip'],
    );
    assert.equal(await menu.getAttribute('open'), null, 'the menu is out of the way');
    await menu.locator('summary').click();
    await menu.getByRole('button', { name: /^Rename the search/ }).click();
    await page.getByRole('textbox', { name: /^New name for/ }).fill('who was refused');
    await page.keyboard.press('Enter');
    await menu.getByRole('link', { name: 'who was refused' }).waitFor();
    await page.reload();
    await menu.locator('summary').click();
    assert.deepEqual(await menu.getByRole('link').allInnerTexts(), ['who was refused']);
    await menu.getByRole('button', { name: /^Forget the search/ }).click();
    await menu.getByText('No search has a name yet').waitFor();
    await page.reload();
    await menu.locator('summary').click();
    assert.equal(await menu.getByRole('link').count(), 0);
  });

  test('with a record beside it, what is saved is the search and not the record', async () => {
    const { page } = await visit('#/default/explore?q=outcome:denied');
    await countOf(page);
    await page.locator('.event-row[data-index] time').first().click();
    await until('a record is open', () => page.url().includes('/record/'));
    await page.locator('.saved-menu summary').click();
    await page.getByRole('textbox', { name: 'Name for this search' }).fill('refusals');
    await page.keyboard.press('Enter');
    const kept = await page
      .locator('.saved-menu')
      .getByRole('link', { name: 'refusals' })
      .getAttribute('href');
    assert.match(kept!, /^#\/default\/explore\?q=.*outcome:denied$/);
  });

  test('fields and values are completed, from facets and from rows that were seen', async () => {
    const { page } = await visit('#/default/explore');
    await countOf(page);
    const options = page.locator('#query-choices [role=option]');
    const choices = async (typed: string): Promise<string[]> => {
      await page.fill('#query', '');
      await page.locator('#query').pressSequentially(typed);
      await options.first().waitFor();
      return (await options.allInnerTexts()).map((one) => one.split(/\s/)[0]!);
    };
    assert.ok((await choices('outcome:denied targ')).includes('target.type:'));
    // By a facet, and of a field without one by the rows.
    assert.ok((await choices('service:che')).includes('checkout'));
    assert.ok((await choices('target.id:report')).includes('report-2026.pdf'));
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Tab');
    assert.equal(await page.inputValue('#query'), 'target.id:report-2026.pdf ');
    await page.keyboard.press('Enter');
    // The answer before this one is exact, too, until it is gone.
    const all = await sizeOf();
    const found = await until('fewer than all', async () => {
      const count = await countOf(page);
      return count < all && { count };
    });
    assert.ok(found.count > 0);
  });

  test('an error stands under the very column, whatever stands before it and however long the line is', async () => {
    const { page } = await visit('#/default/explore', { size: { width: 700, height: 700 } });
    await sealIs(page, 'first');
    for (const [query, column, wrong] of [
      ['actor:alice acton:x', 13, 'acton:x'],
      ['action:"日本語" (acton:x', 15, 'acton:x'],
      [`${'actor:somebody-of-many OR '.repeat(6)}acton:x`, 157, 'acton:x'],
    ] as const) {
      await page.fill('#query', query);
      await page.keyboard.press('End');
      await page.keyboard.press('Enter');
      const error = page.locator('#query-error');
      await error.getByText(`column ${column}:`).waitFor();
      const off = await error.locator('.caret').evaluate(
        (line, [text, word]) => {
          const input = document.getElementById('query') as HTMLInputElement;
          const style = getComputedStyle(input);
          const pen = document.createElement('canvas').getContext('2d')!;
          pen.font = style.font;
          const before = pen.measureText(text!.slice(0, text!.lastIndexOf(word!))).width;
          const there =
            input.getBoundingClientRect().left +
            parseFloat(style.borderLeftWidth) +
            parseFloat(style.paddingLeft) +
            before -
            input.scrollLeft;
          const mark = document.createRange();
          mark.selectNodeContents(line.lastChild!);
          return mark.getBoundingClientRect().left - there;
        },
        [query, wrong] as const,
      );
      assert.ok(Math.abs(off) < 2, `${query}: ${off} pixels beside it`);
      assert.equal(await page.locator('#query').getAttribute('aria-invalid'), 'true');
    }
  });

  test('what nobody answered is not said to be nothing', async () => {
    const refusing = (pattern: RegExp) => ({
      refuse: (path: string): number | undefined => (pattern.test(path) ? 503 : undefined),
    });
    const { page, proxy } = await visit('#/default/explore?q=outcome:denied', {
      lies: refusing(/\/checkpoint|\/search\?|\/live/),
    });
    const list = page.locator('.explore .list');
    await page.getByText('waiting for the checkpoint').waitFor();
    assert.match(await list.innerText(), /Looking/);
    proxy.lies = refusing(/\/search\?/);
    await list
      .getByText('Whether anything matches is not known: not now')
      .waitFor({ timeout: 60_000 });
    assert.equal(await page.locator('.count').innerText(), 'no answer');
    assert.ok(proxy.told > 1);
    await page.goto(page.url().replace(/#.*/, '#/default/explore?q=acton:x'));
    await list.getByText('The query cannot be read').waitFor();
    assert.equal(await page.getByText(/nothing matches/i).count(), 0);
  });

  test('the oldest or the newest come first, as the address says', async () => {
    const { page } = await visit('#/default/explore?q=outcome:denied');
    await countOf(page);
    const ordered = (by: number): Promise<unknown> =>
      until('rows in their order', async () => {
        const rows = await rowsOf(page);
        return rows.length > 5 && rows.every((row, i) => i === 0 || (row - rows[i - 1]!) * by > 0);
      });
    await ordered(-1);
    await page.getByRole('button', { name: 'newest first' }).click();
    await ordered(1);
    assert.equal(parameter(page, 'order'), 'oldest');
    await page.reload();
    await ordered(1);
    assert.match(
      await page.locator('.count').innerText(),
      new RegExp(`^showing 1–\\d+ of ${await countOf(page)} \\(exact\\)$`),
    );
  });
});
