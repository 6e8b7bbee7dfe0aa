// `graven view`: the same page from the auditor's own binary. Only there does it say that it verifies independently, and what
// it saw outlives the browser.

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { changeRecord, Proxy } from './proxy.ts';
import { binary, sample, Server, until } from './serving.ts';
import { browser, folder, inChromium, leaving, samples, sealIs, server, vkey } from './world.ts';

interface View {
  address: string;
  stop(): Promise<void>;
}

async function startView(name: string, upstream: string, policy: string): Promise<View> {
  const file = `${folder}/${name}.policy`;
  writeFileSync(file, policy);
  const made: ChildProcess = spawn(
    binary,
    ['view', '--server', upstream, '--policy', file, '--data', `${folder}/${name}`, '--json'],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let said = '';
  let complained = '';
  made.stdout!.on('data', (part: Buffer) => (said += part.toString('utf8')));
  made.stderr!.on('data', (part: Buffer) => (complained += part.toString('utf8')));
  await until('the view is ready', () => {
    if (made.exitCode !== null) throw new Error(`graven view ended: ${complained}`);
    return said.endsWith('\n');
  });
  const stop = async (): Promise<void> => {
    if (made.exitCode !== null) return;
    const ended = new Promise((resolve) => made.once('exit', resolve));
    made.kill('SIGTERM');
    await ended;
  };
  leaving.push(stop);
  return { address: (JSON.parse(said) as { address: string }).address, stop };
}

/** A browser that was never here: what it shows of the past is the view's memory. */
async function freshPage(address: string, hash = '#/default/live'): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  leaving.push(() => context.close());
  const page = await context.newPage();
  page.on('pageerror', (error) => assert.fail(error.message));
  await page.goto(address + hash);
  return page;
}

const says = (page: Page): Promise<string> => page.locator('.seal-button').innerText();

inChromium('graven view', () => {
  const onlyLog = (): string => `log ${vkey}\nquorum none\n`;

  test('says "independently verified" from the second visit on, in whatever browser, and the server page never does', async () => {
    const view = await startView('own', server.http.href, onlyLog());
    await sealIs(await freshPage(view.address), 'first');
    const page = await freshPage(view.address);
    await sealIs(page, 'verified');
    assert.match(await says(page), /independently verified/);
    await page.locator('.seal-button').click();
    const sentences = await page.locator('#seal-says').innerText();
    assert.match(sentences, /by graven view\b.*from graven view on this machine/s);
    assert.match(sentences, /consistent with what graven view saw since size 600/);
    assert.match(sentences, /key pinned by the policy/);
    await page.keyboard.press('Escape');
    // Live, a record's proof and the search come through it.
    await server.append([sample(9001)]);
    await page.locator('.event-row[data-index="600"]').waitFor({ timeout: 10_000 });
    await page.goto(view.address + '#/default/record/3');
    await page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });
    await page.goto(view.address + '#/default/trust');
    await page.getByText('the policy that graven view was started').waitFor();
    assert.equal(await page.locator('#key').count(), 0, 'no other key is taken');

    // The server's own page, with the same key pinned, seen twice.
    const served = await freshPage(
      server.http.href,
      `#/default/live?pin=${encodeURIComponent(vkey)}`,
    );
    await sealIs(served, 'first');
    await served.reload();
    await sealIs(served, 'verified');
    assert.doesNotMatch(await served.locator('body').innerText(), /independently/i);
    await served.locator('.seal-button').click();
    assert.match(await served.locator('#seal-says').innerText(), /from the server that it judges/);
  });

  test('a signed statement comes through it, fits the tree that the view remembers, and a changed one does not', async () => {
    const proxy = await Proxy.start(server.http);
    leaving.push(() => proxy.stop());
    const view = await startView('stated', proxy.address, onlyLog());
    const page = await freshPage(view.address, '#/default/explore?q=outcome:denied');
    await page.locator('[data-exact=true]').waitFor({ timeout: 30_000 });
    const count = await page.locator('.count').getAttribute('data-count');
    await page.locator('.how summary').click();
    const ask = page.getByRole('button', { name: "the server's signed statement" });
    await ask.click();
    const fits = page.locator('[data-statement=undefined]');
    await fits.waitFor({ timeout: 30_000 });
    assert.match(
      await fits.innerText(),
      new RegExp(`that ${count} of [\\d,]+ records match, .* that this page checked: the word of`),
    );
    // The command names the server and not the view, which has no gRPC.
    const command = await page.locator('.how').getByText('graven verify --answer').innerText();
    assert.ok(command.includes(`--server ${server.grpc} --key ${vkey} --answer-key `), command);
    proxy.lies = {
      answer: (path, body) =>
        path.includes('/statement?')
          ? body.replace(`\n${count}\n`, `\n${Number(count) - 1}\n`)
          : undefined,
    };
    await ask.click();
    await page
      .locator('[data-statement=false]', { hasText: 'not signed by the key' })
      .waitFor({ timeout: 30_000 });
    assert.ok(proxy.told > 0);
  });

  test('a link does not pin another key', async () => {
    const view = await startView('link', server.http.href, onlyLog());
    await sealIs(await freshPage(view.address), 'first');
    const other = vkey.replace(/^[^+]+/, 'other.example');
    const page = await freshPage(view.address, `#/default/live?pin=${encodeURIComponent(other)}`);
    await sealIs(page, 'verified');
  });

  test('a log that the policy does not name is not called verified', async () => {
    const other = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
    const view = await startView('other', server.http.href, `log ${other}\nquorum none\n`);
    await sealIs(await freshPage(view.address), 'first');
    const page = await freshPage(view.address);
    await sealIs(page, 'unpinned');
    await page.locator('.seal-button').click();
    assert.match(await page.locator('#seal-says').innerText(), /does not name this log/);
  });

  test('a quorum that is not met is amber', async () => {
    // Somebody's key: nobody cosigns with it here.
    const encoded = Buffer.from('BOkyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k', 'base64');
    const id = createHash('sha256')
      .update('w.example/w\n')
      .update(encoded)
      .digest('hex')
      .slice(0, 8);
    const witness = `w.example/w+${id}+${encoded.toString('base64')}`;
    const policy = `log ${vkey}\nwitness w ${witness}\nquorum w\n`;
    const view = await startView('quorum', server.http.href, policy);
    const page = await freshPage(view.address);
    await sealIs(page, 'stale');
    assert.match(await says(page), /no witness/);
  });

  test('a tampering proxy turns it red, and it stays so in another browser and after the view was started anew', async () => {
    const proxy = await Proxy.start(server.http);
    leaving.push(() => proxy.stop());
    const upstream = proxy.address;
    let view = await startView('red', upstream, onlyLog());
    const page = await freshPage(view.address, '#/default/record/3');
    await page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });
    proxy.lies = { answer: changeRecord(3) };
    await page.keyboard.press('v');
    await sealIs(page, 'broken', 40);
    assert.ok(proxy.told >= 2, 'it was asked twice');
    proxy.lies = {};
    await until('the view keeps it', () => readdirSync(`${folder}/red/findings`).length === 1);
    assert.equal(readdirSync(`${folder}/red/evidence`).length, 1);
    await view.stop();
    view = await startView('red', upstream, onlyLog());
    const again = await freshPage(view.address);
    await sealIs(again, 'broken');
    assert.match(await again.locator('.alarm').innerText(), /Record 3 as shown is not in the tree/);
  });

  test('a server that was rolled back behind the view turns it red, also for a browser that saw nothing', async () => {
    const old = await Server.start(folder, 'rolled');
    await old.append(samples(20));
    const key = await old.vkey();
    const proxy = await Proxy.start(old.http);
    leaving.push(() => proxy.stop());
    await old.stop();
    old.copy(folder, 'rolled-back');
    const grown = await Server.start(folder, 'rolled');
    await grown.append(samples(20, 100));
    proxy.upstream = grown.http;
    const policy = `log ${key}\nquorum none\n`;
    let view = await startView('back', proxy.address, policy);
    await sealIs(await freshPage(view.address), 'first');
    await view.stop();
    await grown.stop();
    const back = await Server.start(folder, 'rolled-back');
    leaving.push(() => back.stop());
    proxy.upstream = back.http;
    view = await startView('back', proxy.address, policy);
    const page = await freshPage(view.address);
    await sealIs(page, 'broken', 40);
    assert.match(
      await page.locator('.alarm').innerText(),
      /40 records long.*now says that it has 20/,
    );
  });

  test('a server that is away, and a view that has ended, are two things', async () => {
    const proxy = await Proxy.start(server.http);
    const view = await startView('away', proxy.address, onlyLog());
    const page = await freshPage(view.address);
    await sealIs(page, 'first');
    await proxy.stop();
    await page.reload();
    await sealIs(page, 'stale');
    await page.locator('.seal-button').click();
    await page.getByText('The server does not answer graven view').first().waitFor();
    await view.stop();
    await page.getByText('graven view does not answer').first().waitFor({ timeout: 30_000 });
  });
});
