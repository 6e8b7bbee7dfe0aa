// Rows as JSON Lines and CSV. In a CSV no value is a formula to a spreadsheet, and none breaks a line.

import { toBase64 } from '../proof/bytes.ts';
import { targetWords, type Row } from './row.ts';

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
  'written_by',
  'event_id',
  'trace_id',
  'request_id',
  'session_id',
  'correlation_id',
  'labels',
  'record_hash',
] as const;

/** Nanoseconds since 1970 as RFC 3339 in UTC, with all nine digits. */
export function timeOfNs(ns: string): string {
  const time = BigInt(ns);
  const date = new Date(Number(time / 1_000_000n));
  if (Number.isNaN(date.getTime())) return `${ns} ns`;
  return (
    date.toISOString().slice(0, 19) +
    '.' +
    (time % 1_000_000_000n).toString().padStart(9, '0') +
    'Z'
  );
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
  return '"' + (formula ? "'" : '') + oneLine.replaceAll('"', '""') + '"';
}

export function csvLine(row: Row): string {
  const cells: Record<(typeof csvColumns)[number], string> = {
    index: String(row.index),
    received_at: timeOfNs(row.receivedNs),
    occurred_at: row.occurredMs === undefined ? '' : new Date(row.occurredMs).toISOString(),
    outcome: row.outcome,
    actor_id: row.actorId,
    actor_type: row.actorType,
    actor_name: row.actorName,
    action: row.action,
    targets: row.targets.map(targetWords).join('; '),
    reason: row.reason,
    service: row.service,
    ip: row.ip,
    written_by: row.writtenBy,
    event_id: row.eventId,
    trace_id: row.traceId,
    request_id: row.requestId,
    session_id: row.sessionId,
    correlation_id: row.correlationId,
    labels: row.labels.map(([key, value]) => `${key}=${value}`).join('; '),
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
  return (
    JSON.stringify({
      ...rest,
      receivedAt: timeOfNs(receivedNs),
      occurredAt: occurredMs === undefined ? null : new Date(occurredMs).toISOString(),
      unknownFields,
      recordHash: hash,
      record: toBase64(bytes),
    }) + '\n'
  );
}
