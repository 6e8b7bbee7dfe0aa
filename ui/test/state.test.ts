// What the page says and where: the seal, addresses, sampling, streams, the memory, policies.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { sha256 } from '@noble/hashes/sha2.js';
import type { LogFacts } from '../src/api/client.ts';
import { readEvents } from '../src/api/events.ts';
import {
  beforeRunning,
  makeLog,
  sameBy,
  verifyAnswer,
  verifyEvidence,
  verifyReceipt,
  type GrpcDoor,
  type Place,
} from '../src/commands.ts';
import { Acquaintance } from '../src/engine/acquaintance.ts';
import type { Clock } from '../src/engine/clock.ts';
import { ShortMemory, withSeen, type KnownLog, type Remembered } from '../src/engine/memory.ts';
import { isMet, isMetBy, parsePolicy, type Policy } from '../src/engine/policy.ts';
import type { TrustState } from '../src/engine/protocol.ts';
import { pinnedKey } from '../src/engine/view.ts';
import { concat, toBase64, toHex, toUtf8 } from '../src/proof/bytes.ts';
import { parseVkey, type Vkey } from '../src/proof/note.ts';
import { decodeRow, type Row } from '../src/record/row.ts';
import { pastTense, sentenceOf, whenWords } from '../src/record/sentence.ts';
import { grpcOfStatus } from '../src/place.ts';
import { readRoute, recordRoute, recordTab, withTab } from '../src/route.ts';
import { rangeOf } from '../src/search.ts';
import { facetTop, Tally } from '../src/tally.ts';
import { sealOf, span } from '../src/seal.ts';
import { waysToSend } from '../src/ways.ts';

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

const row = (change: Partial<Row>): Row => ({ ...decodeRow(new Uint8Array(), ''), ...change });
const one = row({
  index: 41,
  receivedMs: Date.parse('2026-03-05T10:00:00Z'),
  actorId: 'alice',
  actorName: 'Alice Müller',
  action: 'invoice.approve',
  outcome: 'denied',
  ip: '10.1.2.3',
  service: 'billing',
  targets: [
    { type: 'invoice', id: '42', name: '' },
    { type: 'order', id: '7', name: '' },
  ],
  labels: [['env', 'prod']],
  reason: 'Not authorized',
  detailText: 'left-over ＴＥＸＴ',
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

const door = {
  host: '',
  port: 9443,
  tls: true,
  token: false,
  clientCertificate: false,
} as const;
const placed = (grpc: Place['grpc'], base = 'https://audit.example/a/'): Place => ({
  base,
  host: 'audit.example',
  grpc,
});

test('the commands of each view are whole, with the address and the log in them', () => {
  const place = placed(door);
  const shown = { log: 'pay', index: 7, query: '', order: 'newest', vkey: '' } as const;
  for (const page of ['live', 'explore', 'record', 'trust', 'logs'] as const)
    for (const query of ['', "actor:x'y outcome:denied"]) {
      const all = sameBy({ ...shown, page, query }, place);
      for (const tool of ['graven', 'curl', 'grpcurl']) {
        const text = all.find(([name]) => name === tool)?.[1];
        assert.ok(text !== undefined && text.includes('audit.example'), `${page} ${query} ${tool}`);
        assert.ok(page === 'logs' || text.includes('pay'), text);
        assert.ok(tool === 'curl' || text.includes('audit.example:9443'), text);
      }
    }
  const live = new Map(sameBy({ ...shown, page: 'live', query: 'outcome:denied' }, place));
  assert.equal(
    live.get('curl'),
    "curl -sN 'https://audit.example/a/logs/pay/live?q=outcome%3Adenied'",
  );
  assert.equal(makeLog(place), 'graven logs create NAME --server audit.example:9443 --tls');

  const ways = waysToSend('pay', place, new Date(now));
  assert.deepEqual(
    ways.map((way) => way.name),
    ['curl', 'grpcurl', 'Python', 'C++'],
  );
  // In what runs, and not only in what is said about it.
  for (const { name, text } of ways) {
    const code = text.replaceAll(/^(#|\/\/) .*$/gm, '');
    assert.match(code, name === 'curl' ? /audit\.example\/a\// : /audit\.example:9443/, name);
    assert.match(code, /\bpay\b/, name);
    assert.match(code, /Append|\/events/, name);
    assert.doesNotMatch(code, /plaintext|GRAVEN_TOKEN|client\.pem/, name);
  }
  const cpp = ways[3]!.text;
  assert.match(cpp, /tls\.enabled = true;\n/);
  assert.match(cpp, /Connect\(options\)[^]*->Append\(event\)/);
  const plain = waysToSend('pay', placed({ ...door, tls: false }), new Date(now));
  assert.doesNotMatch(plain[3]!.text, /tls/);
  assert.match(plain[1]!.text, /-plaintext/);
});

test("whatever stands in a log's name, a shell reads it as one word of the command", () => {
  const place = placed(door);
  const name = `e'vil;$(id)|\`id\`"&>x`;
  const of = (id: string): string => `${name}+${id}+${logKey.split('+')[2]}`;
  const key = of(/id is ([0-9a-f]{8})/.exec(parseVkey(of('00000000')) as string)![1]!);
  assert.equal((parseVkey(key) as Vkey).name, name, 'a key that is taken');
  const shown = { log: 'pay', page: 'trust', index: 0, query: '', order: 'newest' } as const;
  for (const command of [
    verifyReceipt(key, 'pay-7.tlog-proof'),
    verifyEvidence(key, 'pay-fork.evidence'),
    verifyAnswer({ log: 'pay', key, vkey: key }, place),
    sameBy({ ...shown, vkey: key }, place)[0]![1],
  ]) {
    const script = `graven() { printf '%s\\0' "$@"; }\n${command}`;
    const words = execFileSync('sh', ['-c', script], { encoding: 'utf8' }).split('\0');
    assert.ok(words.includes(key), command);
    assert.equal(words.filter((word) => word === '--key').length, 1);
  }
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

test("commands carry what the server asks of a caller, at the door's own address", () => {
  const shown = {
    log: 'pay',
    page: 'trust',
    index: 0,
    query: '',
    order: 'newest',
    vkey: '',
  } as const;
  const of = (grpc: Place['grpc'], base?: string): string[] => [
    ...sameBy(shown, placed(grpc, base)).map(([, text]) => text),
    ...waysToSend('pay', placed(grpc, base), new Date(now)).map((way) => way.text),
  ];
  const token = of({ ...door, token: true, clientCertificate: true });
  // A command of ours takes it from the environment.
  assert.equal(token[0], 'graven verify --log pay --server audit.example:9443 --tls');
  assert.ok(token.slice(1).every((text) => text.includes('GRAVEN_TOKEN')));
  assert.ok(token.every((text) => !text.includes('client.pem')));
  const certificate = of({ ...door, clientCertificate: true });
  assert.ok(
    certificate.every((text) => text.includes('client.pem') && text.includes('client.key')),
  );
  // Somewhere else than the page, which a proxy has behind its own TLS.
  const elsewhere = of({ ...door, host: 'grpc.example', port: 443 });
  assert.equal(elsewhere[0], 'graven verify --log pay --server grpc.example:443 --tls');
  assert.match(elsewhere[1]!, /^curl -s https:\/\/audit\.example\/a\//);
  const socket = of(null, 'http://audit.example/');
  assert.equal(socket[0], 'graven verify --log pay --server unix:SOCKET');
  assert.match(socket[2]!, /^grpcurl -plaintext -unix .* SOCKET graven\.v1/);
  // Nobody said: what it is by itself, and that this is a guess.
  assert.match(of('untold')[0]!, /--server audit\.example:7465 --tls$/);
  assert.match(beforeRunning(placed('untold')).join(' '), /did not say .* 7465/);
  assert.deepEqual(beforeRunning(placed({ ...door, tls: false })), []);
});

test('a status says where gRPC is, and nothing of it gets into a command that is no address', () => {
  const status = (grpc: unknown): Place['grpc'] => grpcOfStatus({ state: '', scrub: {}, grpc });
  assert.deepEqual(status({ ...door, port: 40_123 }), { ...door, port: 40_123 });
  assert.equal((status({ ...door, host: '2001:db8::1' }) as GrpcDoor).host, '[2001:db8::1]');
  assert.equal(grpcOfStatus({ state: '', scrub: {} }), null);
  for (const wrong of [
    { ...door, host: 'x; rm -r' },
    { ...door, port: 0 },
    { ...door, port: 'x' },
    7,
  ])
    assert.equal(status(wrong), 'untold');
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
