// What is missing, late or cannot be reached: amber, never red, and it passes. These wait for the page's own patience, so they
// wait together.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sample, Server } from './serving.ts';
import { inChromium, closing, folder, samples, sealIs, server, visit } from './world.ts';

inChromium(
  'what is missing',
  () => {
    test('what is withheld or late is amber and never red, and passes', async () => {
      const { page, proxy } = await visit();
      await sealIs(page, 'first');
      proxy.lies = {
        refuse: (path) => (path.endsWith('/checkpoint') ? 503 : undefined),
        event: (name) => (name === 'checkpoint' ? null : undefined),
      };
      await server.append(samples(5, 8200));
      await sealIs(page, 'stale', 60);
      assert.ok(proxy.told > 0);
      assert.equal(await page.locator('.alarm').count(), 0);
      await page.locator('[data-seal]').click();
      assert.match(await page.locator('.popover').innerText(), /freshness is not provable/i);
      proxy.lies = {};
      await server.append(samples(1, 8300));
      await sealIs(page, 'first', 30);
    });

    test('an older checkpoint that a lagging proxy shows is no rollback', async () => {
      // Of its own: a record that another test appends would bring a newer checkpoint by the stream.
      const alone = await Server.start(folder, 'lagging');
      closing.push(() => alone.stop());
      await alone.append(samples(300));
      const old = await (await fetch(new URL('/logs/default/checkpoint', alone.http))).text();
      await alone.append(samples(20, 8400));
      const { page, proxy } = await visit('#/default/live', { upstream: alone.http });
      await sealIs(page, 'first');
      proxy.lies = { answer: (path) => (path.endsWith('/checkpoint') ? old : undefined) };
      await sealIs(page, 'stale', 60);
      assert.ok(proxy.told > 0);
      await page.locator('[data-seal]').click();
      assert.match(await page.locator('.popover').innerText(), /older checkpoint.*consistent/s);
      proxy.lies = {};
      await sealIs(page, 'first', 30);
    });

    test('a server that went away is amber, and the page goes on by itself when it is back', async () => {
      const { page, proxy } = await visit();
      await sealIs(page, 'first');
      proxy.lies = { refuse: (path) => (path.startsWith('/logs') ? 503 : undefined) };
      proxy.cut();
      await sealIs(page, 'stale', 60);
      proxy.lies = {};
      await server.append([{ ...sample(7), actor: { id: 'after-the-pause' } }]);
      await page.getByText('after-the-pause').first().waitFor({ timeout: 30_000 });
      await sealIs(page, 'first', 30);
    });
  },
  3,
);
