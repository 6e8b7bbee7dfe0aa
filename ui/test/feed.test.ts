// What a tab holds of the log: the newest 50,000 rows, and counts of all.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Feed, rowsMax } from '../src/feed.ts';
import type { Told } from '../src/engine/protocol.ts';
import type { Link } from '../src/link.ts';
import { otherLinks, type OtherLink } from '../src/links.ts';
import { decodeRow, type Row } from '../src/record/row.ts';

type Event = Extract<Told, { event: string }>;

/** A feed, and what the worker tells it. */
function fed(): { feed: Feed; tell: (event: Event) => void; asked: string[] } {
  const asked: string[] = [];
  let tell: (event: Event) => void = () => undefined;
  const link = {
    listen: (listener: (event: Event) => void) => {
      tell = listener;
      return () => (tell = () => undefined);
    },
    ask: (call: { call: string }) => {
      asked.push(call.call);
      return Promise.resolve();
    },
  } as unknown as Link;
  const deaf = { addEventListener: () => undefined, removeEventListener: () => undefined };
  Object.assign(globalThis, {
    window: deaf,
    document: { ...deaf, hidden: true },
    requestAnimationFrame: (draw: () => void) => setTimeout(draw, 0),
  });
  const feed = new Feed(link, 'l');
  return { feed, tell: (event) => tell(event), asked };
}

const linkTo = (): Link =>
  ({ listen: () => () => undefined, ask: () => Promise.resolve() }) as unknown as Link;

const blank = decodeRow(new Uint8Array(), '');
const rowsFrom = (first: number, count: number): Row[] =>
  Array.from({ length: count }, (_, i) => ({
    ...blank,
    index: first + i,
    outcome: i % 4 === 0 ? 'denied' : 'success',
  }));

test('links of two tabs are all kept, the first twenty of them, and forgotten in both', () => {
  const kept = new Map<string, string>();
  const listeners = new Set<(event: { key: string | null }) => void>();
  const { feed } = fed();
  Object.assign(globalThis, {
    localStorage: {
      getItem: (name: string) => kept.get(name) ?? null,
      // As a browser tells the tabs; here the one that writes as well.
      setItem: (name: string, value: string) => {
        kept.set(name, value);
        listeners.forEach((tell) => tell({ key: name }));
      },
      removeItem: (name: string) => {
        kept.delete(name);
        listeners.forEach((tell) => tell({ key: name }));
      },
    },
    window: {
      addEventListener: (_: string, listener: () => void) => listeners.add(listener),
      removeEventListener: (_: string, listener: () => void) => listeners.delete(listener),
    },
  });
  Object.assign(document, { baseURI: 'http://log.example/' });
  feed.close();
  const [one, two] = [new Feed(linkTo(), 'l'), new Feed(linkTo(), 'l')];
  const linkOf = (index: number): OtherLink => ({
    index,
    named: 'a'.repeat(64),
    shown: 'b'.repeat(64),
    at: 1,
  });
  one.keepLink(linkOf(1));
  two.keepLink(linkOf(2));
  for (const { links } of [one, two])
    assert.deepEqual(
      links.map(({ index }) => index),
      [1, 2],
    );
  for (let i = 3; i < 60; i++) (i % 2 === 0 ? one : two).keepLink(linkOf(i));
  assert.deepEqual(
    otherLinks('l').map(({ index }) => index),
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
  two.forgetLinks();
  assert.deepEqual([one.links, two.links, otherLinks('l')], [[], [], []]);
  one.close();
  two.close();
  assert.equal(listeners.size, 0);
});

test('the memory is a ring: the newest 50,000 rows stay, all are counted, and a reader of them sees no hole', () => {
  const { feed, tell } = fed();
  const at = 1_700_000_000_000;
  for (let first = 0; first < 180_000; first += 256) {
    const rows = rowsFrom(first, 256);
    tell({ event: 'rows', log: 'l', rows, first, next: first + 256, reset: false, at });
    assert.ok(feed.rows.length <= rowsMax * 1.1 + 256, `${feed.rows.length} rows`);
  }
  assert.equal(feed.counted, 704 * 256);
  assert.ok(feed.rows.length >= rowsMax);
  assert.equal(feed.next, 704 * 256);
  assert.equal(feed.rows[feed.rows.length - 1]!.index, feed.next - 1);
  feed.rows.forEach((row, i) => assert.equal(row.index, feed.rows[0]!.index + i));
  // Of a log that is begun anew nothing stays.
  tell({ event: 'rows', log: 'l', rows: rowsFrom(5, 3), first: 5, next: 8, reset: true, at });
  assert.deepEqual(
    feed.rows.map((row) => row.index),
    [5, 6, 7],
  );
  // Another log's rows are not its own.
  tell({ event: 'rows', log: 'm', rows: rowsFrom(8, 3), first: 8, next: 11, reset: false, at });
  assert.equal(feed.next, 8);
});

test('the rate is of the last five whole seconds, by outcome, and forgets what is older than its chart', () => {
  const { feed, tell, asked } = fed();
  for (let second = 0; second < 400; second++) {
    const rows = rowsFrom(second * 8, 8);
    const at = 1_700_000_000_000 + second * 1000;
    tell({
      event: 'rows',
      log: 'l',
      rows,
      first: second * 8,
      next: second * 8 + 8,
      reset: false,
      at,
    });
  }
  assert.equal(feed.rate(1_700_000_000_000 + 400_000), 8);
  assert.equal(feed.rate(1_700_000_000_000 + 500_000), 0);
  assert.equal(feed.rates.length, 300);
  assert.deepEqual(feed.rates[0]!.counts, { unknown: 0, success: 6, failure: 0, denied: 2 });
  feed.close();
  assert.deepEqual(asked, ['watch', 'unwatch']);
});
