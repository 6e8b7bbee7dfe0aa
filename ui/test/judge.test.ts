// The judge of checkpoints against logs that grow, fork, roll back, lag and withhold: in memory, with real signatures.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getPublicKey, sign } from '@noble/ed25519';
import { sha256 } from '@noble/hashes/sha2.js';
import { ApiError, type Door, type Json } from '../src/api/client.ts';
import { absenceOf, type Situation } from '../src/engine/absence.ts';
import type { AnswerPlace } from '../src/engine/answer.ts';
import { Contradiction } from '../src/engine/contradiction.ts';
import { CheckpointJudge, type Verdict } from '../src/engine/judge.ts';
import { explain } from '../src/engine/explain.ts';
import { hashRows } from '../src/engine/leaves.ts';
import { ShortMemory } from '../src/engine/memory.ts';
import { concat, toBase64, toHex, toUtf8 } from '../src/proof/bytes.ts';
import '../src/proof/ed25519.ts';
import { emptyRoot, genesisHash, leafHash, nodeHash, type Hash } from '../src/proof/merkle.ts';
import { parseCheckpoint, parseVkey, type Checkpoint, type Vkey } from '../src/proof/note.ts';
import { jsonLine } from '../src/record/export.ts';
import { decodeRow } from '../src/record/row.ts';
import { writeVarint } from '../src/record/wire.ts';

const origin = 'example.com/audit';

interface Signer {
  readonly vkey: Vkey;
  signature(text: string): string;
}

function signer(name: string, type: number, seed: number): Signer {
  const secret = new Uint8Array(32).fill(seed);
  const encoded = concat(new Uint8Array([type]), getPublicKey(secret));
  const id = sha256(concat(toUtf8(name + '\n'), encoded)).subarray(0, 4);
  const vkey = parseVkey(`${name}+${toHex(id)}+${toBase64(encoded)}`);
  assert.ok(typeof vkey !== 'string', String(vkey));
  return {
    vkey,
    signature(text) {
      if (type === 1) return `\u2014 ${name} ${toBase64(concat(id, sign(toUtf8(text), secret)))}\n`;
      const time = new Uint8Array(8);
      new DataView(time.buffer).setBigUint64(0, 1_700_000_000n);
      const signed = sign(toUtf8(`cosignature/v1\ntime 1700000000\n${text}`), secret);
      return `\u2014 ${name} ${toBase64(concat(id, time, signed))}\n`;
    },
  };
}

const log = signer(origin, 1, 7);
const witness = signer('witness.example/w', 4, 9);

function root(leaves: readonly Hash[]): Hash {
  if (leaves.length === 0) return emptyRoot;
  if (leaves.length === 1) return leaves[0]!;
  let half = 1;
  while (half * 2 < leaves.length) half *= 2;
  return nodeHash(root(leaves.slice(0, half)), root(leaves.slice(half)));
}

function path(index: number, leaves: readonly Hash[]): Hash[] {
  if (leaves.length === 1) return [];
  let half = 1;
  while (half * 2 < leaves.length) half *= 2;
  return index < half
    ? [...path(index, leaves.slice(0, half)), root(leaves.slice(half))]
    : [...path(index - half, leaves.slice(half)), root(leaves.slice(0, half))];
}

function consistency(old: number, leaves: readonly Hash[], whole = true): Hash[] {
  if (old === leaves.length) return whole ? [] : [root(leaves)];
  let half = 1;
  while (half * 2 < leaves.length) half *= 2;
  return old <= half
    ? [...consistency(old, leaves.slice(0, half), whole), root(leaves.slice(half))]
    : [...consistency(old - half, leaves.slice(half), false), root(leaves.slice(0, half))];
}

/** A server that says what its list of records says. */
class FakeLog implements Door {
  records: Uint8Array[];
  refuses = '';
  constructor(...records: string[]) {
    this.records = records.map(toUtf8);
  }

  get leaves(): Hash[] {
    return this.records.map(leafHash);
  }

  note(size = this.records.length, ...more: Signer[]): string {
    const text = `${origin}\n${size}\n${toBase64(root(this.leaves.slice(0, size)))}\n`;
    return text + '\n' + [log, ...more].map((one) => one.signature(text)).join('');
  }

  getText(): Promise<string> {
    return Promise.resolve(this.note());
  }

  getJson(address: string): Promise<Json> {
    if (this.refuses !== '' && address.includes(this.refuses))
      return Promise.reject(new ApiError(503, 'REFUSED', 'not now'));
    const numbers = [...address.matchAll(/=(\d+)/g)].map((match) => Number(match[1]));
    const hashes = (found: Hash[]): Json => ({ hashes: found.map(toBase64) });
    const size = this.records.length;
    if (address.includes('/proofs/') && numbers[1]! > size)
      return Promise.reject(new ApiError(404, 'NOT_FOUND', 'beyond the log'));
    if (address.includes('consistency'))
      return Promise.resolve(hashes(consistency(numbers[0]!, this.leaves.slice(0, numbers[1]))));
    if (address.includes('inclusion'))
      return Promise.resolve(hashes(path(numbers[0]!, this.leaves.slice(0, numbers[1]))));
    const record = /records\/(\d+)/.exec(address);
    if (record !== null)
      return Promise.resolve({ record: toBase64(this.records[Number(record[1])]!) });
    return Promise.resolve({
      name: 'l',
      origin,
      vkey: log.vkey.text,
      publishedSize: String(size),
      durableSize: String(size),
    });
  }

  stream(): Promise<Response> {
    return Promise.reject(new ApiError(404, 'ROUTE_NOT_FOUND', ''));
  }
}

const names = (count: number, prefix = 'r'): string[] =>
  Array.from({ length: count }, (_, i) => prefix + i);

function judgeOf(door: Door, memory = new ShortMemory(), witnesses: Vkey[] = []): CheckpointJudge {
  return new CheckpointJudge({
    door,
    memory,
    now: () => 1_700_000_000_000,
    log: 'l',
    key: log.vkey,
    witnesses,
    grown: () => undefined,
  });
}

async function contradiction(work: Promise<Verdict>): Promise<Contradiction['finding']> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof Contradiction, String(error));
    return error.finding;
  }
  throw new Error('no contradiction');
}

test('a log that only grows is the newest at every step, and is remembered from its first size on', async () => {
  const memory = new ShortMemory();
  for (const size of [0, 1, 2, 3, 7, 8, 8, 21]) {
    const verdict = await judgeOf(new FakeLog(...names(size)), memory).judge(
      new FakeLog(...names(size)).note(),
    );
    assert.equal(verdict.kind, 'newest');
    assert.ok(
      verdict.kind === 'newest' &&
        verdict.remembered.last.size === size &&
        verdict.remembered.first.size === 0,
    );
  }
});

test('two trees of one size, and one that does not begin with the other, are forks with evidence', async () => {
  const memory = new ShortMemory();
  const honest = new FakeLog(...names(8));
  await judgeOf(honest, memory).judge(honest.note());
  const same = new FakeLog(...names(7), 'other');
  const first = await contradiction(judgeOf(same, memory).judge(same.note()));
  assert.equal(first.kind, 'fork');
  assert.equal(first.evidence!.match(/^note /gm)!.length, 2);
  const longer = new FakeLog(...names(5), 'other', ...names(9));
  const second = await contradiction(judgeOf(longer, memory).judge(longer.note()));
  assert.equal(second.kind, 'fork');
  assert.match(second.evidence!, /^claim fork\n[^]*^proof 7\nleaf /m);
  const shorter = new FakeLog(...names(4), 'other');
  shorter.records.push(...honest.records);
  assert.equal((await contradiction(judgeOf(shorter, memory).judge(shorter.note(5)))).kind, 'fork');
  assert.equal(
    (await memory.remembered(judgeOf(honest).memoryKey))!.last.size,
    8,
    'a lie is not remembered',
  );
});

test('an older tree is late when the server can go on to what was seen, and a rollback when it denies that', async () => {
  const memory = new ShortMemory();
  const honest = new FakeLog(...names(12));
  await judgeOf(honest, memory).judge(honest.note());
  const late = await judgeOf(honest, memory).judge(honest.note(9));
  assert.ok(
    late.kind === 'older' &&
      /size 9; 12 was seen here before. The two are consistent/.test(late.sentence),
  );
  const rolled = new FakeLog(...names(9));
  assert.equal(
    (await contradiction(judgeOf(rolled, memory).judge(rolled.note()))).kind,
    'rollback',
  );
  const emptied = new FakeLog();
  assert.equal(
    (await contradiction(judgeOf(emptied, memory).judge(emptied.note()))).kind,
    'rollback',
  );
  honest.refuses = 'consistency';
  const unsaid = await judgeOf(honest, memory).judge(honest.note(9));
  assert.ok(unsaid.kind === 'older' && /does not prove/.test(unsaid.sentence));
});

test('a proof that is not to be had is withheld, and nothing is remembered', async () => {
  const memory = new ShortMemory();
  await judgeOf(new FakeLog(...names(5)), memory).judge(new FakeLog(...names(5)).note());
  const grown = new FakeLog(...names(9));
  grown.refuses = 'consistency';
  await assert.rejects(
    judgeOf(grown, memory).judge(grown.note()),
    (error: ApiError) => error.reason === 'WITHHELD',
  );
  assert.equal((await memory.remembered(judgeOf(grown).memoryKey))!.last.size, 5);
  grown.refuses = '';
  assert.equal((await judgeOf(grown, memory).judge(grown.note())).kind, 'newest');
});

test('what witnesses signed a little later is an earlier tree and no lateness, if it is a prefix', async () => {
  const memory = new ShortMemory();
  const honest = new FakeLog(...names(12));
  const judge = judgeOf(honest, memory, [witness.vkey]);
  await judge.judge(honest.note(10));
  await judge.judge(honest.note(12));
  for (const size of [10, 9]) {
    const verdict = await judge.judge(honest.note(size, witness));
    assert.ok(
      verdict.kind === 'cosigned' && verdict.cosignatures[0]!.verdict === 'good',
      String(size),
    );
  }
  const other = new FakeLog(...names(8), 'other');
  other.records.push(...honest.records.slice(9));
  assert.equal(
    (await contradiction(judgeOf(other, memory, [witness.vkey]).judge(other.note(9, witness))))
      .kind,
    'fork',
  );
  const rolled = new FakeLog(...names(9));
  assert.equal(
    (await contradiction(judgeOf(rolled, memory).judge(rolled.note(9, witness)))).kind,
    'rollback',
  );
});

test('bad signatures of the log and of a witness are contradictions, an unreadable note is none', async () => {
  const honest = new FakeLog(...names(3));
  const bent = honest.note().replace('\n3\n', '\n4\n');
  assert.equal((await contradiction(judgeOf(honest).judge(bent))).kind, 'bad signature');
  const foreign = honest.note().replaceAll(origin, 'example.com/other');
  assert.equal((await contradiction(judgeOf(honest).judge(foreign))).kind, 'bad signature');
  const text = honest.note(3, witness);
  const line = text.trimEnd().split('\n').pop()!;
  const wrong = text.replace(
    line,
    signer('witness.example/w', 4, 9).signature('something else\n').trimEnd(),
  );
  assert.equal(
    (await contradiction(judgeOf(honest, new ShortMemory(), [witness.vkey]).judge(wrong))).kind,
    'bad cosignature',
  );
  await assert.rejects(
    judgeOf(honest).judge('<html>'),
    (error: ApiError) => error.reason === 'NO_CHECKPOINT',
  );
});

const signed = (from: FakeLog, size?: number): Checkpoint => {
  const checkpoint = parseCheckpoint(from.note(size));
  assert.ok(typeof checkpoint !== 'string');
  return checkpoint;
};

test('a tree that came by another way is the same, a beginning or longer, and a fork or a rollback when it is none of it', async () => {
  const honest = new FakeLog(...names(12));
  for (const [size, known, relation] of [
    [12, 12, 'same'],
    [9, 12, 'beginning'],
    [1, 12, 'beginning'],
    [0, 12, 'beginning'],
    [12, 7, 'longer'],
  ] as const)
    assert.deepEqual(await judgeOf(honest).compare(signed(honest, size), signed(honest, known)), {
      relation,
      size: known,
    });
  const other = new FakeLog(...names(5), 'other', ...names(6));
  for (const [size, known] of [
    [12, 12],
    [9, 12],
    [12, 9],
    [6, 12],
  ] as const) {
    const found = await contradiction(
      judgeOf(honest).compare(signed(other, size), signed(honest, known)) as never,
    );
    assert.equal(found.kind, 'fork', `${size} ${known}`);
    assert.equal(found.evidence!.match(/^note /gm)!.length, 2);
    if (size < known) assert.match(found.sentence, /of size \d+ that the same key signed/);
  }
  // Where both are alike, a tree before the other record is a beginning.
  assert.equal(
    (await judgeOf(honest).compare(signed(other, 5), signed(honest))).relation,
    'beginning',
  );
  // Signed once, and the server has not got it any more.
  const shorter = new FakeLog(...names(9));
  assert.equal(
    (await contradiction(judgeOf(shorter).compare(signed(honest), signed(shorter)) as never)).kind,
    'rollback',
  );
  honest.refuses = 'consistency';
  await assert.rejects(
    judgeOf(honest).compare(signed(honest, 9), signed(honest)),
    (error: ApiError) => error.reason === 'WITHHELD',
  );
});

test('a statement or a checkpoint from elsewhere is held against the tree that is known, whatever their sizes', async () => {
  const honest = new FakeLog(...names(12));
  const forked = new FakeLog(...names(5), 'other', ...names(6));
  const nothing = toBase64(emptyRoot);
  const statement = (from: FakeLog, size: number): string => {
    const { root: own } = signed(from, size);
    const text = [
      'graven answer v1',
      origin,
      'v1: outcome:denied',
      String(size),
      toBase64(own),
      `0 ${size}`,
      '0',
      nothing,
      toBase64(toUtf8(from.note(size))),
    ].join('\n');
    return `${text}\n\n${log.signature(text + '\n')}`;
  };
  const said = async (text: string, door: FakeLog, known: number): Promise<[unknown, string]> => {
    const place: AnswerPlace & { contains: () => Promise<boolean> } = {
      origin,
      vkey: log.vkey.text,
      compare: (one) => judgeOf(door).compare(one, signed(door, known)),
      contains: () => Promise.resolve(true),
    };
    const { holds, sentence } = await explain(toUtf8(text), place);
    return [holds, sentence];
  };
  for (const [size, known, words] of [
    [12, 12, /which is the tree that this page checked/],
    [9, 12, /proven here to be the beginning of the tree of size 12 that this page checked/],
    [12, 9, /proven here to begin with the tree of size 9 that this page checked/],
  ] as const) {
    // The word of who signed it, under a tree that is proven.
    const [word, sentence] = await said(statement(honest, size), honest, known);
    assert.equal(word, undefined);
    assert.match(sentence, words);
    const [holds, about] = await said(honest.note(size), honest, known);
    assert.equal(holds, true);
    assert.match(about, words);
    for (const text of [statement(forked, size), forked.note(size)]) {
      const [no, why] = await said(text, honest, known);
      assert.equal(no, false);
      assert.match(why, /does not fit: .*(does not begin with|two different trees)/);
    }
  }
  honest.refuses = 'consistency';
  const [unproven, why] = await said(honest.note(9), honest, 12);
  assert.equal(unproven, undefined);
  assert.match(why, /not proven to belong .*does not prove/);
});

test('evidence is judged here as the command line judges it, and proves nothing when it proves nothing', async () => {
  const memory = new ShortMemory();
  const honest = new FakeLog(...names(8));
  await judgeOf(honest, memory).judge(honest.note());
  const longer = new FakeLog(...names(5), 'other', ...names(9));
  const { evidence: fork } = await contradiction(judgeOf(longer, memory).judge(longer.note()));
  const verdict = async (text: string): Promise<[unknown, string]> => {
    const { holds, sentence } = await explain(toUtf8(text), undefined);
    return [holds, sentence];
  };
  assert.match((await verdict(fork!)).join(), /^true,.*proves a fork/);
  // The larger tree in place of the smaller: no fork, and no order.
  const [small, large] = fork!.match(/^note .*$/gm)!;
  for (const nothing of [
    fork!.replace(small!, large!),
    fork!.replace(/^proof \d+$/m, 'proof 6'),
    fork!.replace(/^node .*\n/m, ''),
    fork!.replace(/^key .*$/m, `key ${signer('other.example', 1, 3).vkey.text}`),
  ])
    assert.match((await verdict(nothing)).join(), /^false,.*proves nothing/, nothing);
  for (const unread of [
    fork!.slice(0, -1),
    fork!.replace('claim fork', 'claim spoon'),
    fork!.replace(/^leaf .*$/m, 'leaf AAAA'),
    fork! + large! + '\n',
    fork! + 'said twice\n',
  ])
    assert.match((await verdict(unread)).join(), /^false,.*cannot be read/, unread);
  const bent = longer.note().replace('\n15\n', '\n16\n');
  const { evidence: unsigned } = await contradiction(judgeOf(longer).judge(bent));
  assert.match((await verdict(unsigned!)).join(), /^true,.*the key did not sign the checkpoint/);
  // In a page that checked one of the two histories, the other is a finding.
  const place = {
    origin,
    vkey: log.vkey.text,
    compare: (one: Checkpoint) => judgeOf(honest).compare(one, signed(honest)),
    contains: () => Promise.resolve(true),
  };
  assert.match(
    (await explain(toUtf8(fork!), place)).sentence,
    /the key that this page checks with.*It contradicts what this page checked: The log was 15/,
  );
});

test('an export is hashed, its words are held against its bytes, and the log is asked for it', async () => {
  const records: Uint8Array[] = [];
  for (let i = 0; i < 5; i++)
    records.push(record(i, i === 0 ? genesisHash(origin) : leafHash(records[i - 1]!)));
  const rows = hashRows(records, 0, genesisHash(origin)).rows;
  const text = rows.map(jsonLine).join('');
  const asked: number[] = [];
  const place = {
    origin,
    vkey: log.vkey.text,
    compare: () => Promise.resolve(undefined),
    contains: (index: number, hash: string) => {
      asked.push(index);
      return Promise.resolve(index < 4 && hash === rows[index]!.hash);
    },
  };
  const said = async (lines: string): Promise<string> => {
    const { holds, sentence } = await explain(toUtf8(lines), place);
    return `${holds} ${sentence}`;
  };
  const lines = text.trimEnd().split('\n');
  assert.match(await said(lines.slice(0, 4).join('\n')), /^true An export of 4 records.*3 of them/);
  assert.deepEqual(asked, [0, 1, 2, 3]);
  assert.match(await said(text), /^false .*now shows ANOTHER record 4/);
  for (const [from, to, words] of [
    ['"index":2', '"index":3', /line 3, its bytes are of another record/],
    ['"actorId":""', '"actorId":"eve"', /line 1, its “actorId” is not what its bytes say/],
    [/"record":"..../, '"record":"AAAA', /line 1, its bytes are no record/],
    [/"recordHash":"......../, '"recordHash":"00000000', /line 1, its bytes have another hash/],
    [/^\{/, '{{', /line 1 is no JSON/],
  ] as const)
    assert.match(await said(text.replace(from, to)), words);
  const torn = decodeRow(record(1, genesisHash(origin)), '');
  torn.hash = toHex(leafHash(torn.bytes));
  assert.match(
    await said(lines[0] + '\n' + jsonLine(torn)),
    /^false .*record 1 does not name the one before it/,
  );
});

function record(index: number, previous: Hash): Uint8Array {
  const head = index === 0 ? new Uint8Array() : concat(new Uint8Array([8]), writeVarint(index));
  return concat(
    head,
    new Uint8Array([0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0x1a, 32]),
    previous,
    new Uint8Array([0x7a, 0]),
  );
}

test('records that do not link, have another index or are none are named', () => {
  const genesis = genesisHash(origin);
  const chain: Uint8Array[] = [];
  for (let i = 0; i < 5; i++) chain.push(record(i, i === 0 ? genesis : leafHash(chain[i - 1]!)));
  assert.equal(hashRows(chain, 0, genesis).rows.length, 5);
  assert.equal(hashRows(chain.slice(2), 2, undefined).leaves.length, 3);
  const found = (records: Uint8Array[], first = 0): Contradiction['finding'] => {
    try {
      hashRows(records, first, first === 0 ? genesis : undefined);
    } catch (error) {
      assert.ok(error instanceof Contradiction);
      return error.finding;
    }
    throw new Error('no contradiction');
  };
  assert.deepEqual(
    [found(chain.with(3, record(3, genesis))).kind, found(chain.with(3, record(3, genesis))).index],
    ['broken chain', 3],
  );
  assert.equal(found(chain, 1).kind, 'wrong record');
  assert.equal(found(chain.with(2, new Uint8Array([0x0b]))).kind, 'wrong record');
});

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
