// What a reader sees: live, one record, the key that is pinned.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { flipRecord } from './proxy.ts';
import { binary, sample, Server, sleep, until } from './serving.ts';
import {
  inChromium,
  browser,
  closing,
  folder,
  rowsOf,
  samples,
  sealIs,
  server,
  vkey,
  visit,
} from './world.ts';

inChromium('reading', () => {
  test('a live row comes by the stream, under the policy and behind a prefix, with nothing from elsewhere', async () => {
    const { page, proxy, errors, context } = await visit();
    const hosts = new Set<string>();
    context.on('request', (request) => hosts.add(new URL(request.url()).host));
    await sealIs(page, 'first');
    const known = Math.max(...(await rowsOf(page)));
    await server.append([{ ...sample(1), actor: { id: 'somebody-new' } }]);
    await page.getByText('somebody-new').first().waitFor();
    assert.ok(Math.max(...(await rowsOf(page))) > known);
    assert.ok(
      proxy.requests.some((path) => path.startsWith('/logs/default/live')),
      'by the stream',
    );
    await page.reload();
    await sealIs(page, 'unpinned');
    assert.deepEqual([...hosts], [new URL(proxy.address).host]);
    assert.deepEqual(errors, []);
  });

  test('the binary serves the page itself, with the policy in its headers', async (context) => {
    const answer = await fetch(server.http);
    const policy = answer.headers.get('content-security-policy') ?? '';
    if (!(await answer.text()).includes('<div id="page">'))
      return context.skip('this binary was built without the page');
    for (const part of [
      "default-src 'none'",
      "script-src 'self'",
      "require-trusted-types-for 'script'",
      "frame-ancestors 'none'",
    ])
      assert.ok(policy.includes(part), part);
    const own = await browser.newContext();
    closing.push(() => own.close());
    const page = await own.newPage();
    const errors: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text());
    });
    await page.goto(server.http.href);
    await sealIs(page, 'first');
    await page
      .locator('.event-row[data-index]')
      .first()
      .click({ position: { x: 40, y: 10 } });
    await page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });
    await page.goto(server.http.href + '#/default/explore?q=outcome:denied');
    await page.locator('[data-exact=true]').waitFor();
    assert.deepEqual(errors, []);
  });

  test('a key in the fragment pins, leaves the address, and a wrong one turns the page red', async () => {
    const { page } = await visit(`#/default/live?pin=${encodeURIComponent(vkey)}`);
    await until('the pin is taken out of the address', () => !page.url().includes('pin='));
    await sealIs(page, 'first');
    await page.reload();
    await sealIs(page, 'verified');
    await page.locator('[data-seal]').click();
    assert.match(
      await page.locator('.popover').innerText(),
      /recomputed here.*included in root.*consistent with what this browser saw.*key pinned by a link/s,
    );

    const other = await Server.start(folder, 'other');
    closing.push(() => other.stop());
    const wrong = await visit(`#/default/live?pin=${encodeURIComponent(await other.vkey())}`);
    await sealIs(wrong.page, 'broken');
    assert.match(await wrong.page.locator('.alarm').innerText(), /not signed by the log's key/);
  });

  test('two tabs share one stream', async () => {
    const { page, proxy, context } = await visit();
    await sealIs(page, 'first');
    const pages = [page];
    for (let i = 0; i < 6; i++) {
      const next = await context.newPage();
      await next.goto(proxy.address + '#/default/live');
      pages.push(next);
    }
    await server.append([{ ...sample(2), actor: { id: 'seen-by-all' } }]);
    for (const one of pages)
      await one.getByText('seen-by-all').first().waitFor({ timeout: 15_000 });
    assert.equal(proxy.requests.filter((path) => path.includes('/live')).length, 1);
  });

  test('reading holds the list still, counts what comes, and going back shows it', async () => {
    const { page } = await visit();
    await sealIs(page, 'first');
    await page.locator('.list').hover();
    await page.mouse.wheel(0, 600);
    await page.locator('.pill').waitFor();
    const held = await rowsOf(page);
    await server.append(samples(37, 5000));
    await page.getByText('37 newer').waitFor();
    assert.deepEqual(await rowsOf(page), held);
    await page.locator('.pill').click();
    await until(
      'the newest is on top',
      async () => Math.max(...(await rowsOf(page))) > Math.max(...held),
    );
    await page.keyboard.press('p');
    await page.getByText('paused').waitFor();
    await page.keyboard.press('p');
    await until('it follows again', async () => (await page.locator('.pill').count()) === 0);
  });

  test('a filter while live shows only what matches, and goes on checking all', async () => {
    const { page } = await visit(
      '#/default/live?q=' + encodeURIComponent('outcome:denied NOT actor:nobody'),
    );
    await sealIs(page, 'first');
    await until('only denied ones', async () => {
      const shown = await page.locator('.event-row[data-index]').count();
      return shown > 0 && shown === (await page.locator('.event-row.denied').count());
    });
    await server.append([
      { ...sample(3), actor: { id: 'passes-by' } },
      { ...sample(5), outcome: 'OUTCOME_DENIED', actor: { id: 'stopped' } },
    ]);
    await page.getByText('stopped', { exact: true }).first().waitFor();
    assert.equal(await page.getByText('passes-by').count(), 0);
    await sealIs(page, 'first');
  });

  test('a record is verified up to the signed root, its receipt holds for the command line, and its link carries its hash', async () => {
    const { page, errors } = await visit('#/default/record/17');
    await page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });
    assert.match(
      await page.locator('[data-verdict]').innerText(),
      /leaf 17 of the tree of size [\d,]+, by a path of \d+ hashes, recomputed/,
    );
    await page.getByRole('tab', { name: 'proof' }).click();
    assert.match(await page.locator('.rung.top').innerText(), /equal to the root that was signed/);
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'download receipt' }).click();
    const receipt = `${folder}/17.tlog-proof`;
    await (await download).saveAs(receipt);
    const said = execFileSync(binary, ['receipt', 'verify', receipt, '--key', vkey], {
      encoding: 'utf8',
    });
    assert.match(said, /17/);

    await page.goto(page.url().replace(/#.*/, '#/default/record/17?hash=' + '0'.repeat(64)));
    await page.locator('[data-verdict=substituted]').waitFor();
    await page.goto(page.url().replace(/#.*/, '#/default/trust'));
    await page.locator('input[type=file]').setInputFiles(receipt);
    await page.locator('[data-explained=true]').waitFor();
    assert.match(
      await page.locator('[data-explained]').innerText(),
      /receipt that holds.*still has exactly this record/s,
    );
    writeFileSync(
      `${folder}/bad.tlog-proof`,
      readFileSync(receipt, 'utf8').replace(
        /^extra (.*)$/m,
        (_, extra: string) => `extra ${flipRecord(extra)}`,
      ),
    );
    await page.locator('input[type=file]').setInputFiles(`${folder}/bad.tlog-proof`);
    await page.locator('[data-explained=false]').waitFor();
    assert.deepEqual(errors, []);
  });

  test('each view has the commands that give the same, and they do', async () => {
    const { page, proxy } = await visit('#/default/explore?q=outcome:denied');
    await sealIs(page, 'first');
    await page.locator('[data-exact=true]').waitFor({ timeout: 30_000 });
    const found = Number(await page.locator('.count').getAttribute('data-count'));
    const commandsOf = async (hash: string): Promise<Map<string, string>> => {
      await page.goto(page.url().replace(/#.*/, hash));
      await sleep(300);
      await page.keyboard.press('c');
      await page.getByRole('heading', { name: 'The same without this page' }).waitFor();
      const figures = page.locator('.commands .command');
      const all = new Map<string, string>();
      for (let i = 0; i < (await figures.count()); i++)
        all.set(
          await figures.nth(i).locator('figcaption').innerText(),
          (await figures.nth(i).locator('pre').innerText()).trim(),
        );
      await page.keyboard.press('Escape');
      return all;
    };
    const run = async (command: string): Promise<string> => {
      const words = command.replace(/^graven/, `'${binary}'`).replace('--follow', '');
      return (await promisify(execFile)('sh', ['-c', words], { maxBuffer: 1 << 26 })).stdout;
    };
    const explore = await commandsOf('#/default/explore?q=outcome:denied');
    const answer = JSON.parse(await run(explore.get('curl')!)) as { count: { value: string } };
    assert.equal(Number(answer.count.value), found);
    const lines = (await run(explore.get('graven')! + ' --limit 0 --json')).trim().split('\n');
    assert.equal(lines.filter((line) => line.includes('"index"')).length, found);
    const record = await commandsOf('#/default/record/5');
    assert.match(await run(record.get('curl')!), /"index": ?"5"/);
    // At the port that the server really has, which only the server knows.
    assert.match(record.get('graven')!, new RegExp(`--server ${server.grpc}$`));
    assert.match(await run(record.get('graven')!), /"index"|record|5/);
    assert.match(await run((await commandsOf('#/default/trust')).get('graven')!), /OK/);
    assert.match(await run((await commandsOf('#/default/live')).get('graven')!), /invoice|session/);
    assert.match(
      await run((await commandsOf("#/default/live?q=actor:x'y")).get('graven')! + ' --limit 1'),
      /^\s*$|matches/,
    );
    assert.match(await run((await commandsOf('#/logs')).get('curl')!), /"default"/);
    for (const [name, text] of explore)
      if (name === 'grpcurl')
        assert.match(text, new RegExp(`-plaintext -d '\\{.*' ${server.grpc} graven\\.v1`));
    assert.ok(explore.get('curl')!.includes(proxy.address), 'with the prefix of the page');
  });

  test('a receipt that is dropped on any page is explained', async () => {
    const { page } = await visit('#/default/record/5');
    await page.locator('[data-verdict=good]').waitFor({ timeout: 20_000 });
    await page.getByRole('tab', { name: 'proof' }).click();
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'download receipt' }).click();
    const file = `${folder}/dropped.tlog-proof`;
    await (await download).saveAs(file);
    const drop = async (text: string): Promise<void> => {
      await page.goto(page.url().replace(/#.*/, '#/default/live'));
      await page.locator('.event-row[data-index]').first().waitFor();
      await page.evaluate((content) => {
        const carried = new DataTransfer();
        carried.items.add(new File([content], 'dropped.tlog-proof'));
        document
          .querySelector('.list')!
          .dispatchEvent(new DragEvent('drop', { dataTransfer: carried, bubbles: true }));
      }, text);
    };
    const text = readFileSync(file, 'utf8');
    await drop(text);
    await page.locator('[data-explained=true]').waitFor();
    assert.match(page.url(), /\/trust/);
    await drop(
      text.replace(
        /\n([A-Za-z0-9+/]{43}=)\n/,
        (_, hash: string) => `\n${hash.replace(/./, (c) => (c === 'A' ? 'B' : 'A'))}\n`,
      ),
    );
    await page.locator('[data-explained=false]').waitFor();
  });

  test('a gap in the stream is read, named, and no contradiction', async () => {
    const { page, proxy } = await visit();
    await sealIs(page, 'first');
    proxy.lies = {
      event: (name, data) => {
        if (name !== 'rows' || proxy.told > 0) return undefined;
        const { first, records } = JSON.parse(data) as { first: string; records: string[] };
        const to = String(Number(first) + records.length);
        return { name: 'gap', data: JSON.stringify({ from: first, to }) };
      },
    };
    await server.append([{ ...sample(11), actor: { id: 'in-the-gap' } }]);
    await page.getByText('in-the-gap').first().waitFor({ timeout: 15_000 });
    assert.equal(proxy.told, 1);
    await page.locator('.chain [data-kind=gap]').waitFor();
    await server.append([{ ...sample(12), actor: { id: 'behind-the-gap' } }]);
    await page.getByText('behind-the-gap').first().waitFor({ timeout: 15_000 });
    await sealIs(page, 'first');
  });

  test("a clock that is not the server's is named, and no contradiction", async () => {
    const { page, context } = await visit('#/default/trust');
    await sealIs(page, 'first');
    await page.locator('[data-clock]', { hasText: "agrees with this browser's" }).waitFor();
    await context.addInitScript(() => {
      const own = Date.now.bind(Date);
      Date.now = () => own() + 310_000;
    });
    await page.reload();
    await page.locator('[data-clock]', { hasText: '5 min behind this browser' }).waitFor();
    assert.equal(await page.locator('.alarm').count(), 0);
  });
});
