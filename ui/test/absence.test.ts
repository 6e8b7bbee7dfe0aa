// What is missing, in one word.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { absenceOf, type Situation } from '../src/engine/absence.ts';
import '../src/proof/ed25519.ts';

test('what is missing has one word, the most telling first', () => {
  const calm: Situation = {
    now: 1e12,
    unreachable: undefined,
    begun: true,
    withheld: undefined,
    changed: undefined,
    lagging: undefined,
    confirmedAt: 1e12 - 1000,
    uncovered: 0,
    uncoveredSince: 0,
    witnessKeys: 0,
    cosignatures: [],
  };
  const word = (change: Partial<Situation>): string | undefined =>
    absenceOf({ ...calm, ...change })?.word;
  assert.equal(word({}), undefined);
  assert.equal(word({ unreachable: 'x', begun: false }), 'no answer');
  assert.equal(word({ unreachable: 'x' }), undefined, 'a short break is none');
  assert.equal(word({ unreachable: 'x', confirmedAt: 1e12 - 60_000 }), 'stale');
  assert.equal(word({ uncovered: 3, uncoveredSince: 1e12 - 11_000 }), 'stale');
  assert.equal(word({ uncovered: 3, uncoveredSince: 1e12 - 1000 }), undefined);
  assert.equal(word({ withheld: 'x', lagging: 'y' }), 'withheld');
  assert.equal(word({ witnessKeys: 1 }), 'no witness');
  assert.equal(
    word({
      witnessKeys: 1,
      cosignatures: [{ name: 'w', id: '1', time: 1e9 - 4, verdict: 'good' }],
    }),
    undefined,
  );
  assert.equal(
    word({
      witnessKeys: 1,
      cosignatures: [{ name: 'w', id: '1', time: 1e9 - 4, verdict: 'key unknown' }],
    }),
    'no witness',
  );
});
