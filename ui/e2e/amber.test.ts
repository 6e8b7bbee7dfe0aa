// What is missing, late or cannot be reached: amber, never red, and it passes. These wait for the page's own patience, so they
// wait together.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sample, Server, startWitness, until } from './serving.ts';
import {
  inChromium,
  closing,
  folder,
  samples,
  seal,
  sealIs,
  server,
  visit,
  vkey,
} from './world.ts';

/** A witness with a key, of which no log ever asks anything. */
async function neverAsked(): Promise<{ witness: string }> {
  const started = await startWitness(folder, vkey);
  closing.push(() => started.stop());
  return { witness: `${started.vkey} ${started.url}` };
}

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

    test('a log that was never seen is amber and says so, and on the next visit it is not', async () => {
      const { page } = await visit();
      await sealIs(page, 'first');
      const colour = (): Promise<string> =>
        page.locator('.seal-button').evaluate((one) => getComputedStyle(one).color);
      const amber = await colour();
      assert.match(await page.locator('.seal-button').innerText(), /first visit/);
      await page.locator('[data-seal]').click();
      assert.match(await page.locator('.popover').innerText(), /saw nothing of this log before/);
      assert.match((await page.locator('#icon').getAttribute('href')) ?? '', /a86400/);
      await page.reload();
      await sealIs(page, 'unpinned');
      assert.notEqual(await colour(), amber);
      assert.equal(await page.locator('.alarm').count(), 0);
    });

    test('a witness that is asked for and does not come is amber', async () => {
      const { page } = await visit('#/default/trust');
      await sealIs(page, 'first');
      const { witness } = await neverAsked();
      await page.fill('#key', `log ${vkey}\nwitness own ${witness}\nquorum own\n`);
      await page.getByRole('button', { name: 'pin' }).click();
      await sealIs(page, 'stale', 30);
      assert.match(await page.locator('.seal-button').innerText(), /no witness/);
      await page.locator('[data-seal]').click();
      assert.match(
        await page.locator('.popover').innerText(),
        /None of the witnesses whose keys were given has cosigned/,
      );
      await page.reload();
      await sealIs(page, 'stale', 30);
      assert.equal(await page.locator('.alarm').count(), 0);
    });

    test('proofs that are withheld are amber, on the next visit too, and it passes', async () => {
      const alone = await Server.start(folder, 'withholding');
      closing.push(() => alone.stop());
      await alone.append(samples(300));
      const { page, proxy } = await visit('#/default/live', { upstream: alone.http });
      await sealIs(page, 'first');
      // Without records it cannot compute the new root by itself, and without a proof it cannot be shown.
      proxy.lies = {
        refuse: (path) => (/\/(proofs|records)/.test(path) ? 503 : undefined),
        event: (name) => (name === 'rows' ? null : undefined),
      };
      await alone.append(samples(20, 8800));
      await sealIs(page, 'stale', 60);
      assert.ok(proxy.told > 0);
      assert.match(await page.locator('.seal-button').innerText(), /withheld/);
      assert.equal(await page.locator('.alarm').count(), 0);
      await page.reload();
      await sealIs(page, 'stale', 60);
      proxy.lies = {};
      await sealIs(page, 'unpinned', 60);
    });

    test('another log under the same name is amber until the reader knows, and red for one who has pinned the key', async () => {
      const other = await Server.start(folder, 'another');
      closing.push(() => other.stop());
      await other.append(samples(10));
      const { page, proxy } = await visit();
      await sealIs(page, 'first');
      proxy.upstream = other.http;
      proxy.cut();
      await page.reload();
      await sealIs(page, 'stale', 30);
      assert.match(await page.locator('.seal-button').innerText(), /changed/);
      await page.goto(page.url().replace(/#.*/, '#/default/trust'));
      await page.getByRole('button', { name: 'I know: this is another log now' }).click();
      await until('it is taken', async () => ['first', 'unpinned'].includes(await seal(page)));
      assert.equal(await page.locator('.alarm').count(), 0);

      const pinned = await visit(`#/default/live?pin=${encodeURIComponent(vkey)}`);
      await sealIs(pinned.page, 'first');
      pinned.proxy.upstream = other.http;
      pinned.proxy.cut();
      await pinned.page.reload();
      await sealIs(pinned.page, 'broken', 40);
    });
  },
  3,
);
