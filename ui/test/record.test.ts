// A record's bytes as rows, trees and exports: against the golden record of docs/format.md, and hostile ones.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fromHex, toHex, toUtf8, concat } from '../src/proof/bytes.ts';
import { genesisHash, leafHash } from '../src/proof/merkle.ts';
import { csvCell, csvColumns, csvLine, jsonLine, timeOfNs } from '../src/record/export.ts';
import { decodeRow, newestRows } from '../src/record/row.ts';
import { firstOf, plainText, safeParts, warning } from '../src/record/safety.ts';
import { plainMessage, recordTree, type TreeNode } from '../src/record/tree.ts';
import { WireError, writeVarint } from '../src/record/wire.ts';

// The golden bytes come from the page that fixes them, so that the two cannot part.
const format = readFileSync(new URL('../../docs/format.md', import.meta.url), 'utf8');
const golden = fromHex(
  /A golden record:[^`]*(?:`[^`\n]*`[^`]*)*?```\n([0-9a-f\n]+)```/
    .exec(format)![1]!
    .replaceAll('\n', ''),
)!;
const goldenHash = /Its record hash is `([0-9a-f]{64})`/.exec(format)![1]!;

export function field(number: number, value: Uint8Array | string): Uint8Array {
  const bytes = typeof value === 'string' ? toUtf8(value) : value;
  return concat(writeVarint(number * 8 + 2), writeVarint(bytes.length), bytes);
}

export function recordOf(event: Uint8Array): Uint8Array {
  return concat(
    new Uint8Array([0x11, 0, 0, 0, 0, 0, 0, 0, 1]),
    field(3, new Uint8Array(32)),
    field(15, event),
  );
}

test('the golden record is read field by field, and its hash is the one that is documented', () => {
  assert.equal(toHex(leafHash(golden)), goldenHash);
  const link: { hash: Uint8Array | undefined } = { hash: undefined };
  const row = decodeRow(golden, goldenHash, link);
  assert.equal(row.index, 300);
  assert.equal(row.receivedNs, '1690000000123456789');
  assert.equal(row.writtenBy, 'mtls:billing');
  assert.equal(row.eventId, '018979a9-8100-7abc-8def-0123456789ab');
  assert.equal(row.traceId, '4bf92f3577b34da6a3ce929d0e0e4736');
  assert.equal(row.actorId, 'alice');
  assert.equal(row.action, 'invoice.approve');
  assert.equal(row.occurredMs, 1_690_000_000_000);
  assert.equal(row.outcome, 'unknown');
  assert.deepEqual(toHex(link.hash!), toHex(genesisHash('example.com/log')));
  assert.equal(timeOfNs(row.receivedNs), '2023-07-22T04:26:40.123456789Z');
});

test('every byte of a record belongs to exactly one field of its tree', () => {
  const covered = new Uint8Array(golden.length);
  const mark = (nodes: readonly TreeNode[]): void => {
    for (const node of nodes) {
      const to = node.kind === 'message' ? node.valueStart : node.end;
      for (let i = node.start; i < to; i++) covered[i]!++;
      mark(node.children);
    }
  };
  mark(recordTree(golden));
  assert.ok(covered.every((count) => count === 1));
});

test('unknown fields and unknown outcomes are shown and counted', () => {
  const bytes = recordOf(
    concat(field(2, field(1, 'a')), field(3, 'b.c'), new Uint8Array([0x30, 9]), field(99, 'new')),
  );
  const tree = recordTree(bytes);
  const event = tree.find((node) => node.name === 'event')!;
  assert.equal(event.children.find((node) => node.number === 99)!.path, 'event.[99]');
  assert.equal(event.children.find((node) => node.number === 99)!.shown, toHex(toUtf8('new')));
  assert.match(event.children.find((node) => node.number === 6)!.shown, /^9 \(/);
  assert.equal(decodeRow(bytes, '').unknownFields, 1);
});

test('an Any is its type and its bytes, a Struct the object that it is', () => {
  const value = (number: number, inner: Uint8Array | string): Uint8Array => field(number, inner);
  const pair = (key: string, inner: Uint8Array): Uint8Array =>
    field(1, concat(field(1, key), field(2, inner)));
  const details = concat(
    pair('name', value(3, 'Ada')),
    pair('__proto__', value(3, 'harmless')),
    pair('on', new Uint8Array([0x20, 1])),
    pair(
      'list',
      value(
        6,
        concat(
          field(1, value(3, 'x')),
          field(1, new Uint8Array([0x11, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f])),
        ),
      ),
    ),
  );
  const json = plainMessage(recordTree(recordOf(field(17, details)))) as {
    event: { detailsStruct: Record<string, unknown> };
  };
  const shown = json.event.detailsStruct;
  assert.equal(shown['name'], 'Ada');
  assert.equal(Object.getOwnPropertyDescriptor(shown, '__proto__')!.value, 'harmless');
  assert.equal(shown['on'], true);
  assert.deepEqual(shown['list'], ['x', 1.5]);
  assert.equal(decodeRow(recordOf(field(17, details)), '').detailText, 'Ada\nharmless\nx');

  const any = plainMessage(
    recordTree(recordOf(field(18, concat(field(1, 'type.googleapis.com/x.Y'), field(2, 'zz'))))),
  ) as {
    event: { detailsAny: unknown };
  };
  assert.deepEqual(any.event.detailsAny, { typeUrl: 'type.googleapis.com/x.Y', value: '7a7a' });
});

test('bytes that are cut off, groups and endless numbers are no record', () => {
  for (let length = 1; length < golden.length; length++) {
    const cut = golden.subarray(0, length);
    try {
      recordTree(cut);
    } catch (error) {
      assert.ok(error instanceof WireError, `${length}: ${String(error)}`);
      assert.throws(() => decodeRow(cut, ''), WireError);
    }
  }
  assert.throws(() => recordTree(new Uint8Array([0x0b])), WireError);
  assert.throws(
    () => recordTree(new Uint8Array([0x08, ...new Array<number>(11).fill(0xff)])),
    WireError,
  );
  let deep: Uint8Array = new Uint8Array();
  for (let i = 0; i < 130; i++) deep = field(5, field(1, concat(field(1, 'k'), field(2, deep))));
  assert.throws(
    () => recordTree(recordOf(field(17, field(1, concat(field(1, 'k'), field(2, deep)))))),
    WireError,
  );
});

test('random damage never does anything but throw WireError', () => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
    return seed % below;
  };
  for (let round = 0; round < 3000; round++) {
    const damaged = golden.slice();
    for (let i = 0; i <= random(4); i++) damaged[random(damaged.length)] = random(256);
    for (const read of [() => recordTree(damaged), () => decodeRow(damaged, '')]) {
      try {
        read();
      } catch (error) {
        assert.ok(error instanceof WireError, String(error));
      }
    }
  }
});

test('no cell of a CSV is a formula, and none breaks the line', () => {
  for (const evil of [
    '=1+1',
    '+1',
    '-1',
    '@SUM(A1)',
    '\t=1',
    ' =1',
    '\u00a0=1',
    '\uff1d1',
    '\r=1',
    '"=1',
    "'=1",
  ]) {
    assert.match(csvCell(evil), /^"'/, JSON.stringify(evil));
  }
  assert.equal(csvCell('a,"b"\r\nc'), '"a,""b"" c"');
  assert.equal(csvCell('plain'), '"plain"');
  const row = decodeRow(golden, goldenHash);
  row.actorName = '=HYPERLINK("http://x")\n';
  const line = csvLine(row);
  assert.equal(line.split('\r\n').length, 2);
  assert.equal(line.match(/"(?:[^"]|"")*"/g)!.length, csvColumns.length);
  assert.equal(JSON.parse(jsonLine(row)).recordHash, goldenHash);
});

test('an export has all of a record, to the nanosecond, and nothing in it is invisible', () => {
  assert.equal(csvCell('abc\u202efdp.exe\u200b'), '"abc\\u202efdp.exe\\u200b"');
  assert.equal(timeOfNs('1764158400123456789'), '2025-11-26T12:00:00.123456789Z');
  assert.equal(timeOfNs('-1'), '1969-12-31T23:59:59.999999999Z');
  const row = decodeRow(golden, goldenHash);
  const cells = [...csvLine(row).matchAll(/"((?:[^"]|"")*)"/g)].map((one) =>
    one[1]!.replaceAll('""', '"'),
  );
  const cell = (name: (typeof csvColumns)[number]): string => cells[csvColumns.indexOf(name)]!;
  const whole = plainMessage(recordTree(golden)) as unknown as {
    event: { occurredAt: string; source: { userAgent?: string }; detailsStruct?: object };
  };
  assert.match(cell('occurred_at'), /\.\d{9}Z$/);
  assert.equal(
    BigInt(Date.parse(cell('occurred_at').slice(0, 19) + 'Z')),
    BigInt(Date.parse(whole.event.occurredAt.slice(0, 19) + 'Z')),
  );
  assert.equal(cell('user_agent'), whole.event.source?.userAgent ?? '');
  assert.equal(
    cell('details'),
    whole.event.detailsStruct === undefined ? '' : JSON.stringify(whole.event.detailsStruct),
  );
  assert.equal(JSON.parse(jsonLine(row)).occurredAt, cell('occurred_at'));
  row.reason = 'x\u202e';
  assert.doesNotMatch(jsonLine(row), /\u202e/);
  assert.equal(JSON.parse(jsonLine(row)).reason, 'x\u202e');
});

test('what plays with the eye is marked, and ordinary text of any language is not', () => {
  for (const evil of [
    'ab\u202ecd',
    'x\u200by',
    'p\u0430ypal',
    'раура',
    'line\nfeed',
    '\u{e0041}tag',
    '𝐚dmin',
    'Z\u0300\u0301\u0302\u0303\u0304',
  ]) {
    assert.ok(warning(evil) !== undefined, JSON.stringify(evil));
  }
  for (const plain of [
    'Jürgen Müller',
    'Иван Петров',
    '山田太郎',
    'عمر',
    'Αθήνα δρόμος',
    'alice@example.com',
    'Zoë',
    '',
  ]) {
    assert.equal(warning(plain), undefined, plain);
  }
  const parts = safeParts('ab\u202ecd');
  assert.deepEqual(
    parts.map((part) => part.mark ?? part.text),
    ['ab', 'U+202E right-to-left override', 'cd'],
  );
  assert.ok(parts.every((part) => !part.text.includes('\u202e')));
  assert.equal(safeParts('Z' + '\u0301'.repeat(40))[0]!.text.length, 4);
});

test('a run of hidden characters is one mark with its number, and no character is cut in half', () => {
  const parts = safeParts('a' + '\u202e'.repeat(20_000) + 'b\u200b\u202e');
  assert.deepEqual(
    parts.map(({ text, times }) => [text, times]),
    [
      ['a', undefined],
      ['202E', 20_000],
      ['b', undefined],
      ['200B', undefined],
      ['202E', undefined],
    ],
  );
  assert.equal(plainText('x' + '\u202e'.repeat(3)), 'x[U+202E ×3]');
  assert.equal(firstOf('ab\u{1f600}c', 3), 'ab');
  assert.equal(warning(firstOf('ab\u{1f600}c', 3)), undefined);
  assert.equal(firstOf('ab\u{1f600}c', 4), 'ab\u{1f600}');
  assert.equal(firstOf('abc', 3), 'abc');
});

test('an unknown field that stands twice is twice in the JSON', () => {
  const bytes = recordOf(
    concat(field(3, 'b.c'), field(99, 'one'), field(99, 'two'), field(99, 'three')),
  );
  const event = (plainMessage(recordTree(bytes)) as { event: Record<string, unknown> }).event;
  assert.deepEqual(
    event['#99'],
    ['one', 'two', 'three'].map((text) => toHex(toUtf8(text))),
  );
});

test('rows are kept by number and by bytes, the newest, and never none', () => {
  const row = (length: number): ReturnType<typeof decodeRow> => ({
    ...decodeRow(recordOf(field(3, 'b')), ''),
    bytes: new Uint8Array(length),
  });
  const lengths = (rows: readonly { bytes: Uint8Array }[]): number[] =>
    rows.map(({ bytes }) => bytes.length);
  const rows = [10, 20, 30, 40].map(row);
  assert.deepEqual(lengths(newestRows(rows, 3, 1000)), [20, 30, 40]);
  assert.deepEqual(lengths(newestRows(rows, 4, 70)), [30, 40]);
  assert.deepEqual(lengths(newestRows(rows, 4, 69)), [40]);
  assert.deepEqual(lengths(newestRows(rows, 4, 5)), [40]);
  assert.deepEqual(newestRows([], 4, 5), []);
});
