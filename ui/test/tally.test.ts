// What the page counts of a log that it reads itself.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Row } from '../src/record/row.ts';
import { facetTop, Tally } from '../src/tally.ts';
import { one, row } from './made-rows.ts';

const now = 1_700_000_000_000;

const tallied = (rows: readonly Row[], keptMax = 10_000): Tally => {
  const tally = new Tally(keptMax, 1 << 30);
  for (const one of rows) tally.take(one);
  return tally;
};

test('a histogram loses nothing', () => {
  const rows = Array.from({ length: 5000 }, (_, i) =>
    row({ receivedMs: now - i * 137, outcome: i % 9 === 0 ? 'denied' : 'success' }),
  );
  const { buckets } = tallied(rows).histogram();
  assert.ok(buckets.length <= 61);
  assert.equal(
    buckets.reduce((sum, bucket) => sum + bucket.counts.success + bucket.counts.denied, 0),
    rows.length,
  );
  assert.deepEqual(tallied([]).histogram(), { buckets: [], bucketMs: 0 });
  assert.equal(tallied([one]).histogram().buckets.length, 1);
});

test('what matches beyond the rows that are kept is counted all the same', () => {
  const rows = Array.from({ length: 50 }, (_, i) =>
    row({ index: 99 - i, receivedMs: now - i * 1000, actorId: i < 20 ? 'near' : 'far' }),
  );
  const tally = tallied(rows, 30);
  assert.equal(tally.count, 50);
  assert.equal(tally.kept, 30);
  assert.deepEqual([tally.row(0, 'newest')!.index, tally.row(29, 'newest')!.index], [99, 70]);
  assert.deepEqual([tally.row(0, 'oldest')!.index, tally.row(29, 'oldest')!.index], [70, 99]);
  assert.equal(tally.row(30, 'newest'), undefined);
  assert.deepEqual(
    tally.indexes,
    Array.from({ length: 50 }, (_, i) => 50 + i),
  );
  const { buckets } = tally.histogram();
  assert.equal(
    buckets.reduce((sum, { counts }) => sum + counts[rows[0]!.outcome], 0),
    50,
  );
  assert.deepEqual(tally.facets().find(({ field }) => field === 'actor.id')!.values, [
    { value: 'far', count: 30 },
    { value: 'near', count: 20 },
  ]);
  assert.equal(tally.within('actor.id', 'FA').values[0]!.count, 30);
});

test('rows are kept up to so many bytes, the newest of all, and the most frequent values are found among very many', () => {
  const rows = Array.from({ length: 9000 }, (_, i) =>
    row({
      index: 9000 - i,
      actorId: i % 3 === 0 ? `often ${i % 4}` : `once ${i}`,
      bytes: new Uint8Array(i === 70 ? 1 : 100),
    }),
  );
  const tally = new Tally(10_000, 7000);
  for (const one of rows) tally.take(one);
  assert.equal(tally.count, 9000);
  // None is kept behind one that is not, though a small one would fit.
  assert.equal(tally.kept, 70);
  assert.equal(tally.row(69, 'newest')!.index, 9000 - 69);
  const { values, others } = tally.facets().find(({ field }) => field === 'actor.id')!;
  assert.equal(values.length, facetTop);
  assert.deepEqual(
    values.slice(0, 5).map(({ value, count }) => `${value}: ${count}`),
    ['often 0: 750', 'often 3: 750', 'often 2: 750', 'often 1: 750', 'once 1: 1'],
  );
  assert.equal(others + values.reduce((sum, one) => sum + one.count, 0), 9000);
});
