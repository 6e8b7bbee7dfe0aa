// A search that the page makes itself: how long the log is, and what does not fit.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../src/api/client.ts';
import { hashRows } from '../src/engine/leaves.ts';
import type { Call } from '../src/engine/protocol.ts';
import type { Link } from '../src/link.ts';
import { concat, fromHex, toBase64 } from '../src/proof/bytes.ts';
import '../src/proof/ed25519.ts';
import { genesisHash, leafHash, type Hash } from '../src/proof/merkle.ts';
import { writeVarint } from '../src/record/wire.ts';
import { Search, type SearchState } from '../src/search.ts';
import { origin } from './fake-log.ts';

const records: Uint8Array[] = [];
for (let i = 0; i < 2500; i++) {
  const previous: Hash = i === 0 ? genesisHash(origin) : leafHash(records[i - 1]!);
  records.push(
    concat(
      i === 0 ? new Uint8Array() : concat(new Uint8Array([8]), writeVarint(i)),
      new Uint8Array([0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0x1a, 32]),
      previous,
      new Uint8Array([0x7a, 0]),
    ),
  );
}

interface World {
  /** Of the tree that was checked. */
  checked: number;
  /** What the server says that it has, and shows. */
  shows: number;
  /** Whether the answer of the worker to a chain is a misfit. */
  misfit: (chain: Extract<Call, { call: 'chain' }>) => boolean;
  /** Whether the server has a search; it finds nothing then. */
  index: boolean;
}

interface Ended {
  state: SearchState;
  /** Pages of records that were asked for. */
  fresh: string[];
  asked: string[];
}

async function searched(change: Partial<World>, here = true): Promise<Ended> {
  const world: World = {
    checked: records.length,
    shows: records.length,
    misfit: () => false,
    index: false,
    ...change,
  };
  const [asked, fresh]: [string[], string[]] = [[], []];
  globalThis.fetch = (async (address: string, options: RequestInit) => {
    asked.push(address);
    const json = (value: object, status = 200): Response => Response.json(value, { status });
    if (address.includes('/search?') && world.index)
      return json({ treeSize: '0', records: [], count: { value: '0', exact: true } });
    if (!address.includes('/records?'))
      return json({ reason: 'ROUTE_NOT_FOUND', message: '' }, 404);
    if (options.cache !== undefined && options.cache !== 'default') fresh.push(address);
    const [first, count] = [...address.matchAll(/=(\d+)/g)].map((one) => Number(one[1]));
    const end = Math.min(world.shows, first! + count!);
    const page = records.slice(first!, Math.max(first!, end));
    return json({
      records: page.map((one) => ({ record: toBase64(one) })),
      nextIndex: String(end),
      publishedSize: String(world.shows),
    });
  }) as typeof fetch;
  const ask = async (call: Call): Promise<unknown> => {
    if (call.call === 'size') return world.checked;
    if (call.call === 'found') return { rows: [], doubted: [] };
    assert.equal(call.call, 'chain');
    if (call.call !== 'chain') return undefined;
    if (world.misfit(call))
      throw new ApiError(200, call.again ? 'CONTRADICTION' : 'MISFIT', 'it does not fit');
    const before = call.first === 0 ? genesisHash(origin) : leafHash(records[call.first - 1]!);
    const { rows } = hashRows(call.records, call.first, undefined);
    assert.ok(fromHex(rows[0]!.hash));
    return { rows, link: [...before].map((one) => one.toString(16).padStart(2, '0')).join('') };
  };
  const link = { base: 'http://log.example/', token: '', ask } as unknown as Link;
  let ended: () => void = () => undefined;
  const end = new Promise<void>((resolve) => (ended = resolve));
  const search = new Search(link, 'l', '', 'newest', undefined, here, '', () => {
    // In the middle of its constructor there is none yet.
    setTimeout(() => {
      if (!search.state.running) ended();
    });
  });
  await end;
  return { state: search.state, fresh, asked };
}

test('the whole log is read as far as the tree that was checked goes, whatever the server says of its size', async () => {
  const { state } = await searched({});
  assert.deepEqual(
    [state.by, state.treeSize, state.count, state.exact, state.error],
    ['page', 2500, 2500, true, undefined],
  );
  const none = await searched({ checked: 0 });
  assert.deepEqual([none.state.count, none.state.exact, none.state.treeSize], [0, true, 0]);
});

test('a server that shows fewer records than were signed withholds them, and nothing is exact', async () => {
  for (const shows of [0, 2100]) {
    const { state } = await searched({ shows });
    assert.equal(state.exact, false, `${shows}`);
    assert.equal(state.error?.reason, 'WITHHELD');
    assert.match(
      state.error!.message,
      new RegExp(`does not show record ${shows === 0 ? '1,500' : '2,100'}.*has 2,500`),
    );
  }
});

test('a search of the server over less than was checked says over how much', async () => {
  const { state } = await searched({ index: true }, false);
  assert.deepEqual([state.by, state.treeSize, state.checkedSize], ['server', 0, 2500]);
});

test('what does not fit while the log is read is read once more, past all caches, before it counts', async () => {
  const once = await searched({ misfit: ({ first, again }) => first === 500 && !again });
  assert.deepEqual([once.state.count, once.state.exact], [2500, true]);
  assert.equal(once.fresh.length, 1);
  assert.match(once.fresh[0]!, /first=500&/);
  const twice = await searched({ misfit: ({ first }) => first === 500 });
  assert.deepEqual([twice.state.count, twice.state.exact], [1000, false]);
  assert.equal(twice.state.error?.reason, 'CONTRADICTION');
});
