// The judge of checkpoints against logs that grow, fork, roll back, lag and withhold: in memory, with real signatures.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AnswerPlace } from '../src/engine/answer.ts';
import { ApiError } from '../src/api/client.ts';
import { explain } from '../src/engine/explain.ts';
import { ShortMemory } from '../src/engine/memory.ts';
import { toBase64, toUtf8 } from '../src/proof/bytes.ts';
import '../src/proof/ed25519.ts';
import { emptyRoot } from '../src/proof/merkle.ts';
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
      answerKey: () => Promise.resolve(log.vkey.text),
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
