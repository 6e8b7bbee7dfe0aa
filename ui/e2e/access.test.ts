// What axe finds, which should be nothing: in each view and state, in both themes, on a phone, a desk and a wide screen.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import type { Locator, Page } from 'playwright-core';
import { hostile, Server, until } from './serving.ts';
import { closing, drawn, filled, folder, inChromium, sealIs, server, visit } from './world.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const wanted = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** What axe has to say of the page as it is. */
type Look = (where: string) => Promise<void>;
async function lookingAt(page: Page, all?: string[]): Promise<Look> {
  // By the debugger, past the page's own policy.
  const session = await page.context().newCDPSession(page);
  const evaluate = async (expression: string): Promise<unknown> => {
    const options = { expression, awaitPromise: true, returnByValue: true };
    return (await session.send('Runtime.evaluate', options)).result.value;
  };
  return async (where) => {
    await drawn(page);
    if ((await evaluate('typeof axe')) !== 'object') await evaluate(axe + ';0');
    const found = await evaluate(
      `axe.run(document, {runOnly: ${JSON.stringify(wanted)}}).then(found => JSON.stringify(found.violations.map(one => one.id + ': ' + one.nodes.slice(0, 3).map(node => node.html.slice(0, 160) + ' ' + (node.any[0]?.message ?? '')).join(' | '))))`,
    );
    const violations = JSON.parse(String(found)) as string[];
    if (all === undefined) assert.deepEqual(violations, [], where);
    else all.push(...violations.map((one) => `${where}: ${one}`));
  };
}

const sizes = [
  { width: 360, height: 740 },
  { width: 1440, height: 900 },
  { width: 2560, height: 1300 },
];

async function opens(page: Page, summary: Locator): Promise<void> {
  await summary.click();
  await page.locator('details[open] > summary').and(summary).waitFor();
}

/** Something that is open or chosen on a page, and gone again with Escape. */
const states: [string, string, (page: Page) => Promise<void>][] = [
  [
    'the keys',
    '#/default/live',
    async (page) => {
      await page.keyboard.press('?');
      await page.locator('dialog[open][aria-labelledby=help-title]').waitFor();
    },
  ],
  [
    'commands',
    '#/default/explore?q=outcome:denied',
    async (page) => {
      await page.keyboard.press('c');
      await page.locator('dialog[open][aria-labelledby=commands-title]').waitFor();
    },
  ],
  [
    'the seal',
    '#/default/live',
    async (page) => {
      await page.locator('.seal-button').click();
      await page.locator('.popover').waitFor();
    },
  ],
  [
    'a list that is held',
    '#/default/live',
    async (page) => {
      await page.keyboard.press('p');
      await page.locator('button.pill').waitFor();
    },
  ],
  [
    'a filter while live',
    '#/default/live?q=outcome:denied',
    (page) => page.locator('.pill.still').waitFor(),
  ],
  [
    'a name in the picture of the log',
    '#/default/live',
    async (page) => {
      const growing = page.getByRole('group', { name: /^Tiles, batches/ });
      if (await growing.isVisible()) await growing.focus();
    },
  ],
  [
    'saved searches',
    '#/default/explore?q=outcome:denied',
    async (page) => {
      await page.locator('.saved-menu summary').click();
      await page.getByRole('textbox', { name: 'Name for this search' }).fill('refusals');
      await page.keyboard.press('Enter');
      await page.getByRole('button', { name: /^Rename the search/ }).click();
    },
  ],
  [
    'columns',
    '#/default/explore?cols=time,outcome,actor,action,ip,written%20by,reason,labels',
    (page) => opens(page, page.locator('summary', { hasText: 'columns' })),
  ],
  ['times', '#/default/explore', (page) => opens(page, page.locator('.range summary'))],
  [
    'export',
    '#/default/explore',
    (page) => opens(page, page.locator('summary', { hasText: 'export' })),
  ],
  [
    'a search in the values of a field',
    '#/default/explore',
    async (page) => {
      const open = page.getByRole('button', { name: 'facets', exact: true });
      if (await open.isVisible()) await open.click();
      const facet = page.locator('.facet[aria-label=ip]');
      await facet.getByRole('searchbox').fill('.17');
      await until('its values', async () => {
        const shown = await facet.locator('.facet-value').allInnerTexts();
        return shown.length > 0 && shown.every((one) => one.includes('.17'));
      });
    },
  ],
  [
    'completions',
    '#/default/explore',
    async (page) => {
      await page.locator('#query').pressSequentially('act');
      await page.keyboard.press('ArrowDown');
      await page.locator('[role=option][aria-selected=true]').waitFor();
    },
  ],
  [
    'a query that is wrong',
    '#/default/explore',
    async (page) => {
      await page.fill('#query', 'actor:alice acton:x');
      await page.keyboard.press('Enter');
      await page.locator('#query-error').waitFor();
    },
  ],
  [
    'a stretch that is chosen',
    '#/default/explore',
    async (page) => {
      await page.getByRole('slider').focus();
      for (const key of ['Home', 'Shift+ArrowRight']) await page.keyboard.press(key);
      await page.locator('.chart-says').waitFor();
    },
  ],
  [
    'nothing found',
    '#/default/explore?q=actor:nobody',
    (page) => page.locator('.list .examples').waitFor(),
  ],
  [
    'a statement',
    '#/default/explore?q=outcome:denied',
    async (page) => {
      await page.locator('.how summary').first().click();
      await page.getByRole('button', { name: "the server's signed statement" }).click();
      await page.locator('[data-statement]').waitFor();
    },
  ],
  ...(['proof', 'around', 'json', 'bytes'] as const).map(
    (tab): [string, string, (page: Page) => Promise<void>] => [
      `a record's ${tab}`,
      `#/default/record/5?tab=${tab}`,
      (page) => page.locator('[data-verdict=good]').waitFor(),
    ],
  ),
  [
    'strangers’ text',
    '#/default/explore?q=target.type:thing',
    (page) => page.locator('.list .warn-mark').first().waitFor(),
  ],
  [
    'a file that is explained',
    '#/default/trust',
    async (page) => {
      await page.locator('input[type=file]').setInputFiles({
        name: 'x.txt',
        mimeType: 'text/plain',
        buffer: Buffer.from('nothing that is known'),
      });
      await page.locator('[data-explained]').waitFor();
    },
  ],
];

inChromium(
  'axe',
  () => {
    for (const scheme of ['light', 'dark'] as const) {
      // Each theme in a width of its own: what is dark and what is narrow have nothing to do with each
      // other. A page of 2,560 pixels takes a machine without a graphics card minutes.
      const everything = process.env['GRAVEN_AXE'] === 'all';
      const own = everything ? sizes : [scheme === 'light' ? sizes[0]! : sizes[1]!];
      test(`finds nothing in any view, ${scheme}`, async () => {
        for (const size of scheme === 'light' ? sizes : own) {
          const { page } = await visit('#/default/live', { scheme, size });
          const look = await lookingAt(page);
          for (const hash of [
            '#/default/live',
            '#/default/explore',
            '#/default/record/5',
            '#/default/record/5?from=explore',
            '#/default/trust',
            '#/logs',
          ]) {
            await filled(page, hash);
            await look(`${hash} ${size.width}`);
          }
          await page.emulateMedia({ media: 'print' });
          await look(`on paper ${size.width}`);
        }
      });

      test(`finds nothing in what opens, ${scheme}`, async () => {
        await server.append(hostile);
        const all: string[] = [];
        for (const size of own) {
          const { page } = await visit('#/default/live', { scheme, size });
          const look = await lookingAt(page, all);
          for (const [name, hash, enter] of states) {
            await page.goto(page.url().replace(/#.*/, hash));
            // Of what was open nothing is left.
            await page.reload();
            const shown = /explore/.test(hash) ? '[data-exact=true]' : '.list, .record, .trust';
            await page.locator(shown).first().waitFor();
            await enter(page);
            await look(`${name} ${size.width}`);
          }
          await page.close();
        }
        assert.deepEqual(all, []);
      });

      test(`finds nothing before the first event, when nothing answers, and on the worst day, ${scheme}`, async () => {
        const fresh = await Server.start(folder, `fresh-${scheme}`);
        closing.push(() => fresh.stop());
        for (const size of own) {
          const empty = await visit('#/default/live', { scheme, size, upstream: fresh.http });
          await empty.page.getByText('Listening for the first event').waitFor({ timeout: 20_000 });
          const lookEmpty = await lookingAt(empty.page);
          for (const way of ['grpcurl', 'Python', 'C++', 'curl']) {
            await empty.page.getByRole('tab', { name: way, exact: true }).click();
            await lookEmpty(`first run, ${way} ${size.width}`);
          }

          const red = await visit(`#/default/live?pin=${encodeURIComponent(await fresh.vkey())}`, {
            scheme,
            size,
          });
          await sealIs(red.page, 'broken');
          const lookRed = await lookingAt(red.page);
          await lookRed(`red ${size.width}`);
          await red.page.goto(red.page.url().replace(/#.*/, '#/default/trust'));
          await red.page.locator('.incident').first().waitFor();
          await lookRed(`the incident ${size.width}`);
          await red.page.emulateMedia({ media: 'print' });
          await lookRed(`the incident on paper ${size.width}`);

          const gone = await visit('#/default/live', {
            scheme,
            size,
            lies: { refuse: (path) => (path.startsWith('/logs') ? 503 : undefined) },
          });
          await sealIs(gone.page, 'stale', 60);
          const lookGone = await lookingAt(gone.page);
          await lookGone(`amber ${size.width}`);
          await gone.page.goto(gone.page.url().replace(/#.*/, '#/default/trust'));
          await gone.page.locator('.judgement.stale').waitFor();
          await lookGone(`amber, Trust ${size.width}`);

          const token = await visit('#/default/live', {
            scheme,
            size,
            lies: { refuse: (path) => (/^\/(logs|status)/.test(path) ? 401 : undefined) },
          });
          await token.page.getByText('This server asks for a token').waitFor({ timeout: 30_000 });
          await (
            await lookingAt(token.page)
          )(`a token is asked for ${size.width}`);
        }
      });
    }
  },
  2,
);
