// Filtering while live: each row is judged once, in slices, and what is rare is drawn.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Matches, placeOf, sampled, sampling } from '../src/matches.ts';
import { decodeRow, type Row } from '../src/record/row.ts';

const rowOf = (index: number): Row => ({ ...decodeRow(new Uint8Array(), ''), index });
const rowsFrom = (first: number, count: number): Row[] =>
  Array.from({ length: count }, (_, i) => rowOf(first + i));
const indexes = (rows: readonly Row[]): number[] => rows.map((row) => row.index);

interface Own {
  rows: Row[];
  resets: number;
}

test('each row is judged once, whatever comes and goes, and in slices', () => {
  const feed: Own = { rows: rowsFrom(100, 5000), resets: 0 };
  const judged = new Map<number, number>();
  let now = 0;
  const matches = new Matches(
    feed,
    (row) => {
      now += 0.1;
      judged.set(row.index, (judged.get(row.index) ?? 0) + 1);
      return row.index % 50 === 0;
    },
    () => now,
  );
  assert.equal(matches.waiting, 5000);
  let slices = 0;
  for (let done = false; !done; slices++) {
    const begun = now;
    done = matches.work();
    assert.ok(now - begun < 10, `a slice of ${now - begun} ms`);
    // The newest are there first.
    if (slices === 0) assert.equal(matches.rows[matches.rows.length - 1]!.index, 5050);
    feed.rows.push(rowOf(5100 + slices));
  }
  while (!matches.work());
  assert.ok(slices > 50, `${slices} slices`);
  assert.equal(matches.waiting, 0);
  const expected = indexes(feed.rows).filter((index) => index % 50 === 0);
  assert.deepEqual(indexes(matches.rows), expected);
  // The ring forgets, and more come.
  feed.rows = feed.rows
    .slice(1000)
    .concat(rowsFrom(feed.rows[feed.rows.length - 1]!.index + 1, 300));
  while (!matches.work());
  assert.deepEqual(
    indexes(matches.rows),
    indexes(feed.rows).filter((index) => index % 50 === 0),
  );
  assert.deepEqual([...new Set(judged.values())], [1]);
  // Other rows are another matter.
  feed.rows = rowsFrom(40, 20);
  feed.resets++;
  while (!matches.work());
  assert.deepEqual(indexes(matches.rows), [50]);
});

test('a match that is rare is drawn however much passes by, and sampling ends by itself', () => {
  const feed: Own = { rows: rowsFrom(0, 10), resets: 0 };
  let now = 0;
  const rare = new Matches(
    feed,
    (row) => row.index % 250 === 249,
    () => now,
  );
  const all = new Matches(feed, undefined, () => now);
  const every = new Matches(
    feed,
    () => true,
    () => now,
  );
  for (const one of [rare, all, every]) one.work();
  const begun = new Map<number, number>();
  for (let batch = 0; batch < 20; batch++) {
    now += 100;
    feed.rows.push(...rowsFrom(10 + batch * 1000, 1000));
    for (const one of [rare, all, every]) one.work();
    assert.equal(sampling(rare.burst), 1);
    assert.equal(sampling(all.burst), 32);
    assert.equal(sampling(every.burst), 32);
    // What is left out is the same in every picture.
    for (const row of sampled(every, 32)) begun.set(row.index, (begun.get(row.index) ?? 0) + 1);
  }
  assert.equal(sampled(rare, sampling(rare.burst)).length, 80);
  assert.ok(sampled(all, 32).length <= 400);
  assert.ok(sampled(all, 32).every((row) => row.index % 32 === 0));
  assert.equal(begun.get(feed.rows[32 + 10]!.index), 12);
  now += 2001;
  for (const one of [all, every]) assert.equal(sampling(one.burst), 1);
});

test('where rows from an index on begin', () => {
  const rows = [3, 5, 9].map(rowOf);
  for (const [index, place] of [
    [0, 0],
    [3, 0],
    [4, 1],
    [9, 2],
    [10, 3],
  ] as const)
    assert.equal(placeOf(rows, index), place);
});
