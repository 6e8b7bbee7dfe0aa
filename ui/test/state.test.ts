// What the page says and where: the seal, addresses, sentences, streams, the memory.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { LogFacts } from '../src/api/client.ts';
import { readEvents } from '../src/api/events.ts';
import { Acquaintance } from '../src/engine/acquaintance.ts';
import type { Clock } from '../src/engine/clock.ts';
import { ShortMemory, withSeen, type KnownLog, type Remembered } from '../src/engine/memory.ts';
import type { TrustState } from '../src/engine/protocol.ts';
import { pastTense, sentenceOf, whenWords } from '../src/record/sentence.ts';
import { readRoute, recordRoute, recordTab, withTab } from '../src/route.ts';
import { rangeOf } from '../src/range.ts';
import { sealOf, span } from '../src/seal.ts';
import { one } from './made-rows.ts';

const now = 1_700_000_000_000;
const logKey = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';

const trust = (change: Partial<TrustState> = {}): TrustState => ({
  log: 'default',
  facts: undefined,
  broken: [],
  absent: undefined,
  checking: undefined,
  origin: 'example.com/audit',
  vkey: 'k',
  pin: { how: 'by hand', at: now - 3 * 86_400_000 },
  memory: { firstSize: 120, firstAt: 0, lastSize: 41_000, lastAt: 0 },
  memoryKept: true,
  checkpoint: { size: 41_203, root: '9f3c' + '0'.repeat(56) + '00a1', note: '', at: now },
  cosignatures: [],
  cosignedSize: undefined,
  witnessKeys: 0,
  recomputed: 2_313,
  recomputedFrom: 38_893,
  uncovered: 3,
  consistentSince: 120,
  durable: 0,
  transport: 'stream',
  seen: [],
  flickers: [],
  ...change,
});

const finding = {
  id: 1,
  at: now,
  kind: 'fork',
  sentence: 'It forked.',
  claimed: '',
  computed: '',
  lastGood: undefined,
  index: undefined,
  evidence: undefined,
} as const;

test('the seal claims what was computed, and the worst that holds', () => {
  const good = sealOf(trust(), now);
  assert.equal(good.kind, 'verified');
  assert.match(
    good.sentences[0]!,
    /^2,310 records recomputed here, from record 38,893 on, all included in root 9f3c0000…00a1 of size 41,203, consistent with what this browser saw since size 120; signed by example.com\/audit \(key pinned 3 days ago\)\.$/,
  );
  assert.match(good.sentences[1]!, /No witness/);
  assert.equal(sealOf(trust({ pin: { how: 'first visit', at: 0 } }), now).kind, 'unpinned');
  assert.equal(sealOf(trust({ memory: undefined }), now).kind, 'first');
  assert.doesNotMatch(sealOf(trust({ memory: undefined }), now).sentences[0]!, /consistent/);
  assert.equal(
    sealOf(trust({ checking: { sentence: 'x', done: 1, of: 2 } }), now).kind,
    'checking',
  );
  const stale = sealOf(
    trust({ absent: { word: 'stale', sentence: 'Late.', since: now - 180_000 } }),
    now,
  );
  assert.deepEqual([stale.kind, stale.word], ['stale', 'stale 3 min']);
  assert.match(stale.sentences.join(' '), /freshness is not provable/);
  const watched = (cosignatures: TrustState['cosignatures']): string =>
    sealOf(
      trust({
        absent: { word: 'stale', sentence: 'Late.', since: now - 180_000 },
        checkpoint: { size: 41_203, root: '9f'.repeat(32), note: '', at: now - 240_000 },
        witnessKeys: 2,
        cosignedSize: 41_000,
        cosignatures,
      }),
      now,
    ).sentences.join(' ');
  const old = { name: 'w', id: '1', time: now / 1000 - 300, verdict: 'good' } as const;
  const unknown = { name: 'v', id: '2', time: now / 1000, verdict: 'key unknown' } as const;
  assert.match(
    watched([old, unknown]),
    /first seen here 4 min ago\. Last cosignature of size 41,000: 5 min ago/,
  );
  assert.match(watched([unknown]), /No witness whose key is known here has cosigned/);
  assert.doesNotMatch(watched([old]), /not provable/);
  const broken = sealOf(
    trust({ broken: [finding], absent: { word: 'stale', sentence: '', since: 0 } }),
    now,
  );
  assert.deepEqual([broken.kind, broken.word], ['broken', 'does not fit']);
  const witnessed = sealOf(
    trust({
      witnessKeys: 2,
      cosignatures: [
        { name: 'w', id: '1', time: now / 1000 - 4, verdict: 'good' },
        { name: 'v', id: '2', time: now / 1000, verdict: 'key unknown' },
      ],
    }),
    now,
  );
  assert.match(witnessed.sentences[0]!, /cosigned by 1 of 2 witnesses 4 s ago/);
  assert.equal(span(90_061_000), '1 day');
});

/** Relative luminance, as WCAG 2.2 has it. */
function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

test('what is absent is amber, and every colour of text can be read in both themes', () => {
  const style = (name: string): string =>
    readFileSync(new URL(`../src/style/${name}.css`, import.meta.url), 'utf8');
  for (const kind of ['first', 'stale'])
    assert.match(
      style('frame'),
      new RegExp(`\\.seal-button\\.${kind} \\{\\s+color: var\\(--amber\\)`),
    );
  const base = style('base');
  const dark = base.indexOf("[data-theme='dark']");
  for (const theme of [base.slice(0, dark), base.slice(dark)]) {
    const token = (name: string): number =>
      luminance(new RegExp(`--${name}: (#[0-9a-f]{6});`).exec(theme)![1]!);
    for (const text of ['ink', 'ink-2', 'ink-3', 'accent', 'amber', 'red'])
      for (const paper of [
        'paper',
        'paper-2',
        'raised',
        ...(text === 'amber' ? ['amber-2'] : []),
      ]) {
        const [low, high] = [token(text), token(paper)].sort((a, b) => a - b) as [number, number];
        const contrast = (high + 0.05) / (low + 0.05);
        assert.ok(contrast >= 4.5, `${text} on ${paper}: ${contrast.toFixed(2)}`);
      }
  }
});

test('only a view with a pinned key says that it is independent, and says what it stands on', () => {
  const view = { server: 'https://audit.example', folder: '/home/a/seen' };
  const own = sealOf(trust({ view, pin: { how: 'policy', at: 0 } }), now);
  assert.deepEqual([own.kind, own.word], ['verified', 'independently verified']);
  assert.match(own.sentences[0]!, /what graven view saw since size 120.*key pinned by the policy/);
  for (const how of ['by hand', 'link'] as const)
    assert.equal(sealOf(trust({ pin: { how, at: 0 } }), now).word, 'verified');
  const strange = sealOf(trust({ view, pin: { how: 'first visit', at: 0 } }), now);
  assert.equal(strange.kind, 'unpinned');
  assert.match(strange.sentences.join(' '), /policy of graven view does not name this log/);
  const first = sealOf(trust({ view, pin: { how: 'policy', at: 0 }, memory: undefined }), now);
  assert.equal(first.kind, 'first');
  assert.match(first.sentences.join(' '), /remembers, in \/home\/a\/seen/);
});

test('an address says which view of a record is shown, and keeps all else', () => {
  const route = readRoute('#/pay/record/7?hash=ab&from=explore&q=outcome:denied&tab=nonsense');
  assert.equal(recordTab(route.parameters), 'fields');
  const bytes = withTab(route, 'bytes');
  assert.equal(bytes, '#/pay/record/7?hash=ab&from=explore&q=outcome:denied&tab=bytes');
  assert.equal(recordTab(readRoute(bytes).parameters), 'bytes');
  assert.equal(
    withTab(readRoute(bytes), 'fields'),
    '#/pay/record/7?hash=ab&from=explore&q=outcome:denied',
  );
});

test('when it happened is said as it is known, and whose clock was ahead', () => {
  const words = (occurredMs: number | undefined): string =>
    whenWords({ index: 1234, occurredMs, receivedMs: 10_000 }, (ms) => `<${ms}>`);
  assert.equal(
    words(undefined),
    'when it happened is not said; received <10000>, in the log as record 1,234',
  );
  assert.equal(words(9_880), 'at <9880>; 120 ms later in the log as record 1,234');
  assert.equal(words(10_000), 'at <10000>; 0 ms later in the log as record 1,234');
  assert.equal(
    words(13_000),
    "at <13000> by the client's clock, which was 3.0 s ahead of the server's; in the log as record 1,234",
  );
});

test('what led to a record stays in the address of its neighbours', () => {
  const { parameters } = readRoute(
    '#/pay/record/7?hash=ab&from=explore&q=actor:x&t1=a&t2=b&order=oldest&cols=time&by=page&tab=around&way=trace',
  );
  const next = readRoute(recordRoute('pay', 8, parameters, { hash: undefined }));
  assert.equal(next.index, 8);
  assert.deepEqual(Object.fromEntries(next.parameters), {
    from: 'explore',
    q: 'actor:x',
    t1: 'a',
    t2: 'b',
    order: 'oldest',
    cols: 'time',
    by: 'page',
    tab: 'around',
    way: 'trace',
  });
});

test('a sentence says what was done, and of what was denied that it was not', () => {
  assert.equal(pastTense('invoice.approve'), 'approved');
  assert.equal(pastTense('policy.deny'), 'denied');
  assert.equal(pastTense('session.login'), 'logged in');
  assert.equal(pastTense('CreateUser'), undefined);
  assert.deepEqual([sentenceOf(one).verb, sentenceOf(one).literal], ['invoice.approve', true]);
  assert.deepEqual(sentenceOf({ ...one, outcome: 'success' }).targets, ['invoice 42', 'order 7']);
  assert.equal(sentenceOf({ ...one, outcome: 'success' }).verb, 'approved');
});

test('a range of an address is whole, or it is said what is wrong with it', () => {
  const early = '2026-11-25T12:00:00Z';
  const late = '2026-11-25T13:00:00Z';
  assert.equal(rangeOf('', ''), undefined);
  assert.deepEqual(rangeOf(early, late), { from: Date.parse(early), to: Date.parse(late) });
  assert.match(String(rangeOf(early, '')), /no end \(t2\)/);
  assert.match(String(rangeOf('', late)), /no beginning \(t1\)/);
  assert.match(String(rangeOf('garbage', late)), /t1 in the address is not a valid time/);
  assert.match(String(rangeOf(early, 'NaN')), /t2 in the address is not a valid time/);
  assert.match(String(rangeOf(late, early)), /ends \(t2\) before it begins/);
  assert.match(String(rangeOf(early, early)), /ends \(t2\) before it begins/);
});

test('a stream is read whatever the pieces in which it comes', async () => {
  const text =
    ': life\n\nevent: rows\nid: 7\ndata: {"a":1}\n\nevent: two\r\ndata: x\r\ndata: y\r\n\r\ndata:plain\n\n';
  const whole = [
    undefined,
    { name: 'rows', data: '{"a":1}', id: '7' },
    { name: 'two', data: 'x\ny', id: '7' },
    { name: 'message', data: 'plain', id: '7' },
  ];
  for (const piece of [1, 2, 3, 7, 1000]) {
    const bytes = new TextEncoder().encode(text);
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let i = 0; i < bytes.length; i += piece)
          controller.enqueue(bytes.subarray(i, i + piece));
        controller.close();
      },
    });
    const found = [];
    for await (const event of readEvents(body)) found.push(event);
    assert.deepEqual(found, whole, `pieces of ${piece}`);
  }
});

test('of two tabs that raise the memory at once, one has to look again', async () => {
  const memory = new ShortMemory();
  const at = (size: number): Remembered => ({
    key: 'k',
    first: { size: 1, root: 'a', at: 0 },
    last: { size, root: `r${size}`, at: 0, note: '' },
    seen: [],
  });
  assert.ok(await memory.raise('k', undefined, at(5)));
  assert.ok(!(await memory.raise('k', undefined, at(9))));
  const before = await memory.remembered('k');
  assert.ok(await memory.raise('k', before, at(7)));
  assert.ok(!(await memory.raise('k', before, at(6))));
  assert.equal((await memory.remembered('k'))!.last.size, 7);
});

test('the time line is thinned and keeps its ends', () => {
  let seen: Remembered['seen'] = [];
  for (let size = 1; size <= 5000; size++)
    seen = withSeen(seen, { size, root: String(size), at: size, witnesses: 0 });
  assert.ok(seen.length <= 401);
  assert.equal(seen[0]!.size, 1);
  assert.equal(seen[seen.length - 1]!.size, 5000);
  assert.equal(
    withSeen(seen, { size: 5000, root: '5000', at: 9999, witnesses: 2 }).length,
    seen.length,
  );
});

test('a key that is pinned while the log is met stays pinned, whichever of the two comes first', async () => {
  class SlowMemory extends ShortMemory {
    override async known(log: string): Promise<KnownLog | undefined> {
      const known = await super.known(log);
      await new Promise((resolve) => setTimeout(resolve, 5));
      return known;
    }
  }
  const clock = { now: () => now } as Clock;
  const facts = { vkey: logKey } as LogFacts;
  for (const pinFirst of [true, false]) {
    const memory = new SlowMemory();
    const acquaintance = new Acquaintance(memory, clock, 'here', undefined);
    const calls = [() => acquaintance.pin(logKey, 'link'), () => acquaintance.choose(facts)];
    await Promise.all((pinFirst ? calls : calls.reverse()).map((call) => call()));
    assert.equal((await memory.known('here'))?.how, 'link');
  }
});
