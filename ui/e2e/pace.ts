// How the page keeps up, measured in Chromium: node e2e/pace.ts [EVENTS A SECOND] [SECONDS]. One JSON object on standard
// output; `./dev bench page` makes a table of it and judges.

import type { Browser, CDPSession, Page } from 'playwright-core';
import { toBase64, toHex } from '../src/proof/bytes.ts';
import '../src/proof/ed25519.ts';
import { climb, leafHash, type Hash } from '../src/proof/merkle.ts';
import { launch } from './browser.ts';
import { millionFound } from './million.ts';
import { Proxy } from './proxy.ts';
import { binary, makeFolder, remove, sample, Server, sleep, until } from './serving.ts';

const rate = Number(process.argv[2] ?? 5000);
const seconds = Number(process.argv[3] ?? 20);
const size = { width: 1440, height: 900 };

interface Watched {
  firstRow: number;
  long: number[];
  frames: number[];
  shifts: number;
}

/** In the page, before anything of its own: when rows appear, tasks over 50 ms, frames, what jumps. */
function watchPage(): void {
  const seen: Watched = { firstRow: 0, long: [], frames: [], shifts: 0 };
  (window as unknown as { seen: Watched }).seen = seen;
  new PerformanceObserver((list) =>
    list.getEntries().forEach((one) => seen.long.push(Math.round(one.duration))),
  ).observe({ type: 'longtask' });
  new PerformanceObserver((list) =>
    list.getEntries().forEach((one) => {
      seen.shifts += (one as unknown as { value: number }).value;
    }),
  ).observe({ type: 'layout-shift' });
  let last = 0;
  const frame = (now: number): void => {
    if (last > 0) seen.frames.push(now - last);
    last = now;
    if (seen.firstRow === 0 && document.querySelector('.event-row[data-index]') !== null)
      seen.firstRow = performance.now();
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

const seenIn = (page: Page): Promise<Watched> =>
  page.evaluate(() => (window as unknown as { seen: Watched }).seen);
const forgetIn = (page: Page): Promise<void> =>
  page.evaluate(() => {
    const { seen } = window as unknown as { seen: Watched };
    Object.assign(seen, { long: [], frames: [], shifts: 0 });
  });

async function visit(browser: Browser, address: string): Promise<Page> {
  const context = await browser.newContext({ viewport: size });
  await context.addInitScript(watchPage);
  const page = await context.newPage();
  await page.goto(address);
  await page.locator('.event-row[data-index]').first().waitFor();
  return page;
}

const frameFacts = (frames: readonly number[]): { per_s: number; worst_ms: number } => ({
  per_s: (1000 * frames.length) / frames.reduce((sum, one) => sum + one, 0),
  worst_ms: Math.max(...frames),
});

/** A browser that was never here, again and again. */
async function firstRows(browser: Browser, address: string): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < 7; i++) {
    const page = await visit(browser, address);
    times.push(await until('a frame with rows', async () => (await seenIn(page)).firstRow));
    await page.context().close();
  }
  return times;
}

interface HeapUsage {
  usedSize: number;
  embedderHeapUsedSize?: number;
  backingStorageSize?: number;
}

/** Objects, what the browser holds for them, and the bytes of records. */
const bytesIn = (usage: HeapUsage): number =>
  usage.usedSize + (usage.embedderHeapUsedSize ?? 0) + (usage.backingStorageSize ?? 0);

/** Bytes of memory of the shared worker; 0 where the debugger does not say. */
async function workerHeap(session: CDPSession): Promise<number> {
  const { targetInfos } = await session.send('Target.getTargets');
  const worker = targetInfos.find((one) => one.type === 'shared_worker');
  if (worker === undefined) return 0;
  const { sessionId } = await session.send('Target.attachToTarget', { targetId: worker.targetId });
  const answered = new Promise<number>((resolve) => {
    session.on('Target.receivedMessageFromTarget', ({ message }) => {
      const { id, result } = JSON.parse(message) as { id: number; result?: HeapUsage };
      if (id === 2) resolve(result === undefined ? 0 : bytesIn(result));
    });
  });
  for (const [id, method] of ['HeapProfiler.collectGarbage', 'Runtime.getHeapUsage'].entries())
    await session.send('Target.sendMessageToTarget', {
      sessionId,
      message: JSON.stringify({ id: id + 1, method }),
    });
  return Promise.race([answered, sleep(5000).then(() => 0)]);
}

/** On a busy machine the server may have no room for a moment; nothing is stored by such an answer. */
async function append(server: Server, body: string): Promise<void> {
  for (;;) {
    const answer = await fetch(new URL('/logs/default/events', server.http), {
      method: 'POST',
      headers: { 'content-type': 'application/jsonl' },
      body,
    });
    await answer.arrayBuffer();
    if (answer.ok) return;
    if (answer.status !== 429) throw new Error(`append: ${answer.status}`);
    await sleep(100);
  }
}

async function keepUp(browser: Browser, server: Server): Promise<Record<string, unknown>> {
  const page = await visit(browser, server.http.href + '#/default/live');
  await page.locator('[data-seal=first]').waitFor();
  const before = await countedBy(page);
  await forgetIn(page);
  const batch = Math.round(rate / 20);
  const bodies = Array.from({ length: 4 }, (_, k) =>
    Array.from({ length: batch }, (_, i) => JSON.stringify(sample(k * batch + i))).join('\n'),
  );
  const session = await page.context().newCDPSession(page);
  const heap = async (): Promise<number> =>
    bytesIn((await session.send('Runtime.getHeapUsage')) as HeapUsage);
  // As it stands each minute, with what is still to be collected.
  const byMinute: Promise<number>[] = [];
  const begun = Date.now();
  const end = begun + seconds * 1000;
  const pending = new Set<Promise<unknown>>();
  let sent = 0;
  let next = Date.now();
  while (Date.now() < end) {
    const call: Promise<unknown> = append(server, bodies[sent % bodies.length]!).then(() =>
      pending.delete(call),
    );
    pending.add(call);
    sent++;
    if (Date.now() - begun >= (byMinute.length + 1) * 60_000) byMinute.push(heap());
    next += 50;
    await sleep(Math.max(0, next - Date.now()));
  }
  await Promise.all(pending);
  // Where the page fell behind for good, that is a figure too, and the memory no less.
  await until(
    'all are counted',
    async () => (await countedBy(page)) - before >= sent * batch,
    60,
  ).catch(() => undefined);
  await sleep(1000);
  const seen = await seenIn(page);
  await session.send('HeapProfiler.collectGarbage');
  const whole = await browser.newBrowserCDPSession();
  const facts = {
    rate,
    seconds,
    sent: sent * batch,
    counted: (await countedBy(page)) - before,
    seal: await page.locator('[data-seal]').getAttribute('data-seal'),
    long_tasks_ms: seen.long,
    frames: frameFacts(seen.frames),
    layout_shift: seen.shifts,
    page_heap_mb: (await heap()) / 1e6,
    page_heap_mb_by_minute: (await Promise.all(byMinute)).map((bytes) => bytes / 1e6),
    worker_heap_mb: (await workerHeap(whole).catch(() => 0)) / 1e6,
  };
  await page.context().close();
  return facts;
}

const countedBy = async (page: Page): Promise<number> =>
  Number(
    /counted here: ([\d,]+)/
      .exec(await page.locator('.live-facts').innerText())![1]!
      .replaceAll(',', ''),
  );

/** Three seconds of scrolling through a million rows, a page each frame. */
async function scroll(browser: Browser, server: Server): Promise<Record<string, unknown>> {
  const proxy = await Proxy.start(server.http);
  const { total, lies } = await millionFound(server);
  proxy.lies = lies;
  const page = await visit(browser, proxy.address + '#/default/explore?order=oldest');
  await page.locator(`[data-count="${total}"]`).waitFor();
  await forgetIn(page);
  await page.locator('.explore .list').evaluate(
    (box) =>
      new Promise<void>((resolve) => {
        const end = performance.now() + 3000;
        const step = (): void => {
          box.scrollTop += box.clientHeight;
          if (performance.now() < end) requestAnimationFrame(step);
          else resolve();
        };
        requestAnimationFrame(step);
      }),
  );
  const seen = await seenIn(page);
  await page.context().close();
  await proxy.stop();
  return { rows: total, frames: frameFacts(seen.frames), long_tasks_ms: seen.long };
}

/** A record at the end of a path of 30 hashes, in the engine that the browser has too. */
function climbing(): number[] {
  const record = new Uint8Array(400).fill(7);
  const path: Hash[] = Array.from({ length: 30 }, (_, i) => leafHash(new Uint8Array([i])));
  return Array.from({ length: 101 }, () => {
    const begun = performance.now();
    const rungs = climb(5n, 1n << 30n, leafHash(record), path);
    if (rungs?.length !== 30) throw new Error('the path is not of 30 hashes');
    rungs.map((rung) => toHex(rung.result) + toBase64(rung.sibling));
    return performance.now() - begun;
  });
}

async function opened(browser: Browser, server: Server): Promise<number> {
  const page = await visit(browser, server.http.href + '#/default/live');
  const begun = Date.now();
  await page.goto(page.url().replace(/#.*/, '#/default/record/500'));
  await page.locator('[data-verdict=good]').waitFor();
  const took = Date.now() - begun;
  await page.context().close();
  return took;
}

const folder = makeFolder('pace');
const server = await Server.start(folder);
const browser = await launch();
try {
  await server.append(Array.from({ length: 1000 }, (_, i) => sample(i)));
  const facts = {
    binary,
    first_rows_ms: await firstRows(browser, server.http.href + '#/default/live'),
    scroll: await scroll(browser, server),
    record_verified_ms: await opened(browser, server),
    climb_30_ms: climbing(),
    live: await keepUp(browser, server),
  };
  console.log(JSON.stringify(facts));
} finally {
  await browser.close();
  await server.stop();
  remove(folder);
}
