// The page says no more than it knows: many tabs, tokens, answers that do not fit what was asked, addresses that mean nothing.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { binary, Server, sleep, until } from './serving.ts';
import { closing, folder, inChromium, samples, sealIs, server, visit } from './world.ts';

inChromium('a page that says what it knows', () => {
  test('eight tabs on eight logs all load, with one stream between them', async () => {
    const names = Array.from({ length: 8 }, (_, i) => `log${i}`);
    for (const name of names) {
      execFileSync(binary, ['logs', 'create', name, '--server', server.grpc]);
      await server.append(samples(20), name);
    }
    const { page, proxy, context } = await visit(`#/${names[0]!}/live`);
    const tabs = [page];
    for (const name of names.slice(1)) {
      const tab = await context.newPage();
      tabs.push(tab);
      await tab.goto(proxy.address + `#/${name}/live`);
    }
    for (const tab of tabs)
      await tab.locator('.event-row[data-index="19"]').waitFor({ timeout: 20_000 });
    await until('one stream is open', () => proxy.streams === 1);
    assert.ok(proxy.streamsMost <= 2, `${proxy.streamsMost} streams at once`);
    // Those without it get what comes, too; and the tab that is looked at has the stream.
    for (const name of names) await server.append(samples(1, 100), name);
    for (const tab of tabs)
      await tab.locator('.event-row[data-index="20"]').waitFor({ timeout: 20_000 });
    await page.evaluate(() => window.dispatchEvent(new Event('focus')));
    await page.getByText('streaming').waitFor();
    await tabs[7]!.getByText('another log has the stream').waitFor();
    await until('one stream is open', () => proxy.streams === 1);
    for (const name of names) await server.append(samples(1, 200), name);
    for (const tab of tabs) {
      await tab.locator('.event-row[data-index="21"]').waitFor({ timeout: 20_000 });
      assert.equal(await tab.locator('.alarm').count(), 0);
    }
    // A tab that is closed leaves the stream to another log.
    await page.goto('about:blank');
    await tabs[7]!.getByText('streaming').waitFor();
  });

  test('a token is of one tab: another sees nothing by it, and takes it from nobody', async () => {
    const token = 'a-token-of-some-length-0123456789';
    const digest = createHash('sha256').update(token).digest('hex');
    const guarded = await Server.start(
      folder,
      'tokens',
      [],
      `[[token]]\nidentity = "auditor"\nsha256 = "${digest}"\n`,
    );
    closing.push(() => guarded.stop());
    const written = await fetch(new URL('/logs/default/events?wait=published', guarded.http), {
      method: 'POST',
      headers: { 'content-type': 'application/jsonl', authorization: `Bearer ${token}` },
      body: samples(5)
        .map((one) => JSON.stringify(one))
        .join('\n'),
    });
    assert.ok(written.ok, await written.text());
    const { page, proxy, context } = await visit('#/default/live', { upstream: guarded.http });
    await page.fill('#token', token);
    await page.getByRole('button', { name: 'use it' }).click();
    await page.locator('.event-row[data-index="4"]').waitFor({ timeout: 20_000 });
    const other = await context.newPage();
    await other.goto(proxy.address + '#/default/live');
    await other.locator('#token').waitFor({ timeout: 20_000 });
    await sleep(1000);
    assert.equal(await other.locator('.event-row').count(), 0);
    // The first goes on.
    await page.goto(proxy.address + '#/default/record/3');
    await page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });
    await other.fill('#token', token);
    await other.getByRole('button', { name: 'use it' }).click();
    await other.locator('.event-row[data-index="4"]').waitFor({ timeout: 20_000 });
    await sealIs(page, 'first');
  });
});
