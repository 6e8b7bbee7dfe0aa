// Takes the pictures of the page that people look at: node e2e/look.ts FOLDER [NAME...]

import { mkdirSync } from 'node:fs';
import { launch } from './browser.ts';
import { flipRecord, Proxy } from './proxy.ts';
import { hostile, makeFolder, remove, sample, Server, sleep } from './serving.ts';

const out = process.argv[2] ?? 'build/look';
const only = process.argv.slice(3);
mkdirSync(out, { recursive: true });
const folder = makeFolder('look');
const server = await Server.start(folder);
const proxy = await Proxy.start(server.http);
const browser = await launch();

const sizes = {
  desktop: { width: 1440, height: 900 },
  phone: { width: 390, height: 844 },
  wide: { width: 2200, height: 1200 },
} as const;

try {
  const vkey = await server.vkey();
  const shots: [
    string,
    keyof typeof sizes,
    'light' | 'dark',
    string,
    ((page: import('playwright-core').Page) => Promise<void>)?,
  ][] = [['first-light', 'desktop', 'light', '#/default/live']];
  const take = async (): Promise<void> => {
    for (const [name, size, scheme, hash, act] of shots) {
      if (only.length > 0 && !only.some((one) => name.startsWith(one))) continue;
      const context = await browser.newContext({ viewport: sizes[size], colorScheme: scheme });
      const page = await context.newPage();
      page.on('console', (message) => {
        if (message.type() === 'error') console.log(name, message.text());
      });
      page.on('pageerror', (error) => console.log(name, 'ERROR', error.message));
      await page.goto(proxy.address + `#/default/live?pin=${encodeURIComponent(vkey)}`);
      await page.locator('[data-seal=first]').waitFor();
      await page.goto(proxy.address + hash);
      await page.reload();
      if (hash !== '#/logs') await page.locator('[data-seal=verified]').waitFor();
      await sleep(1200);
      if (hash.includes('live')) {
        // The rate is that of the last five whole seconds.
        for (let i = 0; i < 56; i++) {
          await server.append(
            Array.from({ length: 1 + ((i * 7) % 5) }, (_, j) => sample(i * 9 + j)),
          );
          await sleep(110);
        }
        await sleep(300);
      }
      await act?.(page);
      await page.screenshot({ path: `${out}/${name}.png` });
      await context.close();
    }
    shots.length = 0;
  };
  if (only.length === 0 || only.includes('first')) {
    const empty = await browser.newPage({ viewport: sizes.desktop });
    await empty.goto(proxy.address);
    await sleep(1500);
    await empty.screenshot({ path: `${out}/first-light.png` });
    await empty.close();
  }
  shots.length = 0;
  const now = Date.now();
  await server.append(Array.from({ length: 900 }, (_, i) => sample(i, now - (900 - i) * 700)));
  await server.append(hostile);
  await server.append(Array.from({ length: 40 }, (_, i) => sample(i + 900)));
  const tab =
    (name: string) =>
    async (page: import('playwright-core').Page): Promise<void> => {
      await page.getByRole('tab', { name }).click();
      await sleep(300);
    };
  shots.push(
    ['live-light', 'desktop', 'light', '#/default/live'],
    ['live-dark', 'desktop', 'dark', '#/default/live'],
    ['live-phone', 'phone', 'light', '#/default/live'],
    ['live-wide', 'wide', 'dark', '#/default/live'],
    ['explore-light', 'desktop', 'light', '#/default/explore'],
    ['explore-dark', 'desktop', 'dark', '#/default/explore?q=outcome:denied'],
    ['explore-phone', 'phone', 'dark', '#/default/explore'],
    ['record-light', 'desktop', 'light', '#/default/record/41'],
    ['record-proof', 'desktop', 'dark', '#/default/record/41', tab('proof')],
    ['record-bytes', 'desktop', 'light', '#/default/record/41', tab('bytes')],
    ['record-around', 'desktop', 'light', '#/default/record/41', tab('around')],
    ['record-phone', 'phone', 'light', '#/default/record/41'],
    ['proof-phone', 'phone', 'dark', '#/default/record/41?tab=proof'],
    ['trust-phone', 'phone', 'light', '#/default/trust'],
    [
      'record-hostile',
      'desktop',
      'light',
      '#/default/record/903?from=explore&q=action:name.change',
    ],
    ['trust-light', 'desktop', 'light', '#/default/trust'],
    ['trust-dark', 'desktop', 'dark', '#/default/trust'],
    ['logs-light', 'desktop', 'light', '#/logs'],
    [
      'list-record',
      'desktop',
      'light',
      '#/default/live',
      async (page) => {
        await page.locator('.event-row time').nth(4).click();
        await sleep(600);
      },
    ],
    [
      'seal-light',
      'desktop',
      'light',
      '#/default/live',
      async (page) => {
        await page.locator('.seal-button').click();
      },
    ],
    [
      'help-dark',
      'desktop',
      'dark',
      '#/default/live',
      async (page) => {
        await page.keyboard.press('?');
        await sleep(300);
      },
    ],
    [
      'query-error',
      'desktop',
      'light',
      '#/default/explore',
      async (page) => {
        await page.fill('#query', 'actor:alice acton:x');
        await page.keyboard.press('Enter');
        await sleep(200);
      },
    ],
  );
  await take();
  // The worst day: last, because a browser that saw it stays red.
  if (only.length === 0 || only.includes('broken')) {
    const context = await browser.newContext({ viewport: sizes.desktop, colorScheme: 'light' });
    const page = await context.newPage();
    await page.goto(proxy.address + `#/default/live?pin=${encodeURIComponent(vkey)}`);
    await page.locator('[data-seal=first]').waitFor();
    await page.reload();
    await page.locator('[data-seal=verified]').waitFor();
    proxy.lies = {
      answer: (path, body) => {
        if (!path.startsWith('/logs/default/records/41')) return undefined;
        const answer = JSON.parse(body) as { record: string };
        answer.record = flipRecord(answer.record);
        return JSON.stringify(answer);
      },
    };
    await page.goto(proxy.address + '#/default/record/41');
    await page.locator('[data-verdict=bad]').waitFor();
    await page.getByRole('tab', { name: 'proof' }).click();
    await sleep(300);
    await page.screenshot({ path: `${out}/broken-record.png` });
    await page.goto(proxy.address + '#/default/trust');
    await sleep(500);
    await page.screenshot({ path: `${out}/broken-trust.png` });
    await page.setViewportSize(sizes.phone);
    await sleep(300);
    await page.screenshot({ path: `${out}/broken-phone.png` });
    await page.setViewportSize({ width: 717, height: 1000 });
    await page.emulateMedia({ media: 'print' });
    await sleep(300);
    await page.screenshot({ path: `${out}/broken-paper.png` });
    await context.close();
  }
} finally {
  await browser.close();
  await proxy.stop();
  await server.stop();
  remove(folder);
}
