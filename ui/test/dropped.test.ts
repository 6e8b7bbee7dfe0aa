// What is dropped on the page, and records as they are read: evidence, exports, chains.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '../src/api/client.ts';
import { Contradiction } from '../src/engine/contradiction.ts';
import { explainAnswer } from '../src/engine/answer.ts';
import { explain } from '../src/engine/explain.ts';
import { hashRows } from '../src/engine/leaves.ts';
import { ShortMemory } from '../src/engine/memory.ts';
import type { Explained } from '../src/engine/protocol.ts';
import { concat, toBase64, toHex, toUtf8 } from '../src/proof/bytes.ts';
import '../src/proof/ed25519.ts';
import { emptyRoot, genesisHash, leafHash, type Hash } from '../src/proof/merkle.ts';
import { type Checkpoint } from '../src/proof/note.ts';
import { jsonLine } from '../src/record/export.ts';
import { decodeRow } from '../src/record/row.ts';
import { writeVarint } from '../src/record/wire.ts';
import {
  origin,
  log,
  witness,
  FakeLog,
  names,
  judgeOf,
  contradiction,
  signer,
  signed,
} from './fake-log.ts';

/** What a server states: so many of the nine records of a log were denied, and which of them: none. */
const answerText = (honest: FakeLog, count: string): string =>
  [
    'graven answer v1',
    origin,
    'v1: outcome:denied',
    '9',
    toBase64(signed(honest).root),
    '0 9',
    count,
    toBase64(emptyRoot),
    toBase64(toUtf8(honest.note())),
    '',
  ].join('\n');

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
    answerKey: () => Promise.resolve(''),
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
    answerKey: () => assert.fail('no statement is asked about'),
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

test('a statement that was dropped is held against the key that the server names, and without one it is nobody’s word', async () => {
  const honest = new FakeLog(...names(9));
  const server = signer('graven-answers/1', 1, 5);
  const lines = (count: string): string => answerText(honest, count);
  const statement = `${lines('0')}\n${server.signature(lines('0'))}`;
  const said = async (text: string, answerKey: () => Promise<string>): Promise<Explained> =>
    explain(toUtf8(text), {
      origin,
      vkey: log.vkey.text,
      compare: (one: Checkpoint) => judgeOf(honest).compare(one, signed(honest)),
      contains: () => Promise.resolve(true),
      answerKey,
    });
  const facts = (one: Explained): string => one.facts.map((fact) => fact.join(': ')).join('\n');
  const names1 = (): Promise<string> => Promise.resolve(server.vkey.text);
  const checked = await said(statement, names1);
  assert.equal(checked.holds, undefined);
  assert.match(checked.sentence, /the word of who signed it, by the key that the server names/);
  assert.match(facts(checked), /its signature: checked with the key that the server names/);
  // Its count is another one than what was signed.
  const forged = `${lines('7')}\n${server.signature(lines('0'))}`;
  const refused = await said(forged, names1);
  assert.equal(refused.holds, false);
  assert.match(refused.sentence, /not signed by the key that the server names.*nobody’s word/);
  assert.match(facts(refused), /its signature: does not verify/);
  const stranger = await said(
    statement.replace(server.signature(lines('0')), log.signature(lines('0'))),
    names1,
  );
  assert.equal(stranger.holds, false);
  assert.match(stranger.sentence, /no word of that server/);
  // Nobody's word where no key is to be had.
  for (const none of [
    () => Promise.resolve(''),
    () => Promise.reject(new ApiError(503, 'AWAY', 'it is away')),
  ]) {
    const unknown = await said(forged, none);
    assert.equal(unknown.holds, undefined);
    assert.match(unknown.sentence, /who signed it was not checked, so it is nobody’s word yet/);
    assert.match(facts(unknown), /its signature: not checked/);
  }
});

test('what this page does not check is called what it is', async () => {
  const first = record(0, genesisHash(origin));
  const second = record(1, leafHash(first));
  const behindLength = (record: Uint8Array): Uint8Array =>
    concat(writeVarint(record.length), record);
  const entry = (record: Uint8Array): Uint8Array =>
    concat(new Uint8Array([record.length >> 8, record.length & 255]), record);
  for (const [bytes, words] of [
    [
      toUtf8('index,received_at,occurred_at,outcome,actor_id\r\n"0"\r\n'),
      /table of records, as CSV/,
    ],
    [toUtf8('PRIVATE+KEY+log.example+01020304+AAAA\n'), /A private key.*show it to nobody/],
    [concat(behindLength(first), behindLength(second)), /An export of records, as their bytes/],
    [concat(entry(first), entry(second)), /A tile with the records/],
    [new Uint8Array(96).fill(0xfe), /Perhaps a tile of 3 hashes/],
    [
      concat(
        new Uint8Array([0x30, 0x82, 1, 0]),
        new Uint8Array([6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 9, 16, 1, 4]),
      ),
      /A time stamp/,
    ],
    [toUtf8(`log ${log.vkey.text}\nquorum none\n`), /A policy: it believes 1 logs/],
    [new Uint8Array([0xff, 1, 2]), /Not text/],
    [toUtf8('hello\n'), /Nothing that this page knows/],
  ] as const) {
    const { holds, sentence } = await explain(bytes, undefined);
    assert.equal(holds, undefined);
    assert.match(sentence, words);
  }
});

test('what a page found and could put into no evidence is called that, and proves nothing', async () => {
  const finding = {
    id: 1,
    at: 2,
    kind: 'wrong answer',
    sentence: 'A search was answered with record 7, which does not match what was asked.',
    claimed: 'matches outcome:denied',
    computed: 'it does not',
    index: 7,
  };
  const { sentence, holds, facts } = await explain(
    toUtf8(JSON.stringify(finding, null, 2)),
    undefined,
  );
  assert.match(sentence, /found not to fit.*by itself it proves nothing/);
  assert.equal(holds, undefined);
  assert.deepEqual(facts[1], ['sentence', finding.sentence]);
  const other = await explain(toUtf8(JSON.stringify({ kind: 'wrong answer' })), undefined);
  assert.match(other.sentence, /no export of records/);
});

test('another key than the one of the log contradicts nothing, and without one nothing is compared', async () => {
  const place = {
    origin,
    vkey: log.vkey.text,
    compare: () => Promise.resolve(undefined),
    contains: () => Promise.resolve(true),
    answerKey: () => Promise.resolve(''),
  };
  const said = async (vkey: string, at: typeof place | undefined): Promise<[unknown, string]> => {
    const { holds, sentence } = await explain(toUtf8(vkey), at);
    return [holds, sentence];
  };
  assert.match((await said(log.vkey.text, place)).join(), /^true,.*the one that this page checks/);
  for (const other of [witness.vkey.text, signer('other.example', 1, 3).vkey.text])
    assert.match((await said(other, place)).join(), /^,.*another one than this page checks with/);
  for (const unknown of [undefined, { ...place, vkey: '' }])
    assert.match((await said(log.vkey.text, unknown)).join(), /^,.*has no key yet/);
  const note = new FakeLog(...names(3)).note();
  assert.match((await said(note, { ...place, vkey: '' })).join(), /^,.*no key yet to check it/);
});

test('a statement whose numbers this page found too holds only if it is known who signed it', async () => {
  const honest = new FakeLog(...names(9));
  const server = signer('graven-answers/1', 1, 5);
  const text = answerText(honest, '0');
  const statement = `${text}\n${server.signature(text)}`;
  const said = (answerKey: string): Promise<Explained> =>
    explainAnswer(
      statement,
      {
        origin,
        vkey: log.vkey.text,
        compare: (one: Checkpoint) => judgeOf(honest).compare(one, signed(honest)),
        answerKey: () => Promise.resolve(''),
      },
      { query: 'v1: outcome:denied', treeSize: 9, count: 0, matches: [], answerKey },
    );
  const known = await said(server.vkey.text);
  assert.equal(known.holds, true);
  assert.match(known.sentence, /holds: this page read all of them/);
  const unknown = await said('');
  assert.equal(unknown.holds, undefined);
  assert.match(unknown.sentence, /its numbers are right.*who signed it was not checked/);
});
