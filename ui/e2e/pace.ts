// How the page keeps up: node e2e/pace.ts [EVENTS A SECOND] [SECONDS]. Long tasks, frames and memory while events arrive.

import { launch } from './browser.ts';
import { Proxy } from './proxy.ts';
import { makeFolder, remove, sample, Server, sleep } from './serving.ts';

const rate = Number(process.argv[2] ?? 5000);
const seconds = Number(process.argv[3] ?? 20);
const folder = makeFolder('pace');
const server = await Server.start(folder);
const proxy = await Proxy.start(server.http);
const browser = await launch();
try {
  await server.append(Array.from({ length: 1000 }, (_, i) => sample(i)));
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  const begun = Date.now();
  await page.goto(proxy.address + '#/default/live');
  await page.locator('.event-row[data-index]').first().waitFor();
  console.log(`first rows after ${Date.now() - begun} ms`);
  await page.locator('[data-seal=first]').waitFor();
  await page.evaluate(() => {
    const seen = { long: [] as number[], frames: 0, shifts: 0 };
    (window as unknown as { seen: typeof seen }).seen = seen;
    new PerformanceObserver((list) =>
      list.getEntries().forEach((one) => seen.long.push(Math.round(one.duration))),
    ).observe({ type: 'longtask' });
    new PerformanceObserver((list) =>
      list.getEntries().forEach((one) => {
        seen.shifts += (one as unknown as { value: number }).value;
      }),
    ).observe({ type: 'layout-shift' });
    const frame = (): void => {
      seen.frames++;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  const lines = Array.from({ length: 4 }, (_, k) =>
    Array.from({ length: Math.round(rate / 20) }, (_, i) =>
      JSON.stringify(sample(k * 250 + i)),
    ).join('\n'),
  );
  const end = Date.now() + seconds * 1000;
  let sent = 0;
  let next = Date.now();
  const pending: Promise<unknown>[] = [];
  while (Date.now() < end) {
    pending.push(
      fetch(new URL('/logs/default/events', server.http), {
        method: 'POST',
        headers: { 'content-type': 'application/jsonl' },
        body: lines[sent % 4]!,
      }).then((answer) => answer.arrayBuffer()),
    );
    sent++;
    next += 50;
    await sleep(Math.max(0, next - Date.now()));
  }
  await Promise.all(pending);
  await sleep(2000);
  const seen = (await page.evaluate(() => (window as unknown as { seen: unknown }).seen)) as {
    long: number[];
    frames: number;
    shifts: number;
  };
  const counted = await page.locator('.live-facts').innerText();
  const memory = await page.evaluate(
    () =>
      (performance as unknown as { memory?: { usedJSHeapSize: number } }).memory?.usedJSHeapSize ??
      0,
  );
  const sum = sent * Math.round(rate / 20);
  console.log(
    `sent ${sum} in ${seconds} s; page: ${counted.replaceAll('\n', ', ')}; seal ${await page.locator('[data-seal]').getAttribute('data-seal')}`,
  );
  console.log(
    `long tasks: ${seen.long.length} (${seen.long.slice(0, 20).join(' ')}), frames ${(seen.frames / (seconds + 2)).toFixed(0)}/s, layout shift ${seen.shifts.toFixed(4)}, heap ${(memory / 1e6).toFixed(0)} MB`,
  );
  await page.screenshot({ path: 'build/pace.png' });
  const first = Date.now();
  await page.goto(proxy.address + '#/default/record/2000');
  await page.locator('[data-verdict=good]').waitFor();
  console.log(`record verified after ${Date.now() - first} ms`);
} finally {
  await browser.close();
  await proxy.stop();
  await server.stop();
  remove(folder);
}
