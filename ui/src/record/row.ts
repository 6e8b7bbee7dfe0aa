// A record as a row: what lists show, filters match and exports write, read from the hashed bytes in one pass.

import { fromUtf8 } from '../proof/bytes.ts';
import { outcomes, type Outcome } from './schema.ts';
import { readVarint, walk, WireError, type WireField } from './wire.ts';

export interface RowTarget {
  type: string;
  id: string;
  name: string;
}

export interface Row {
  index: number;
  /** Leaf hash in hex, computed here. */
  hash: string;
  /** Milliseconds since 1970 for drawing, and the nanoseconds below them. */
  receivedMs: number;
  receivedNs: string;
  /** Undefined when the client gave no time that a browser can tell. */
  occurredMs: number | undefined;
  writtenBy: string;
  eventId: string;
  actorId: string;
  actorType: string;
  actorName: string;
  action: string;
  targets: RowTarget[];
  outcome: Outcome;
  reason: string;
  service: string;
  ip: string;
  traceId: string;
  spanId: string;
  requestId: string;
  sessionId: string;
  correlationId: string;
  labels: [string, string][];
  /** Text values of the details, for the filter; at most 4,096 characters. */
  detailText: string;
  /** Fields that this page does not know. */
  unknownFields: number;
  /** The exact bytes. */
  bytes: Uint8Array;
}

const emptyRow = (bytes: Uint8Array, hash: string): Row => ({
  index: 0,
  hash,
  receivedMs: 0,
  receivedNs: '0',
  occurredMs: undefined,
  writtenBy: '',
  eventId: '',
  actorId: '',
  actorType: '',
  actorName: '',
  action: '',
  targets: [],
  outcome: 'unknown',
  reason: '',
  service: '',
  ip: '',
  traceId: '',
  spanId: '',
  requestId: '',
  sessionId: '',
  correlationId: '',
  labels: [],
  detailText: '',
  unknownFields: 0,
  bytes,
});

export const bytesOf = (rows: readonly Row[]): number =>
  rows.reduce((sum, row) => sum + row.bytes.length, 0);

/** The last of them: at most so many, of at most so many bytes, and never none. */
export function newestRows(rows: readonly Row[], max: number, bytesMax: number): Row[] {
  let from = rows.length;
  for (let bytes = 0; from > 0 && rows.length - from < max; from--) {
    bytes += rows[from - 1]!.bytes.length;
    if (bytes > bytesMax && from < rows.length) break;
  }
  return rows.slice(from);
}

const detailCharactersMax = 4096;

export class Reader {
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  text(field: WireField): string {
    if (field.type !== 2) return '';
    const raw = this.bytes.subarray(field.valueStart, field.end);
    return fromUtf8(raw) ?? '\ufffd'.repeat(Math.min(raw.length, 8));
  }

  number(field: WireField): bigint {
    return field.type === 0 ? readVarint(this.bytes, field.valueStart).value : 0n;
  }

  inner(field: WireField): Generator<WireField> | [] {
    return field.type === 2 ? walk(this.bytes, field.valueStart, field.end) : [];
  }
}

/** Throws WireError when the bytes are no record. `previous` is where the link to the record before is put. */
export function decodeRow(
  bytes: Uint8Array,
  hash: string,
  previous?: { hash: Uint8Array | undefined },
): Row {
  const row = emptyRow(bytes, hash);
  const reader = new Reader(bytes);
  let assigned = '';
  for (const field of walk(bytes)) {
    switch (field.number) {
      case 1:
        row.index = Number(reader.number(field));
        break;
      case 2: {
        if (field.type !== 1) throw new WireError('received_at is not eight bytes');
        const time = new DataView(
          bytes.buffer,
          bytes.byteOffset + field.valueStart,
          8,
        ).getBigUint64(0, true);
        row.receivedMs = Number(time / 1_000_000n);
        row.receivedNs = time.toString();
        break;
      }
      case 3:
        if (previous !== undefined && field.type === 2)
          previous.hash = bytes.subarray(field.valueStart, field.end);
        break;
      case 4:
        row.writtenBy = reader.text(field);
        break;
      case 5:
        assigned = reader.text(field);
        break;
      case 6:
        readTraceparent(reader.text(field), row);
        break;
      case 14:
        readEntry(reader, field, row);
        break;
      case 15:
        readEvent(reader, field, row);
        break;
      default:
        row.unknownFields++;
    }
  }
  if (row.eventId === '') row.eventId = assigned;
  return row;
}

function readTraceparent(text: string, row: Row): void {
  const parts = text.split('-');
  if (parts.length >= 4) {
    row.traceId = parts[1]!;
    row.spanId = parts[2]!;
  }
}

function readEntry(reader: Reader, outer: WireField, row: Row): void {
  for (const field of reader.inner(outer)) {
    if (field.number === 1) row.eventId = reader.text(field);
    else if (field.number === 2) row.actorId = reader.text(field);
    else if (field.number === 3) {
      const time = Date.parse(reader.text(field));
      if (!Number.isNaN(time)) row.occurredMs = time;
    } else if (field.number === 4) row.action = reader.text(field);
    else if (field.number !== 5) row.unknownFields++;
  }
}

// One line a field, as in the schema.
function readEvent(reader: Reader, outer: WireField, row: Row): void {
  for (const field of reader.inner(outer)) {
    switch (field.number) {
      case 1:
        row.eventId = reader.text(field);
        break;
      case 2:
        readActor(reader, field, row);
        break;
      case 3:
        row.action = reader.text(field);
        break;
      case 4:
        readTarget(reader, field, row);
        break;
      case 5:
        row.occurredMs = readTime(reader, field);
        break;
      case 6:
        row.outcome = outcomes[Number(reader.number(field))] ?? 'unknown';
        break;
      case 7:
        row.reason = reader.text(field);
        break;
      case 8:
        readSource(reader, field, row);
        break;
      case 9:
        row.traceId = reader.text(field);
        break;
      case 10:
        row.spanId = reader.text(field);
        break;
      case 12:
        row.requestId = reader.text(field);
        break;
      case 13:
        row.sessionId = reader.text(field);
        break;
      case 14:
        row.correlationId = reader.text(field);
        break;
      case 16:
        readLabel(reader, field, row);
        break;
      case 17:
        row.detailText = structTexts(reader, field, [], 0).join('\n').slice(0, detailCharactersMax);
        break;
      case 11:
      case 15:
      case 18:
        break;
      default:
        row.unknownFields++;
    }
  }
}

function readActor(reader: Reader, outer: WireField, row: Row): void {
  for (const field of reader.inner(outer)) {
    if (field.number === 1) row.actorId = reader.text(field);
    else if (field.number === 2) row.actorType = reader.text(field);
    else if (field.number === 3) row.actorName = reader.text(field);
    else row.unknownFields++;
  }
}

function readTarget(reader: Reader, outer: WireField, row: Row): void {
  const target: RowTarget = { type: '', id: '', name: '' };
  for (const field of reader.inner(outer)) {
    if (field.number === 1) target.type = reader.text(field);
    else if (field.number === 2) target.id = reader.text(field);
    else if (field.number === 3) target.name = reader.text(field);
    else row.unknownFields++;
  }
  row.targets.push(target);
}

function readSource(reader: Reader, outer: WireField, row: Row): void {
  for (const field of reader.inner(outer)) {
    if (field.number === 1) row.service = reader.text(field);
    else if (field.number === 2) row.ip = reader.text(field);
    else if (field.number !== 3) row.unknownFields++;
  }
}

function readLabel(reader: Reader, outer: WireField, row: Row): void {
  const label: [string, string] = ['', ''];
  for (const field of reader.inner(outer)) {
    if (field.number === 1) label[0] = reader.text(field);
    else if (field.number === 2) label[1] = reader.text(field);
    else row.unknownFields++;
  }
  row.labels.push(label);
}

function readTime(reader: Reader, outer: WireField): number | undefined {
  let seconds = 0n;
  let nanos = 0n;
  for (const field of reader.inner(outer)) {
    if (field.number === 1) seconds = BigInt.asIntN(64, reader.number(field));
    else if (field.number === 2) nanos = reader.number(field);
  }
  const time = Number(seconds) * 1000 + Number(nanos) / 1e6;
  // Beyond this a Date is no date.
  return Math.abs(time) <= 8.64e15 ? time : undefined;
}

// Struct: fields (1) of key (1) and value (2); value: text (3), struct (5), list (6) of values (1).
function structTexts(reader: Reader, outer: WireField, found: string[], depth: number): string[] {
  if (depth > 90 || found.length > 200) return found;
  for (const pair of reader.inner(outer)) {
    for (const field of reader.inner(pair))
      if (field.number === 2) valueTexts(reader, field, found, depth + 1);
  }
  return found;
}

function valueTexts(reader: Reader, outer: WireField, found: string[], depth: number): void {
  for (const field of reader.inner(outer)) {
    if (field.number === 3) found.push(reader.text(field));
    else if (field.number === 5) structTexts(reader, field, found, depth);
    else if (field.number === 6 && depth <= 90) {
      for (const item of reader.inner(field)) valueTexts(reader, item, found, depth + 1);
    }
  }
}

/** One target in words: "invoice 42". */
export function targetWords(target: RowTarget): string {
  const named =
    target.name !== '' && target.name !== target.id
      ? `${target.name} (${target.id})`
      : target.id || target.name;
  return [target.type, named].filter((part) => part !== '').join(' ');
}
