// For everybody: strangers' text, keys, assistive technology, sizes of windows, a first event.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { hostile, sample, Server, until } from './serving.ts';
import {
  inChromium,
  closing,
  drawn,
  filled,
  folder,
  rowsOf,
  sealIs,
  server,
  visit,
} from './world.ts';

inChromium('for everybody', () => {
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
    assert.match(page.url(), /tab=proof/);
    await page.reload();
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

  test('what Explore and Live have to choose is reached and used by keys alone', async () => {
    const { page } = await visit('#/default/explore?q=outcome:denied');
    await page.locator('[data-exact=true]').waitFor({ timeout: 30_000 });
    /** Goes on with Tab until what has the focus is meant; each on the way shows that it has it. */
    const tabTo = async (selector: string): Promise<void> => {
      for (let i = 0; i < 250; i++) {
        await page.keyboard.press('Tab');
        const [there, shown] = await page.evaluate((wanted) => {
          const own = document.activeElement as HTMLElement;
          const seen =
            own === document.body ||
            own.id === 'query' ||
            getComputedStyle(own).outlineStyle !== 'none';
          return [own.matches(wanted), seen] as const;
        }, selector);
        assert.ok(shown, `on the way to ${selector}`);
        if (there) return;
      }
      assert.fail(`no Tab leads to ${selector}`);
    };
    const facet = '.facet[aria-label=action]';
    await tabTo(`${facet} input`);
    await page.keyboard.type('invoice.create');
    await until('its value', async () => {
      const shown = await page.locator(`${facet} .facet-value`).allInnerTexts();
      return shown.length > 0 && shown.every((one) => one.includes('invoice.create'));
    });
    await tabTo(`${facet} li button`);
    await page.keyboard.press('Enter');
    await until('it is in the query', () => /action:invoice\.create/.test(page.url()));
    await tabTo('.chart-keys');
    await page.keyboard.press('End');
    await page.keyboard.press('Enter');
    await until('a stretch is in the address', () => /t1=/.test(page.url()));
    await tabTo('.zone');
    await page.keyboard.type('UTC');
    await tabTo('.saved-menu summary');
    await page.keyboard.press('Enter');
    await tabTo('.saved-menu input');
    await page.keyboard.type('mine');
    await page.keyboard.press('Enter');
    await page.locator('.saved-menu').getByRole('link', { name: 'mine' }).waitFor();
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('.saved-menu[open]').count(), 0);
    assert.ok(await page.evaluate(() => document.activeElement!.matches('.saved-menu summary')));
    await tabTo('.menu:not(.saved-menu, .range) summary');
    await page.keyboard.press('Enter');
    await tabTo('fieldset label:nth-of-type(9) input');
    await page.keyboard.press('Space');
    await until('a column is in the address', () => /cols=[^&]*ip/.test(page.url()));
    await page.keyboard.press('Escape');
    for (const key of ['g', 'l']) await page.keyboard.press(key);
    await until('Live', () => page.url().includes('/live'));
    await tabTo('.growing');
    await page.locator('.strip-name', { hasText: 'tile' }).waitFor();
    await tabTo('.list');
    await page.keyboard.press('j');
    await page.locator('.event-row.selected').waitFor();
  });

  test("the theme is the system's until one is chosen, never flashes, and is light on paper", async () => {
    const { page, context } = await visit('#/default/live', { scheme: 'dark' });
    const theme = (): Promise<string | undefined> =>
      page.evaluate(() => document.documentElement.dataset['theme']);
    const paper = (): Promise<string> =>
      page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await sealIs(page, 'first');
    assert.equal(await theme(), 'dark');
    const darkPaper = await paper();
    await page.emulateMedia({ colorScheme: 'light' });
    await until('it follows the system', async () => (await theme()) === 'light');
    assert.notEqual(await paper(), darkPaper);
    await page.getByRole('button', { name: 'Use the dark theme' }).click();
    assert.equal(await theme(), 'dark');
    assert.equal(await paper(), darkPaper);
    // Every frame from the first on, in the theme that was chosen and is not the system's.
    await context.addInitScript(() => {
      const seen: string[] = [];
      (window as unknown as { seen: string[] }).seen = seen;
      const frame = (): void => {
        if (document.body !== null) seen.push(getComputedStyle(document.body).backgroundColor);
        if (seen.length < 60) requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
    });
    await page.reload();
    await page.locator('.event-row[data-index]').first().waitFor();
    const seen = await until('frames', async () => {
      const all = await page.evaluate(() => (window as unknown as { seen: string[] }).seen);
      return all.length >= 20 && all;
    });
    assert.deepEqual([...new Set(seen)], [darkPaper]);
    await page.emulateMedia({ media: 'print' });
    assert.equal(await theme(), 'dark');
    assert.equal(await paper(), 'rgb(255, 255, 255)');
    assert.equal(
      await page.evaluate(() =>
        getComputedStyle(document.documentElement).getPropertyValue('--red').trim(),
      ),
      '#b3211a',
    );
  });

  test('every view prints what it shows, without what there is to click', async () => {
    const { page } = await visit();
    await sealIs(page, 'first');
    for (const [hash, shown, width] of [
      ['#/default/live', '.event-row[data-index]', 1280],
      ['#/default/explore', '.event-row[data-index]', 717],
      ['#/default/record/5', '.sentence', 717],
      ['#/default/trust', '.time-line li', 717],
      ['#/logs', 'table.logs', 717],
    ] as const) {
      await page.emulateMedia({ media: 'screen' });
      await page.setViewportSize({ width: 1280, height: 800 });
      await filled(page, hash);
      const rows = await page.locator('.event-row[data-index]').count();
      await page.emulateMedia({ media: 'print' });
      await page.setViewportSize({ width, height: 800 });
      await drawn(page);
      assert.ok(await page.locator(shown).first().isVisible(), hash);
      assert.ok(!(await page.locator('.rail').isVisible()), hash);
      if (!hash.includes('explore')) continue;
      // A list that is as long as its rows draws no more of them, and all of each is on the paper.
      assert.equal(await page.locator('.event-row[data-index]').count(), rows);
      assert.ok(await page.locator('.explore-bar .count').isVisible());
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    }
  });

  test('no page is wider than its window, from 360 to 2,560 pixels', async () => {
    const { page } = await visit();
    await sealIs(page, 'first');
    for (const hash of [
      '#/default/live',
      '#/default/explore',
      '#/default/record/5',
      '#/default/trust',
      '#/logs',
    ]) {
      await filled(page, hash);
      for (const width of [360, 390, 600, 768, 1024, 1280, 1920, 2560]) {
        await page.setViewportSize({ width, height: 800 });
        await drawn(page);
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
    for (const way of ['grpcurl', 'Python', 'C++', 'curl']) {
      await page.getByRole('tab', { name: way, exact: true }).click();
      const text = await page.locator('.command pre').innerText();
      // At the port that it really has.
      if (way !== 'curl') assert.ok(text.includes(fresh.grpc), `${way}: ${text}`);
    }
    assert.ok(!fresh.grpc.endsWith(':7465'));
    const command = await page.locator('.command pre').innerText();
    assert.ok(command.includes(`${proxy.address}logs/default/events`));
    // Not in this process's own time: the proxy in it has to answer.
    await promisify(execFile)('sh', ['-c', command]);
    await page.locator('.event-row[data-index="0"]').waitFor({ timeout: 30_000 });
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
