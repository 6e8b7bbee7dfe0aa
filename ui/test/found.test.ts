// What a server's search found, held against what was asked.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Contradiction } from '../src/engine/contradiction.ts';
import { judgeFound, type Sought } from '../src/engine/found.ts';
import { mayMatch, matcher } from '../src/record/matcher.ts';
import { parseQuery } from '../src/record/query.ts';
import { decodeRow, type Row } from '../src/record/row.ts';

const row = (index: number, own: Partial<Row> = {}): Row => ({
  ...decodeRow(new Uint8Array(), ''),
  index,
  outcome: 'denied',
  ...own,
});
const sought = (own: Partial<Sought> = {}): Sought => ({
  query: 'outcome:denied',
  order: 'newest',
  treeSize: 100,
  before: undefined,
  behind: undefined,
  ...own,
});

function misfit(rows: Row[], own: Partial<Sought> = {}): string {
  try {
    judgeFound(rows, sought(own));
  } catch (error) {
    assert.ok(error instanceof Contradiction);
    assert.equal(error.finding.kind, 'wrong answer');
    return error.message;
  }
  return '';
}

test('rows that fit are taken as they are', () => {
  const rows = [row(9), row(7), row(2)];
  assert.deepEqual(judgeFound(rows, sought({ before: 10, behind: 1 })), { rows, doubted: [] });
  assert.equal(misfit([row(2), row(7)], { order: 'oldest', before: 1, behind: 8 }), '');
  assert.equal(misfit([], { before: 10, behind: 1 }), '');
});

test('a row that does not match, a wrong order, one that comes twice and one beyond the tree do not fit', () => {
  assert.match(misfit([row(9), row(7, { outcome: 'success' })]), /record 7, which does not match/);
  assert.match(misfit([row(7), row(9)]), /newest first, was answered with record 9 after record 7/);
  assert.match(misfit([row(9), row(7)], { order: 'oldest' }), /record 7 after record 9/);
  assert.match(misfit([row(9), row(9)]), /record 9 twice/);
  assert.match(misfit([row(9)], { before: 9 }), /record 9 twice/);
  assert.match(misfit([row(9)], { before: 8 }), /record 9 after record 8/);
  assert.match(misfit([row(9)], { behind: 10 }), /record 9 before record 10/);
  assert.match(misfit([row(100)]), /first 100 records was answered with record 100/);
});

test('text of more than ASCII is in doubt, and all else is not', () => {
  const strange = row(3, { action: 'caf\u00e9' });
  const plain = row(4, { action: 'cafe' });
  const judge = (query: string, one: Row): [boolean, boolean] => {
    const expression = parseQuery(query);
    return [matcher(expression)(one), mayMatch(expression)(one)];
  };
  assert.deepEqual(judge('tea', strange), [false, true]);
  assert.deepEqual(judge('tea', plain), [false, false]);
  assert.deepEqual(judge('NOT caf\u00e9', strange), [false, true]);
  assert.deepEqual(judge('NOT cafe', plain), [false, false]);
  assert.deepEqual(judge('NOT NOT tea', strange), [false, true]);
  assert.deepEqual(judge('tea outcome:success', strange), [false, false]);
  assert.deepEqual(judge('tea OR outcome:denied', strange), [true, true]);
  assert.deepEqual(judgeFound([strange], sought({ query: 'tea' })).doubted, [3]);
  assert.match(misfit([strange], { query: 'tea outcome:success' }), /does not match/);
});
