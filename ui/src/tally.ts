// What matches while the page reads a log from its newest record back: all of it is counted, and the newest of it kept as rows.

import { outcomes, type Outcome } from './record/schema.ts';
import type { Row } from './record/row.ts';

export interface Bucket {
  /** Milliseconds since 1970. */
  start: number;
  counts: Record<Outcome, number>;
}

export interface Facet {
  field: string;
  values: { value: string; count: number }[];
  others: number;
}

export const facetFields = [
  'outcome',
  'actor.id',
  'action',
  'service',
  'target.type',
  'ip',
  'written_by',
] as const;

export const bucketCount = 60;
export const facetTop = 10;
export const withinTop = 20;

export const noRows = (): Record<Outcome, number> => ({
  unknown: 0,
  success: 0,
  failure: 0,
  denied: 0,
});

const lowerAscii = (text: string): string =>
  text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());

export class Tally {
  readonly #keptMax: number;
  readonly #bytesMax: number;
  #bytes = 0;
  #full = false;
  readonly #kept: Row[] = [];
  /** Of all, the newest first. */
  readonly #indexes: number[] = [];
  /** Of each field each value. */
  readonly #values = new Map<string, Map<string, number>>(
    facetFields.map((field) => [field, new Map<string, number>()]),
  );
  // By the second, which is what the smallest bucket spans.
  readonly #seconds = new Map<number, Record<Outcome, number>>();

  /** Of the rows that are kept: how many, and of how many bytes together. */
  constructor(keptMax: number, bytesMax: number) {
    this.#keptMax = keptMax;
    this.#bytesMax = bytesMax;
  }

  get count(): number {
    return this.#indexes.length;
  }

  /** The newest so many of all are rows here. */
  get kept(): number {
    return this.#kept.length;
  }

  /** Indexes of all, the oldest first. */
  get indexes(): number[] {
    return this.#indexes.toReversed();
  }

  rows(order: 'newest' | 'oldest'): readonly Row[] {
    return order === 'newest' ? this.#kept : this.#kept.toReversed();
  }

  row(position: number, order: 'newest' | 'oldest'): Row | undefined {
    return this.#kept[order === 'newest' ? position : this.#kept.length - 1 - position];
  }

  /** Each older than the one before. */
  take(row: Row): void {
    this.#indexes.push(row.index);
    this.#keep(row);
    const second = Math.floor(row.receivedMs / 1000);
    let counts = this.#seconds.get(second);
    if (counts === undefined) this.#seconds.set(second, (counts = noRows()));
    counts[row.outcome]++;
    this.#count(row);
  }

  // No row is kept behind one that is not: those that are, are the newest.
  #keep(row: Row): void {
    this.#bytes += row.bytes.length;
    this.#full ||= this.#kept.length >= this.#keptMax || this.#bytes > this.#bytesMax;
    if (!this.#full) this.#kept.push(row);
  }

  #count(row: Row): void {
    const values: Record<string, string[]> = {
      outcome: [row.outcome],
      'actor.id': [row.actorId],
      action: [row.action],
      service: [row.service],
      'target.type': row.targets.map((target) => target.type),
      ip: [row.ip],
      written_by: [row.writtenBy],
    };
    for (const [field, own] of this.#values) {
      for (const value of new Set(values[field]))
        if (value !== '') own.set(value, (own.get(value) ?? 0) + 1);
    }
  }

  /** Values of a field that contain `text`, whatever the case of its ASCII letters. */
  within(field: string, text: string): Facet {
    const sought = lowerAscii(text);
    const own = [...(this.#values.get(field) ?? [])];
    return facetOf(
      field,
      own.filter(([value]) => lowerAscii(value).includes(sought)),
      withinTop,
    );
  }

  facets(): Facet[] {
    return [...this.#values].map(([field, own]) => facetOf(field, own, facetTop));
  }

  /** Sixty even pieces of the time that all span. */
  histogram(): { buckets: Bucket[]; bucketMs: number } {
    if (this.#seconds.size === 0) return { buckets: [], bucketMs: 0 };
    let [oldest, newest] = [Infinity, -Infinity];
    for (const second of this.#seconds.keys()) {
      oldest = Math.min(oldest, second);
      newest = Math.max(newest, second);
    }
    const each = Math.max(1, Math.ceil((newest - oldest + 1) / bucketCount));
    const from = Math.floor(oldest / each) * each;
    const buckets = Array.from({ length: Math.floor((newest - from) / each) + 1 }, (_, i) => ({
      start: (from + i * each) * 1000,
      counts: noRows(),
    }));
    for (const [second, counts] of this.#seconds) {
      const bucket = buckets[Math.floor((second - from) / each)]!;
      for (const outcome of outcomes) bucket.counts[outcome] += counts[outcome];
    }
    return { buckets, bucketMs: each * 1000 };
  }
}

// Of some hundred thousand values a few are shown: the others are passed over once, and not sorted.
function facetOf(field: string, own: Iterable<[string, number]>, top: number): Facet {
  const best: { value: string; count: number }[] = [];
  let others = 0;
  for (const [value, count] of own) {
    others += count;
    if (best.length === top && best[top - 1]!.count >= count) continue;
    const at = best.findIndex((one) => one.count < count);
    best.splice(at < 0 ? best.length : at, 0, { value, count });
    if (best.length > top) best.pop();
  }
  for (const { count } of best) others -= count;
  return { field, values: best, others };
}
