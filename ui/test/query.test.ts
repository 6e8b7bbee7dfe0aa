// The query language: that the page judges as the server does, and that what is clicked is a query that both read.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fromHex } from '../src/proof/bytes.ts';
import { matcher } from '../src/record/matcher.ts';
import {
  choicesOf,
  narrowed,
  narrowedBy,
  quoted,
  targetTerm,
  termOf,
  visibleQuery,
} from '../src/record/narrow.ts';
import { isSameQuery, parseQuery, QueryError } from '../src/record/query.ts';
import { decodeRow, type Row } from '../src/record/row.ts';
import { withRange } from '../src/range.ts';

const row = (change: Partial<Row>): Row => ({ ...decodeRow(new Uint8Array(), ''), ...change });
const finds = (query: string, one: Row): boolean => matcher(parseQuery(query))(one);

function columnOf(query: string): number | undefined {
  try {
    parseQuery(query);
    return undefined;
  } catch (error) {
    if (error instanceof QueryError) return error.column;
    throw error;
  }
}

test('every query of the vectors that the server is tested with is judged as they say', () => {
  const text = readFileSync(
    new URL('../../src/query/matching_vectors.txt', import.meta.url),
    'utf8',
  );
  const rows = new Map<string, Row>();
  const wrong: string[] = [];
  let judged = 0;
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [kind, name, said] = line.split('\t') as [string, string, string];
    judged++;
    if (kind === 'record') rows.set(name, decodeRow(fromHex(said)!, ''));
    else if (kind === 'refused') {
      const column = columnOf(said);
      if (column !== Number(name)) wrong.push(`${line}: column ${column}`);
    } else if (kind === 'same') {
      if (!isSameQuery(said, name)) wrong.push(line);
    } else if (columnOf(said) !== undefined) wrong.push(`${line}: refused`);
    else {
      const one = rows.get(name)!;
      if (finds(said, one) !== (kind === 'yes')) wrong.push(line);
      if (!said.trimStart().startsWith('v1:') && !said.includes(' OR ')) {
        if (finds(`NOT (${said})`, one) === (kind === 'yes')) wrong.push(`NOT: ${line}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
  for (const query of ['', '  ', 'v1:', 'v1:\n']) assert.ok(finds(query, rows.get('A')!), query);
  assert.ok(judged > 200, `${judged}`);
});

test('what means something else is not the same query', () => {
  for (const [one, other] of [
    ['actor:a', 'v1: actor.id:b'],
    ['a OR b', 'v1: a b'],
    ['time:2026', 'v1: time:>=2026-01-01T00:00:00Z'],
    ['target.type:x target.id:y', 'v1: target.type:x (target.id:y)'],
    ['ip:10.0.0.0/8', 'v1: ip:10.0.0.0/9'],
    ['"a b"', 'v1: a b'],
  ] as const)
    assert.ok(!isSameQuery(one, other), one);
});

test('limits are kept, at their column', () => {
  const nested = (depth: number): string => '('.repeat(depth) + 'a' + ')'.repeat(depth);
  assert.equal(columnOf(nested(16)), undefined);
  assert.equal(columnOf(nested(17)), 17);
  const terms = (count: number): string => Array.from({ length: count }, () => 'a').join(' ');
  assert.equal(columnOf(terms(64)), undefined);
  assert.equal(columnOf(terms(65)), 129);
  assert.equal(columnOf('a'.repeat(4096)), undefined);
  assert.equal(columnOf('a'.repeat(4097)), 1);
  assert.equal(columnOf('v1: ' + 'a'.repeat(5000)), undefined);
  assert.equal(columnOf(`label.${'k'.repeat(129)}:v`), 1);
  assert.equal(columnOf('a\u0001'), 2);
  // A text that resembles the query is read once.
  const words = Array.from({ length: 1000 }, () => 'a');
  const one = row({ reason: 'a '.repeat(30_000) });
  assert.ok(finds(`reason:${words.join('.')}`, one));
  assert.ok(!finds(`reason:${words.join('.')}.b`, one));
});

const values = [
  'alice',
  'a b',
  'x"y\\',
  'AND',
  'a..b',
  '(x)',
  'a*',
  '>=a',
  'http://x',
  'ü',
  '',
  'a\u202eb',
  '\u{e0041}',
  'a\u007f\u0001',
];

test('a value that was clicked is the value that is found', () => {
  for (const value of values) {
    assert.ok(finds(`actor:${quoted(value)}`, row({ actorId: value })), JSON.stringify(value));
    for (const key of values.filter((one) => one !== '')) {
      const query = termOf(`label.${key}`, value);
      assert.ok(finds(query, row({ labels: [[key, value]] })), query);
      assert.ok(!finds(query, row({ labels: [[key + 'x', value]] })), query);
    }
  }
  assert.equal(quoted('a\u202eb\u{e0041}'), '"a\\u202eb\\udb40\\udc41"');
  assert.equal(termOf('label.my key', 'x'), 'label."my key":x');
  assert.equal(termOf('outcome', '17 (not known)'), 'outcome:17');
  assert.ok(finds(termOf('ip', 'a/b'), row({ ip: 'a/b' })));
  for (const reason of ['--', 'not authorized', 'AND', 'a*'])
    assert.ok(finds(termOf('reason', reason), row({ reason })), reason);
});

test('a query is narrowed as a whole, in whatever form it is', () => {
  const and = (query: string): string => narrowed(query, 'action', 'x', false);
  assert.equal(narrowed('', 'actor.id', 'alice', false), 'actor.id:alice');
  assert.equal(narrowed('actor.id:alice', 'actor.id', 'alice', false), 'actor.id:alice');
  assert.equal(
    narrowed('actor.id:alice2', 'actor.id', 'alice', false),
    'actor.id:alice2 actor.id:alice',
  );
  assert.equal(narrowed('NOT action:x', 'action', 'x', false), 'NOT action:x action:x');
  assert.equal(narrowed('NOT action:x', 'action', 'x', true), 'NOT action:x');
  assert.equal(narrowed('a OR b', 'action', 'x', true), '(a OR b) NOT action:x');
  assert.equal(and('v1:'), 'v1: action:x');
  assert.equal(and('v1: a'), 'v1: a action:x');
  assert.equal(and('v1: a OR b'), 'v1: (a OR b) action:x');
  assert.equal(and('v1: action:x'), 'v1: action:x');
  for (const query of ['', 'v1:', 'a OR b', 'v1: a OR b', 'v1: label."a b":x'])
    assert.equal(columnOf(withRange(and(query), { from: 0, to: 1000 })), undefined, query);
  assert.equal(
    withRange('v1: a OR b', { from: 0, to: 1000 }),
    'v1: (a OR b) time:1970-01-01T00:00:00.000Z..1970-01-01T00:00:01.000Z',
  );
});

test('a target is one by its type and its id together', () => {
  const target = { type: 'invoice', id: '42', name: 'Forty-two' };
  assert.equal(targetTerm(target), '(target.type:invoice target.id:42)');
  assert.equal(targetTerm({ ...target, type: '' }), 'target.id:42');
  assert.equal(targetTerm({ ...target, type: '', id: '' }), 'target.name:Forty-two');
  const own = row({ targets: [target, { type: 'customer', id: '7', name: '' }] });
  const other = row({
    targets: [
      { type: 'customer', id: '42', name: '' },
      { type: 'invoice', id: '7', name: '' },
    ],
  });
  for (const query of [
    targetTerm(target),
    // Beside another condition about another target, and said twice.
    narrowedBy(targetTerm(target), targetTerm({ type: 'customer', id: '7', name: '' }), false),
    narrowedBy('target.type:customer', targetTerm(target), false),
  ]) {
    assert.ok(finds(query, own), query);
    assert.ok(!finds(query, other), query);
  }
  const once = narrowedBy('action:x', targetTerm(target), false);
  assert.equal(narrowedBy(once, targetTerm(target), false), once);
  const none = narrowedBy('', targetTerm(target), true);
  assert.ok(!finds(none, own) && finds(none, other));
});

test('each value of a record that has a field can be looked for and left out', () => {
  const own = row({
    actorId: 'a "b"',
    actorType: 'user',
    action: 'x.y',
    outcome: 'denied',
    reason: 'not authorized: no role',
    targets: [{ type: 't', id: '\u202eid', name: '' }],
    labels: [['my key', 'v OR w']],
  });
  const choices = choicesOf(own);
  assert.deepEqual(
    choices.map((one) => one.name),
    ['actor.id', 'actor.type', 'action', 'target', 'outcome', 'reason', 'label'],
  );
  for (const { term } of choices) {
    // Those that are read from the bytes alone are not in this row.
    assert.ok(finds(term!, own), term);
    assert.ok(!finds(`NOT ${term}`, own), term);
    assert.doesNotMatch(term!, /\u202e/);
  }
});

test('a query says the same with an escape for whatever is invisible in it', () => {
  for (const [query, visible] of [
    ['service:\u202egnp.exe', 'service:"\\u202egnp.exe"'],
    ['service:"\u202egnp.exe" outcome:denied', 'service:"\\u202egnp.exe" outcome:denied'],
    ['action:a\u200b*', 'action:"a\\u200b"*'],
    ['(label."k\u2066":x OR service:y)', '(label."k\\u2066":x OR service:y)'],
    ['service:plain', 'service:plain'],
    ['"not \u202e closed', '"not \\u202e closed'],
  ] as const)
    assert.equal(visibleQuery(query), visible);
});
