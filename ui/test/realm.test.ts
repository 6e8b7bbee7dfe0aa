// Who is told what: tabs that come and go, findings that came by a token.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bulletin } from '../src/engine/bulletin.ts';
import type { Clock } from '../src/engine/clock.ts';
import { Contradiction } from '../src/engine/contradiction.ts';
import { Findings, markOf, type Circle } from '../src/engine/findings.ts';
import { ShortMemory } from '../src/engine/memory.ts';
import type { Told, TrustState } from '../src/engine/protocol.ts';
import { Realm } from '../src/engine/realm.ts';
import '../src/proof/ed25519.ts';

const turns = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await Promise.resolve();
};

test('a log that no tab looks at is left, also when the tab went while it was opened, or only asked', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  context.mock.method(globalThis, 'fetch', () => new Promise(() => undefined));
  const realm = new Realm('http://log.example/', undefined, false);
  const told: Told[] = [];
  const tab = { postMessage: (message: Told) => void told.push(message) };
  const opening = realm.watch(tab, 'l');
  realm.unwatch(tab, 'l');
  await opening;
  await realm.watchOf('asked');
  // What is told from now on is told to nobody.
  await turns();
  assert.deepEqual(told, []);
  assert.ok(realm.followed('l') !== undefined && realm.followed('asked') !== undefined);
  await realm.watch(tab, 'kept');
  assert.ok(told.length > 0);
  context.mock.timers.tick(31_000);
  assert.deepEqual(
    ['l', 'asked', 'kept'].map((log) => realm.followed(log) !== undefined),
    [false, false, true],
  );
  realm.leave(tab);
  context.mock.timers.tick(31_000);
  assert.equal(realm.followed('kept'), undefined);
  realm.end();
});

interface Eyes {
  findings: Findings;
  state: TrustState;
}

/** Tabs of several tokens over one memory: what one finds, the others are told of. */
function watching(...tokens: string[]): Eyes[] {
  const memory = new ShortMemory();
  const clock = { now: () => 1_700_000_000_000 } as Clock;
  const all: Eyes[] = [];
  for (const token of tokens) {
    const bulletin = new Bulletin('l', true, clock, () => undefined, undefined);
    const circle: Circle = {
      by: markOf(token),
      told: (_, what) =>
        all
          .filter((one) => one.state !== bulletin.state)
          .forEach((one) => one.findings.heard(what)),
    };
    const findings = new Findings(memory, clock, bulletin, 'here\nl', circle);
    all.push({ findings, state: bulletin.state });
  }
  return all;
}

const wrong = (computed: string): Contradiction =>
  new Contradiction({
    kind: 'wrong record',
    sentence: 'Record 7 as shown is not in the tree.',
    claimed: 'in root 1',
    computed,
    index: 7,
    evidence: 'bytes of the record',
  });

test('what was found by a token is told to tabs of another one without what came by it', async () => {
  const [own, same, other, none] = watching('a', 'a', 'b', '') as [Eyes, Eyes, Eyes, Eyes];
  await own.findings.add(wrong('root 2'), { size: 9, root: 'r', at: 1 });
  await turns();
  for (const { state } of [own, same])
    assert.deepEqual(
      state.broken.map((one) => [one.evidence, one.computed]),
      [['bytes of the record', 'root 2']],
    );
  for (const { state, findings } of [other, none]) {
    assert.equal(state.broken.length, 1);
    await findings.recall();
    const [one] = state.broken;
    assert.match(one!.sentence, /Record 7/);
    assert.deepEqual([one!.evidence, one!.lastGood], [undefined, undefined]);
    assert.doesNotMatch(JSON.stringify(one), /bytes of the record|root 2/);
  }
  // One that saw it itself has its own.
  await other.findings.add(wrong('root 2'), undefined);
  assert.equal(other.state.broken[1]?.evidence, 'bytes of the record');
  assert.notEqual(markOf('a'), markOf('b'));
  await none.findings.forget('key');
  await turns();
  for (const { state } of [own, same, other]) assert.deepEqual(state.broken, []);
  // Without a token it is everybody's.
  await none.findings.add(wrong('root 3'), undefined);
  await turns();
  assert.equal(own.state.broken[0]?.evidence, 'bytes of the record');
});

test('two findings of one millisecond are two, the same twice is one, and what goes on for ever is a few', async () => {
  const [one, two] = watching('', '') as [Eyes, Eyes];
  await Promise.all([
    one.findings.add(wrong('root 2'), undefined),
    two.findings.add(wrong('root 3'), undefined),
  ]);
  await turns();
  assert.equal(new Set(one.state.broken.map(({ id }) => id)).size, 2);
  await one.findings.add(wrong('root 2'), undefined);
  assert.equal(one.state.broken.length, 2);
  for (let i = 4; i < 40; i++) await one.findings.add(wrong(`root ${i}`), undefined);
  assert.equal(one.state.broken.length, 3);
});
