// Rows as JSON Lines and CSV. In a CSV no value is a formula to a spreadsheet, and none breaks a line. Characters that are
// invisible or turn the direction of writing stand in both as \\u and four digits.

import { toBase64 } from '../proof/bytes.ts';
import { hiddenOf } from './hidden.ts';
import { targetWords, type Row } from './row.ts';
import { escapeHidden } from './safety.ts';
import { plainMessage, recordTree, type Plain } from './tree.ts';

export const csvColumns = [
  'index',
  'received_at',
  'occurred_at',
  'outcome',
  'actor_id',
  'actor_type',
  'actor_name',
  'action',
  'targets',
  'reason',
  'service',
  'ip',
  'user_agent',
  'written_by',
  'event_id',
  'trace_id',
  'span_id',
  'request_id',
  'session_id',
  'correlation_id',
  'labels',
  'producer',
  'details',
  'record_hash',
] as const;

/** Nanoseconds since 1970 as RFC 3339 in UTC, with all nine digits. */
export function timeOfNs(ns: string): string {
  const time = BigInt(ns);
  const below = ((time % second) + second) % second;
  const date = new Date(Number((time - below) / 1_000_000n));
  if (Number.isNaN(date.getTime())) return `${ns} ns`;
  return date.toISOString().replace(/\.000Z$/, `.${below.toString().padStart(9, '0')}Z`);
}

const second = 1_000_000_000n;

// A row has milliseconds; the bytes have what was said.
function occurredText(row: Row): string {
  if (row.occurredMs === undefined) return '';
  const { occurredNs } = hiddenOf(row.bytes);
  return occurredNs === 0n && row.occurredMs !== 0
    ? new Date(row.occurredMs).toISOString()
    : timeOfNs(String(occurredNs));
}

const jsonText = (value: Plain | undefined): string =>
  value === undefined ? '' : JSON.stringify(value);

// What a row does not keep: read from its bytes.
function restOf(row: Row): { userAgent: string; producer: string; details: string } {
  type Members = Readonly<Record<string, Plain | undefined>>;
  const { event } = plainMessage(recordTree(row.bytes)) as unknown as { event?: Members };
  const source = event?.['source'] as Members | undefined;
  return {
    userAgent: String(source?.['userAgent'] ?? ''),
    producer: jsonText(event?.['producer']),
    details: jsonText(event?.['detailsStruct'] ?? event?.['detailsAny']),
  };
}

/**
 * One cell. Spreadsheets take a value for a formula that begins with = + - @, a tab or a carriage return, also behind
 * white space and in their full-width forms: such a value gets an apostrophe in front. Quoted always, so that commas and
 * separators of other countries are harmless.
 */
export function csvCell(value: string): string {
  const oneLine = value.replace(/[\r\n\u2028\u2029\u0085\v\f]+/g, ' ').replace(/\0/g, '');
  const formula =
    /^[\s\u00a0\ufeff'"]*[=+\-@|%\uff1d\uff0b\uff0d\uff20]/u.test(oneLine) ||
    /^[\t\r\n]/.test(value);
  return '"' + (formula ? "'" : '') + escapeHidden(oneLine).replaceAll('"', '""') + '"';
}

export function csvLine(row: Row): string {
  const rest = restOf(row);
  const cells: Record<(typeof csvColumns)[number], string> = {
    index: String(row.index),
    received_at: timeOfNs(row.receivedNs),
    occurred_at: occurredText(row),
    outcome: row.outcome,
    actor_id: row.actorId,
    actor_type: row.actorType,
    actor_name: row.actorName,
    action: row.action,
    targets: row.targets.map(targetWords).join('; '),
    reason: row.reason,
    service: row.service,
    ip: row.ip,
    user_agent: rest.userAgent,
    written_by: row.writtenBy,
    event_id: row.eventId,
    trace_id: row.traceId,
    span_id: row.spanId,
    request_id: row.requestId,
    session_id: row.sessionId,
    correlation_id: row.correlationId,
    labels: row.labels.map(([key, value]) => `${key}=${value}`).join('; '),
    producer: rest.producer,
    details: rest.details,
    record_hash: row.hash,
  };
  return csvColumns.map((column) => csvCell(cells[column])).join(',') + '\r\n';
}

/** With the exact bytes, so that whoever reads it can check it. */
export function jsonLine(row: Row): string {
  const {
    bytes,
    detailText: _,
    receivedMs: __,
    occurredMs,
    unknownFields,
    hash,
    receivedNs,
    ...rest
  } = row;
  const text = escapeHidden(
    JSON.stringify({
      ...rest,
      receivedAt: timeOfNs(receivedNs),
      occurredAt: occurredMs === undefined ? null : occurredText(row),
      unknownFields,
      recordHash: hash,
      record: toBase64(bytes),
    }),
  );
  return text + '\n';
}
