// Policies, and how many witnesses they want.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256 } from '@noble/hashes/sha2.js';
import type { LogFacts } from '../src/api/client.ts';
import { type KnownLog } from '../src/engine/memory.ts';
import { isMet, isMetBy, parsePolicy, type Policy } from '../src/engine/policy.ts';
import { pinnedKey } from '../src/engine/view.ts';
import { concat, toBase64, toHex, toUtf8 } from '../src/proof/bytes.ts';
import { parseVkey, type Vkey } from '../src/proof/note.ts';

const logKey = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';

test('a policy yields its keys, and says what is wrong with it', () => {
  const key = logKey;
  assert.deepEqual(parsePolicy(key), { logs: [key], witnesses: [], quorum: undefined });
  assert.deepEqual(parsePolicy(`# ours\nlog ${key} https://example.com\nquorum none\n`), {
    logs: [key],
    witnesses: [],
    quorum: undefined,
  });
  assert.match(parsePolicy(`log ${key}x`) as string, /line 1/);
  assert.match(parsePolicy(`witness w ${key}`) as string, /no witness's key/);
  assert.match(parsePolicy('nonsense') as string, /line 1/);
});

test('a quorum counts what its groups want, and old cosignatures do not count', () => {
  const w = (name: string, seed: number): string => {
    const encoded = new Uint8Array(33).fill(seed);
    encoded[0] = 4;
    const id = toHex(sha256(concat(toUtf8(name + '\n'), encoded)).subarray(0, 4));
    return `${name}+${id}+${toBase64(encoded)}`;
  };
  const keys = ['w/a', 'w/b', 'w/c'].map(w);
  const text = (last: string): string =>
    keys.map((vkey, i) => `witness ${'abc'[i]} ${vkey}\n`).join('') +
    'group two 2 a b c\ngroup g any c\ngroup h all a g\n' +
    last;
  const read = (last: string): Policy => {
    const policy = parsePolicy(text(last));
    assert.ok(typeof policy !== 'string', String(policy));
    return policy;
  };
  const [a, b, c] = keys as [string, string, string];
  const two = read('quorum two\n').quorum!;
  assert.equal(isMet(two, new Set([a])), false);
  assert.equal(isMet(two, new Set([a, c])), true);
  const nested = read('quorum h\n').quorum!;
  assert.equal(isMet(nested, new Set([a, c])), true);
  assert.equal(isMet(nested, new Set([a, b])), false);
  assert.equal(read('quorum none\n').quorum, undefined);
  for (const [last, what] of [
    ['quorum x\n', /line 7: the quorum is not defined/],
    ['quorum a\nquorum b\n', /line 8: a second quorum/],
    ['group a 1 b\n', /line 7: a group needs a name of its own/],
    ['group i 4 a b c\n', /line 7: a group needs a number/],
    ['group i 1 z\n', /line 7: a member is not defined/],
  ] as const)
    assert.match(parsePolicy(text(last)) as string, what);
  const witnesses = keys.map((vkey) => parseVkey(vkey) as Vkey);
  const line = (i: number, time: number, verdict: 'good' | 'bad' = 'good') => ({
    name: witnesses[i]!.name,
    id: witnesses[i]!.id,
    time,
    verdict,
  });
  assert.equal(isMetBy(two, witnesses, [line(0, 100), line(1, 100)], 100), true);
  assert.equal(isMetBy(two, witnesses, [line(0, 99), line(1, 100)], 100), false);
  assert.equal(isMetBy(two, witnesses, [line(0, 100), line(1, 100, 'bad')], 100), false);
});

test('a view takes the key of the policy, also from a server that shows another log', () => {
  const policy: Policy = { logs: [logKey], witnesses: [], quorum: undefined };
  const origin = logKey.split('+')[0]!;
  const facts = (change: Partial<LogFacts>): LogFacts =>
    ({ name: 'l', origin, vkey: logKey, ...change }) as LogFacts;
  const known = (how: KnownLog['how']): KnownLog => ({
    log: 'l',
    vkey: logKey,
    how,
    at: 0,
    witnesses: [],
  });
  assert.equal(pinnedKey(policy, facts({}), undefined), logKey);
  // Its key is said to be another one: it is held to the policy's.
  assert.equal(pinnedKey(policy, facts({ vkey: 'x' }), undefined), logKey);
  const other = facts({ origin: 'x', vkey: 'x' });
  assert.equal(pinnedKey(policy, other, undefined), undefined);
  assert.equal(pinnedKey(policy, other, known('first visit')), undefined);
  assert.equal(pinnedKey(policy, other, known('policy')), logKey);
});

// Pages pin the key of their link while the log is being met.
