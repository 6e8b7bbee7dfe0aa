// Merkle proofs, notes, keys, cosignatures and receipts: against the shared vectors where they are, and on our own trees.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { equal, fromBase64, fromUtf8, parseCount, toBase64, toHex } from '../src/proof/bytes.ts';
import { verifyHere } from '../src/proof/ed25519.ts';
import {
  checkConsistency,
  checkInclusion,
  climb,
  emptyRoot,
  Frontier,
  leafHash,
  nodeHash,
  type Hash,
} from '../src/proof/merkle.ts';
import {
  checkCosignatures,
  checkLogSignature,
  parseCheckpoint,
  parseNote,
  parseVkey,
  type Vkey,
} from '../src/proof/note.ts';
import { answerLeaf, parseAnswer } from '../src/proof/answer.ts';
import { explainAnswer } from '../src/engine/answer.ts';
import { formatReceipt, parseReceipt } from '../src/proof/receipt.ts';

const vectors = new URL('../../../shared/vectors/', import.meta.url);
const without = existsSync(vectors) ? false : 'the shared vectors are not there';

const leaves = (count: number): Hash[] =>
  Array.from({ length: count }, (_, i) => leafHash(new Uint8Array([i & 255, i >> 8])));

function root(hashes: readonly Hash[]): Hash {
  if (hashes.length === 0) return emptyRoot;
  if (hashes.length === 1) return hashes[0]!;
  let half = 1;
  while (half * 2 < hashes.length) half *= 2;
  return nodeHash(root(hashes.slice(0, half)), root(hashes.slice(half)));
}

function path(index: number, hashes: readonly Hash[]): Hash[] {
  if (hashes.length === 1) return [];
  let half = 1;
  while (half * 2 < hashes.length) half *= 2;
  return index < half
    ? [...path(index, hashes.slice(0, half)), root(hashes.slice(half))]
    : [...path(index - half, hashes.slice(half)), root(hashes.slice(0, half))];
}

function consistency(old: number, hashes: readonly Hash[], whole = true): Hash[] {
  if (old === hashes.length) return whole ? [] : [root(hashes)];
  let half = 1;
  while (half * 2 < hashes.length) half *= 2;
  return old <= half
    ? [...consistency(old, hashes.slice(0, half), whole), root(hashes.slice(half))]
    : [...consistency(old - half, hashes.slice(half), false), root(hashes.slice(0, half))];
}

test('all trees up to 70 leaves: every path holds, and none with a flipped bit, a wrong index or a hash too many', () => {
  const all = leaves(70);
  for (let size = 1; size <= 70; size++) {
    const tree = all.slice(0, size);
    const top = root(tree);
    for (let index = 0; index < size; index++) {
      const proof = path(index, tree);
      const check = (i: number, s: number, p: readonly Hash[]): boolean =>
        checkInclusion(BigInt(i), BigInt(s), tree[index]!, p, top);
      assert.ok(check(index, size, proof));
      const rungs = climb(BigInt(index), BigInt(size), tree[index]!, proof)!;
      for (const rung of rungs) {
        assert.equal(
          toHex(rung.result),
          toHex(root(tree.slice(Number(rung.first), Number(rung.end)))),
        );
      }
      assert.ok(!check(index, size, [...proof, top]));
      assert.ok(!check(size, size, proof));
      if (proof.length > 0) {
        assert.ok(!check(index, size, proof.slice(1)));
        const flipped = proof.map((hash, i) =>
          i === index % proof.length ? hash.map((byte, at) => (at === 5 ? byte ^ 1 : byte)) : hash,
        );
        assert.ok(!check(index, size, flipped));
      }
    }
  }
});

test('all pairs of sizes up to 40: every consistency proof holds, and none to another root', () => {
  const all = leaves(40);
  for (let size = 1; size <= 40; size++) {
    for (let old = 1; old <= size; old++) {
      const proof = consistency(old, all.slice(0, size));
      const check = (oldRoot: Hash, newRoot: Hash): boolean =>
        checkConsistency(BigInt(old), BigInt(size), proof, oldRoot, newRoot);
      assert.ok(check(root(all.slice(0, old)), root(all.slice(0, size))));
      assert.ok(!check(leafHash(new Uint8Array([9])), root(all.slice(0, size))));
      assert.ok(!check(root(all.slice(0, old)), leafHash(new Uint8Array([9]))));
    }
  }
  assert.ok(!checkConsistency(0n, 4n, [], emptyRoot, root(all.slice(0, 4))));
});

test('a frontier from the proof of the last leaf goes on as one from the first leaf does', () => {
  const all = leaves(70);
  const whole = Frontier.empty();
  for (let size = 1; size <= 70; size++) {
    whole.append(all[size - 1]!);
    assert.ok(equal(whole.root(), root(all.slice(0, size))));
    const begun = Frontier.fromLastLeaf(size, all[size - 1]!, path(size - 1, all.slice(0, size)))!;
    for (let next = size; next < 70; next++) begun.append(all[next]!);
    assert.ok(equal(begun.root(), root(all)));
  }
  assert.equal(Frontier.fromLastLeaf(5, all[4]!, []), undefined);
});

interface ProofVector {
  leafIdx?: number;
  treeSize?: number;
  size1?: number;
  size2?: number;
  root?: string;
  root1?: string;
  root2?: string;
  leafHash?: string;
  proof: string[] | null;
  desc: string;
  wantErr: boolean;
}

// JSON.parse would round the probes near 2^64.
function readVector(text: string): ProofVector & { numbers: Record<string, bigint> } {
  const numbers: Record<string, bigint> = {};
  for (const match of text.matchAll(/"(leafIdx|treeSize|size1|size2)":\s*([0-9]+)/g))
    numbers[match[1]!] = BigInt(match[2]!);
  return { ...(JSON.parse(text) as ProofVector), numbers };
}

function vectorFiles(folder: string): URL[] {
  return readdirSync(new URL(folder, vectors), { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => new URL('file://' + one.parentPath + '/' + one.name));
}

const bytesOf = (text: string | undefined): Uint8Array =>
  fromBase64(text ?? '') ?? new Uint8Array();

test('the shared inclusion vectors get their verdicts', { skip: without }, () => {
  const files = vectorFiles('merkle/testdata/inclusion/');
  for (const file of files) {
    const one = readVector(readFileSync(file, 'utf8'));
    const good = checkInclusion(
      one.numbers['leafIdx'] ?? 0n,
      one.numbers['treeSize'] ?? 0n,
      bytesOf(one.leafHash),
      (one.proof ?? []).map(bytesOf),
      bytesOf(one.root),
    );
    assert.equal(good, !one.wantErr, `${file.pathname}: ${one.desc}`);
  }
  assert.equal(files.length, 98);
});

test('the shared consistency vectors get their verdicts', { skip: without }, () => {
  const files = vectorFiles('merkle/testdata/consistency/');
  for (const file of files) {
    const one = readVector(readFileSync(file, 'utf8'));
    const good = checkConsistency(
      one.numbers['size1'] ?? 0n,
      one.numbers['size2'] ?? 0n,
      (one.proof ?? []).map(bytesOf),
      bytesOf(one.root1),
      bytesOf(one.root2),
    );
    assert.equal(good, !one.wantErr, `${file.pathname}: ${one.desc}`);
  }
  assert.equal(files.length, 98);
});

test('the shared notes get their verdicts', { skip: without }, async () => {
  const all = JSON.parse(readFileSync(new URL('signed_notes.json', vectors), 'utf8')) as {
    notes: { vkey: string; note_base64: string; want: string; desc: string; source: string }[];
  };
  for (const one of all.notes) {
    const key = parseVkey(one.vkey);
    const text = fromUtf8(fromBase64(one.note_base64)!);
    const note = text === undefined ? 'not UTF-8' : parseNote(text);
    let verdict: string;
    if (typeof note === 'string') verdict = 'malformed';
    else if (typeof key === 'string')
      continue; // a key type that this page does not know
    else {
      const log = await checkLogSignature(note, key);
      const witness = (await checkCosignatures(note, undefined, [key])).find(
        (other) => other.id === key.id,
      );
      if (key.type === 4)
        verdict =
          witness === undefined
            ? 'unverified'
            : witness.verdict === 'good'
              ? 'verified'
              : 'invalid-signature';
      else
        verdict = log === 'good' ? 'verified' : log === 'bad' ? 'invalid-signature' : 'unverified';
    }
    assert.equal(verdict, one.want, `${one.source}: ${one.desc}`);
  }
  assert.ok(all.notes.length >= 15);
});

test(
  'all checkpoints of a foreign log verify, and its sizes are consistent through the frontier',
  { skip: without },
  async () => {
    const keys = JSON.parse(readFileSync(new URL('tessera/keys.json', vectors), 'utf8')) as Record<
      string,
      string
    >;
    const vkey = parseVkey(
      Object.values(keys).find((value) => !value.startsWith('PRIVATE') && value.includes('+'))!,
    ) as Vkey;
    const frontier = Frontier.empty();
    const hashes = readFileSync(new URL('tessera/testdata/log/tile/0/000.p/15', vectors));
    for (let size = 0; size <= 15; size++) {
      if (size > 0) frontier.append(hashes.subarray(32 * (size - 1), 32 * size));
      const checkpoint = parseCheckpoint(
        readFileSync(new URL(`tessera/testdata/log/checkpoint.${size}`, vectors), 'utf8'),
      );
      assert.ok(typeof checkpoint !== 'string', String(checkpoint));
      assert.equal(checkpoint.size, size);
      assert.ok(equal(checkpoint.root, frontier.root()), `size ${size}`);
      assert.equal(await checkLogSignature(checkpoint.note, vkey), 'good');
    }
  },
);

test('a key whose id does not fit, or of an unknown type, is refused with the reason', () => {
  const good = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
  assert.notEqual(typeof parseVkey(good), 'string');
  assert.match(parseVkey(good.replace('530d903a', '530d903b')) as string, /id is 530d903a/);
  assert.match(parseVkey('x+00000000+') as string, /base64/);
  assert.match(parseVkey('nothing') as string, /name, an id/);
});

test('the fallback for browsers without Ed25519 agrees with the browser', { skip: without }, () => {
  const key = parseVkey(
    'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k',
  ) as Vkey;
  const all = JSON.parse(readFileSync(new URL('signed_notes.json', vectors), 'utf8')) as {
    notes: { note_base64: string }[];
  };
  const note = parseNote(fromUtf8(fromBase64(all.notes[0]!.note_base64)!)!);
  assert.ok(typeof note !== 'string');
  const text = new TextEncoder().encode(note.text);
  assert.ok(verifyHere(key.key, text, note.signatures[0]!.value));
  text[0]! ^= 1;
  assert.ok(!verifyHere(key.key, text, note.signatures[0]!.value));
});

test('a receipt is written as it was read, and says what is wrong with it', () => {
  const receipt = {
    record: new Uint8Array([1, 2, 3]),
    index: 7,
    hashes: leaves(3),
    noteText: 'x\n1\ny\n\n\u2014 a b\n',
  };
  const text = formatReceipt(receipt);
  const read = parseReceipt(text);
  assert.ok(typeof read !== 'string', String(read));
  assert.deepEqual([...read.record], [1, 2, 3]);
  assert.equal(formatReceipt(read), text);
  for (const [damage, said] of [
    [text.replace('c2sp.org', 'c2sp.com'), /first line/],
    [text.replace('index 7', 'index 07'), /index/],
    [text.replace(/extra .*\n/, ''), /no record/],
    [text.replace('extra CAE', 'extra CAI'), /version/],
    [text.replaceAll('\n\n', '\n'), /blank line/],
  ] as const) {
    assert.match(parseReceipt(damage) as string, said);
  }
});

test('numbers and base64 have one spelling', () => {
  for (const bad of ['01', '-1', '+1', '', ' 1', '9007199254740992', '1e3'])
    assert.equal(parseCount(bad), undefined, bad);
  assert.equal(parseCount('9007199254740991'), Number.MAX_SAFE_INTEGER);
  assert.equal(fromBase64('QR=='), undefined);
  assert.equal(fromBase64('QQ'), undefined);
  for (let length = 0; length < 40; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => 255 - i * 7);
    assert.deepEqual(fromBase64(toBase64(bytes)), bytes);
  }
});

test('a statement about a search is read strictly and held against what is shown', async () => {
  assert.equal(toHex(answerLeaf(258)), toHex(leafHash(new Uint8Array([0, 0, 0, 0, 0, 0, 1, 2]))));
  const tree = Frontier.empty();
  for (const index of [3, 5, 8]) tree.append(answerLeaf(index));
  const hash = toBase64(new Uint8Array(32).fill(7));
  const signature = `\u2014 log.example ${toBase64(new Uint8Array(68))}\n`;
  const checkpoint = `log.example\n9\n${hash}\n\n${signature}`;
  const lines = [
    'graven answer v1',
    'log.example',
    'v1: outcome:denied',
    '9',
    hash,
    '0 9',
    '3',
    toBase64(tree.root()),
    toBase64(new TextEncoder().encode(checkpoint)),
  ];
  const note = (changed: Record<number, string> = {}): string =>
    lines.map((line, i) => changed[i] ?? line).join('\n') + `\n\n${signature}`;
  const answer = parseAnswer(note());
  assert.ok(typeof answer !== 'string', String(answer));
  assert.deepEqual([answer.count, answer.low, answer.high, answer.size], [3, 0, 9, 9]);
  for (const changed of [
    { 0: 'graven answer v2' },
    { 1: 'other.example' },
    { 3: '09' },
    { 3: '10' },
    { 4: 'AAAA' },
    { 5: '0 10' },
    { 5: '9 0' },
    { 5: '0  9' },
    { 5: '0 9 9' },
    { 6: '10' },
    { 6: '-1' },
    { 7: '' },
    { 8: '!' },
    { 8: toBase64(new TextEncoder().encode('no checkpoint')) },
  ])
    assert.equal(typeof parseAnswer(note(changed)), 'string', JSON.stringify(changed));

  const place = {
    origin: 'log.example',
    vkey: '',
    compare: () => assert.fail('nothing is compared that the log did not sign'),
    answerKey: () => assert.fail('the key came with the statement'),
  };
  const shown = {
    query: 'v1: outcome:denied',
    treeSize: 9,
    count: 3,
    matches: [3, 5, 8],
    answerKey: '',
  };
  const holds = async (change: object, own: object = {}): Promise<boolean | undefined> =>
    (await explainAnswer(note(), { ...place, ...own }, { ...shown, ...change })).holds;
  // Without the log's key nothing is more than fitting.
  assert.equal(await holds({}), undefined);
  // A page that did not ask the server knows the query as it was typed.
  assert.equal(await holds({ query: '(outcome:3)' }), undefined);
  for (const change of [
    { query: 'outcome:success' },
    { query: '' },
    { query: '(' },
    { matches: [3, 5, 7] },
    { matches: [3, 5] },
    { count: 4 },
    { query: 'v1:' },
    { treeSize: 8 },
  ])
    assert.equal(await holds(change), false, JSON.stringify(change));
  assert.equal(await holds({}, { origin: 'other.example' }), false);
});
