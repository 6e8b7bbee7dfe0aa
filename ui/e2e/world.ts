// What the tests in Chromium stand on: a server with records, a browser, and visits to the page through a proxy that can
// lie. Each file of tests has a server of its own.

import { existsSync } from 'node:fs';
import { after, afterEach, before, describe } from 'node:test';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { chromiumPath, launch } from './browser.ts';
import { Proxy, type Lies } from './proxy.ts';
import { binary, dist, makeFolder, remove, sample, Server, until } from './serving.ts';

const missing =
  chromiumPath === undefined
    ? 'needs chromium'
    : !existsSync(binary)
      ? `needs ${binary}`
      : !existsSync(dist)
        ? 'needs the built page'
        : false;

// Set before the first test of inChromium.
export let folder: string;
export let server: Server;
export let browser: Browser;
export let vkey: string;
// Called in the end, the last one first.
export const closing: (() => Promise<unknown>)[] = [];
// Called when its test ends, the last one first: a page that nobody looks at any more would still draw all that comes.
export const leaving: (() => Promise<unknown>)[] = [];

async function callAll(calls: (() => Promise<unknown>)[]): Promise<void> {
  for (const call of calls.splice(0).reverse()) await call();
}

export const samples = (count: number, from = 0): object[] =>
  Array.from({ length: count }, (_, i) => sample(from + i));

/** A file's tests, with a server that has 600 records; so many of them at once. */
export function inChromium(subject: string, tests: () => void, concurrency = 1): void {
  describe(subject, { skip: missing, timeout: 1_200_000, concurrency }, () => {
    before(
      async () => {
        folder = makeFolder('page');
        server = await Server.start(folder);
        browser = await launch();
        vkey = await server.vkey();
        await server.append(samples(600));
      },
      { timeout: 300_000 },
    );
    after(async () => {
      await callAll(leaving);
      await callAll(closing);
      await browser?.close();
      await server?.stop();
      remove(folder);
    });
    if (concurrency === 1) afterEach(() => callAll(leaving));
    tests();
  });
}

export interface Visit {
  page: Page;
  proxy: Proxy;
  context: BrowserContext;
  errors: string[];
}

export async function visit(
  hash = '#/default/live',
  options: {
    lies?: Lies;
    size?: { width: number; height: number };
    upstream?: URL;
    scheme?: 'dark' | 'light';
  } = {},
): Promise<Visit> {
  const proxy = await Proxy.start(options.upstream ?? server.http, '/audit/log');
  proxy.lies = options.lies ?? {};
  const context = await browser.newContext({
    viewport: options.size ?? { width: 1440, height: 900 },
    colorScheme: options.scheme ?? 'light',
    acceptDownloads: true,
  });
  leaving.push(
    () => proxy.stop(),
    () => context.close(),
  );
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
      errors.push(message.text());
  });
  await page.goto(proxy.address + hash);
  return { page, proxy, context, errors };
}

export const sizeOf = async (): Promise<number> =>
  Number(
    (
      (await (await fetch(new URL('/logs/default', server.http))).json()) as {
        publishedSize: string;
      }
    ).publishedSize,
  );
export const seal = (page: Page): Promise<string> =>
  page
    .locator('[data-seal]')
    .getAttribute('data-seal')
    .then((value) => value ?? '');
export const sealIs = (page: Page, wanted: string, seconds = 20): Promise<string> =>
  until(
    `the seal is ${wanted}`,
    async () => (await seal(page)) === wanted && wanted,
    seconds,
  ).catch(async (error: unknown) => {
    throw new Error(`${String(error)}; it is ${await seal(page)}`);
  });
/** What was asked for is on the screen: two frames later than now. */
export const drawn = (page: Page): Promise<void> =>
  page.evaluate(
    () =>
      new Promise<void>((resolve) =>
        requestAnimationFrame(() => requestAnimationFrame(() => resolve())),
      ),
  );
/** A page of the log has what it shows. */
export async function filled(page: Page, hash: string): Promise<void> {
  await page.goto(page.url().replace(/#.*/, hash));
  const shown = /record/.test(hash)
    ? '[data-verdict=good]'
    : /explore/.test(hash)
      ? '[data-exact=true]'
      : /trust/.test(hash)
        ? '.time-line li'
        : /live/.test(hash)
          ? '.event-row[data-index]'
          : 'table.logs';
  await page.locator(shown).first().waitFor({ timeout: 20_000 });
  if (/explore/.test(hash)) await page.locator('.event-row[data-covered=true]').nth(3).waitFor();
  await drawn(page);
}
export const rowsOf = (page: Page): Promise<number[]> =>
  page
    .locator('.event-row[data-index]')
    .evaluateAll((rows) => rows.map((row) => Number((row as HTMLElement).dataset['index'])));
