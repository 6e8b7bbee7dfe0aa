// A search: by the server's index where it has one, otherwise by reading the log here, newest first, and matching each
// record. Either way a row is decoded from the record's bytes; only counts of the server are its word.

import { ApiError, bytesOf, countOf, getRecords, HttpDoor, type Json } from './api/client.ts';
import type { Shown } from './engine/answer.ts';
import type { Explained, Linked } from './engine/protocol.ts';
import type { Link } from './link.ts';
import { matcher } from './record/matcher.ts';
import { withTerm } from './record/narrow.ts';
import { parseQuery } from './record/query.ts';
import { outcomes, type Outcome } from './record/schema.ts';
import type { Row } from './record/row.ts';
import { daysBetween, type Zone } from './time.ts';

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

export interface SearchState {
  /** Who finds the rows: nobody knows yet, the server's index, or this page by reading. */
  by: 'nobody' | 'server' | 'page';
  running: boolean;
  error: ApiError | undefined;
  count: number;
  exact: boolean;
  treeSize: number;
  /** Read here: how many records so far. */
  scanned: number;
  buckets: Bucket[];
  bucketMs: number;
  facets: Facet[];
  facetsExact: boolean;
  canonical: string;
}

export interface Statement {
  text: string;
  key: string;
  explained: Explained;
}

export type Order = 'newest' | 'oldest';

export const facetFields = [
  'outcome',
  'actor.id',
  'action',
  'service',
  'target.type',
  'ip',
  'written_by',
] as const;

const pageRows = 200;
const foundMax = 200_000;
const bucketCount = 60;
const facetTop = 10;
const withinTop = 20;
// Of these many days each gets a bar. More would not go into the line of a request.
const dayMs = 86_400_000;
const daysMin = 14;
const daysMax = 100;

const noRows = (): Record<Outcome, number> => ({ unknown: 0, success: 0, failure: 0, denied: 0 });

export interface Range {
  /** Milliseconds since 1970, the second one excluded. */
  readonly from: number;
  readonly to: number;
}

/** The range of an address, if it is whole. */
export function rangeOf(from: string, to: string): Range | undefined {
  const range = { from: Date.parse(from), to: Date.parse(to) };
  return Number.isNaN(range.from) || Number.isNaN(range.to) ? undefined : range;
}

/** A query and its range as one query. */
export function withRange(query: string, range: Range | undefined): string {
  return range === undefined ? query : withTerm(query, timeTerm(range));
}

export class Search {
  readonly log: string;
  readonly query: string;
  readonly order: Order;
  state: SearchState = {
    by: 'nobody',
    running: true,
    error: undefined,
    count: 0,
    exact: false,
    treeSize: 0,
    scanned: 0,
    buckets: [],
    bucketMs: 0,
    facets: [],
    facetsExact: false,
    canonical: '',
  };
  readonly #link: Link;
  readonly #door: HttpDoor;
  readonly #range: Range | undefined;
  readonly #changed: () => void;
  readonly #zone: Zone;
  readonly #rows = new Map<number, Row>();
  readonly #asked = new Set<number>();
  readonly #end = new AbortController();
  #found: Row[] = [];
  /** Of each field each value, of what was read here. */
  readonly #counts = new Map<string, Map<string, number>>(
    facetFields.map((field) => [field, new Map<string, number>()]),
  );
  #treeSize: number | undefined;

  constructor(
    link: Link,
    log: string,
    query: string,
    order: Order,
    range: Range | undefined,
    here: boolean,
    zone: Zone,
    changed: () => void,
  ) {
    this.#link = link;
    this.#door = new HttpDoor(link.base, () => link.token);
    this.log = log;
    this.order = order;
    this.#range = range;
    this.#zone = zone;
    this.#changed = changed;
    this.query = withRange(query, range);
    void this.#run(here);
  }

  stop(): void {
    this.#end.abort();
  }

  /** The row at a position of the result; undefined until it is there. */
  row(position: number): Row | undefined {
    return this.state.by === 'page'
      ? this.#found[this.order === 'newest' ? position : this.#found.length - 1 - position]
      : this.#rows.get(position);
  }

  /** Sees to it that the rows [first, end) come. */
  want(first: number, end: number): void {
    if (this.state.by !== 'server') return;
    for (
      let page = Math.floor(first / pageRows);
      page * pageRows < Math.min(end, this.state.count);
      page++
    ) {
      if (!this.#asked.has(page)) void this.#fetchPage(page);
    }
  }

  async #run(here: boolean): Promise<void> {
    try {
      if (here) await this.#scan();
      else await this.#begin();
    } catch (error) {
      if (error instanceof ApiError && error.reason === 'ROUTE_NOT_FOUND') {
        await this.#scan().catch((failed: unknown) => this.#failed(failed));
      } else this.#failed(error);
    }
    this.state = { ...this.state, running: false };
    this.#changed();
  }

  #failed(error: unknown): void {
    this.state = {
      ...this.state,
      running: false,
      error: error instanceof ApiError ? error : new ApiError(0, 'PAGE', String(error)),
    };
    this.#changed();
  }

  #address(parameters: Record<string, string>): string {
    return new URLSearchParams({ q: this.query, ...parameters }).toString();
  }

  // ---- by the server ---------------------------------------------------------------------------------------------

  async #begin(): Promise<void> {
    await this.#fetchPage(0);
    const treeSize = String(this.#treeSize ?? 0);
    await Promise.all([this.#histogram(treeSize), this.#facets(treeSize)]);
  }

  // An answer may end before its limit, when the server's time is up: then its cursor goes on.
  async #fetchPage(page: number): Promise<void> {
    this.#asked.add(page);
    const begin = page * pageRows;
    let parameters: Record<string, string> = page === 0 ? {} : { from_ordinal: String(begin) };
    let got = 0;
    while (got < pageRows && !this.#end.signal.aborted) {
      parameters = { ...parameters, order: this.order, limit: String(pageRows - got) };
      if (this.#treeSize !== undefined) parameters['size'] = String(this.#treeSize);
      let answer: Json;
      try {
        answer = await this.#door.getJson(
          `logs/${this.log}/search?${this.#address(parameters)}`,
          true,
        );
      } catch (error) {
        this.#asked.delete(page);
        if (page === 0 && got === 0) throw error;
        return;
      }
      if (this.#end.signal.aborted) return;
      const rows = await this.#decode(answer['records']);
      rows.forEach((row, i) => this.#rows.set(begin + got + i, row));
      got += rows.length;
      this.#takeCount(answer, begin + got);
      const cursor = String(answer['nextCursor'] ?? '');
      if (cursor === '') break;
      parameters = { cursor };
    }
    if (this.#rows.size > 20_000) this.#forgetFar(page);
  }

  #takeCount(answer: Json, seen: number): void {
    const count = answer['count'] as Json | undefined;
    this.#treeSize = countOf(answer['treeSize'], 'treeSize');
    const said = count === undefined ? 0 : countOf(count['value'], 'count');
    const exact = count?.['exact'] === true;
    this.state = {
      ...this.state,
      by: 'server',
      // What is exact once stays so: the tree that is searched does not change.
      count: exact
        ? said
        : this.state.exact
          ? this.state.count
          : Math.max(said, seen, this.state.count),
      exact: exact || this.state.exact,
      treeSize: this.#treeSize,
      canonical: String(answer['query'] ?? ''),
    };
    this.#changed();
  }

  #forgetFar(page: number): void {
    for (const position of this.#rows.keys()) {
      const other = Math.floor(position / pageRows);
      if (Math.abs(other - page) < 40) continue;
      this.#rows.delete(position);
      this.#asked.delete(other);
    }
  }

  async #decode(list: unknown): Promise<Row[]> {
    if (!Array.isArray(list))
      throw new ApiError(200, 'BAD_ANSWER', "the answer's records are no list");
    const records = (list as Json[]).map((one) => ({
      index: countOf(one['index'], 'index'),
      bytes: bytesOf(one['record'], 'record') as Uint8Array,
    }));
    return this.#link.ask<Row[]>({ call: 'decode', log: this.log, records });
  }

  async #histogram(size: string): Promise<void> {
    try {
      const ask = (range: { from: number; to: number } | undefined): Promise<Json> => {
        const times: Record<string, string> =
          range === undefined
            ? {}
            : { from: new Date(range.from).toISOString(), to: new Date(range.to).toISOString() };
        return this.#door.getJson(
          `logs/${this.log}/histogram?${this.#address({ ...times, buckets: String(bucketCount), by: 'outcome', size })}`,
          true,
        );
      };
      let answer = await ask(this.#range);
      if (this.#range === undefined && Number(answer['bucketNs']) < 1e9) {
        // All within a minute, or even a millisecond: then the minute around it, second by second.
        const from =
          Math.floor((timeOfAnswer(answer['from']) + timeOfAnswer(answer['to'])) / 2000) * 1000 -
          30_000;
        if (!Number.isNaN(from)) answer = await ask({ from, to: from + 60_000 });
      }
      answer = (await this.#byDays(answer, size)) ?? answer;
      const list = answer['buckets'];
      if (!Array.isArray(list)) return;
      const buckets = (list as Json[]).map((one) => {
        const counts = noRows();
        for (const [name, value] of Object.entries((one['counts'] ?? {}) as Json)) {
          const outcome =
            outcomes.find((known) => known === name.toLowerCase().replace(/^outcome_/, '')) ??
            'unknown';
          counts[outcome] += Number(value);
        }
        return { start: timeOfAnswer(one['start']), counts };
      });
      this.state = { ...this.state, buckets, bucketMs: Number(answer['bucketNs'] ?? 0) / 1e6 };
      this.#changed();
    } catch {
      // Rows without a histogram are still rows.
    }
  }

  // Weeks are seen day by day, as days are where the reader is, and not in stretches that cut through them.
  async #byDays(answer: Json, size: string): Promise<Json | undefined> {
    const [from, to] = [timeOfAnswer(answer['from']), timeOfAnswer(answer['to'])];
    const days = (to - from) / dayMs;
    if (Number.isNaN(days) || days < daysMin || days > daysMax) return undefined;
    const at = daysBetween(from - dayMs, to + dayMs, this.#zone)
      .map((day) => `${new Date(day).toISOString().slice(0, 16)}Z`)
      .join();
    return this.#door
      .getJson(`logs/${this.log}/histogram?${this.#address({ at, by: 'outcome', size })}`, true)
      .catch(() => undefined);
  }

  /** Of all values of a field, those that contain `text`, whatever the case of its ASCII letters. */
  async within(field: string, text: string): Promise<Facet> {
    if (this.state.by === 'page') {
      const sought = lowerAscii(text);
      const own = [...(this.#counts.get(field) ?? [])];
      return facetOf(
        field,
        own.filter(([value]) => lowerAscii(value).includes(sought)),
        withinTop,
      );
    }
    const query = this.#address({
      top: String(withinTop),
      size: String(this.state.treeSize),
      field,
      contains: text,
    });
    const answer = await this.#door.getJson(`logs/${this.log}/facets?${query}`, true);
    const list = answer['facets'];
    if (!Array.isArray(list) || list.length !== 1)
      throw new ApiError(200, 'BAD_ANSWER', 'the answer has no values of the field');
    return facetOfAnswer(list[0] as Json);
  }

  async #facets(size: string): Promise<void> {
    try {
      const query = this.#address({ top: String(facetTop), size, field: facetFields.join() });
      const answer = await this.#door.getJson(`logs/${this.log}/facets?${query}`, true);
      const list = answer['facets'];
      if (!Array.isArray(list)) return;
      const facets = (list as Json[]).map(facetOfAnswer);
      const exact = answer['exact'] === true;
      const all =
        exact && !this.state.exact ? { count: countOf(answer['matches'], 'matches'), exact } : {};
      this.state = { ...this.state, facets, facetsExact: exact, ...all };
      this.#changed();
    } catch {
      // As above.
    }
  }

  // ---- by reading ------------------------------------------------------------------------------------------------

  // From the newest record back. Each page links to the one after it, and the last record is looked up in the signed tree: so
  // what was read is the whole log, and nothing was left out of it.
  async #scan(): Promise<void> {
    const matches = matcher(parseQuery(this.query));
    const size = (await getRecords(this.#door, this.log, 0, 1, true)).size;
    this.state = { ...this.state, by: 'page', treeSize: size, exact: false };
    const counts = this.#counts;
    let end = size;
    let next: string | undefined;
    while (end > 0 && this.#found.length < foundMax && !this.#end.signal.aborted) {
      const first = Math.max(0, end - 1000);
      const { rows, link } = await this.#read(first, end);
      const last = rows[rows.length - 1]!;
      const fits =
        next === undefined
          ? await this.#link.ask<boolean>({
              call: 'cover',
              log: this.log,
              index: last.index,
              hash: last.hash,
            })
          : last.hash === next;
      if (!fits) throw new ApiError(200, 'CONTRADICTION', `record ${last.index} does not fit`);
      next = link;
      for (let i = rows.length - 1; i >= 0; i--) {
        const row = rows[i]!;
        if (!matches(row)) continue;
        this.#found.push(row);
        countFacets(counts, row);
      }
      end = first;
      this.state = {
        ...this.state,
        count: this.#found.length,
        scanned: size - end,
        exact: end === 0,
        ...histogramOf(this.#found),
        facets: facetsOf(counts),
        facetsExact: end === 0,
      };
      this.#changed();
    }
    if (size === 0) this.state = { ...this.state, exact: true };
  }

  async #read(first: number, end: number): Promise<Linked> {
    const records: Uint8Array[] = [];
    while (first + records.length < end) {
      const at = first + records.length;
      const page = await getRecords(this.#door, this.log, at, end - at);
      if (page.records.length === 0)
        throw new ApiError(200, 'BAD_ANSWER', 'the server shows no records where it has some');
      records.push(...page.records.slice(0, end - at));
    }
    return this.#link.ask<Linked>({ call: 'chain', log: this.log, first, records });
  }

  /** All rows of the answer in its order, page by page, for an export. Ends early when `signal` says so. */
  async *all(signal: AbortSignal): AsyncGenerator<Row[]> {
    if (this.state.by === 'page') {
      const rows = this.order === 'newest' ? this.#found : this.#found.toReversed();
      for (let at = 0; at < rows.length && !signal.aborted; at += 1000)
        yield rows.slice(at, at + 1000);
      return;
    }
    let cursor = '';
    while (!signal.aborted) {
      const parameters: Record<string, string> = {
        order: this.order,
        limit: '1000',
        size: String(this.state.treeSize),
      };
      if (cursor !== '') parameters['cursor'] = cursor;
      const answer = await this.#door.getJson(
        `logs/${this.log}/search?${this.#address(parameters)}`,
        true,
      );
      const rows = await this.#decode(answer['records']);
      if (rows.length > 0) yield rows;
      cursor = String(answer['nextCursor'] ?? '');
      if (cursor === '') return;
    }
  }

  /** The server's signed word for the whole answer, held against what is known here. */
  async statement(): Promise<Statement> {
    const { by, treeSize, canonical, exact, count } = this.state;
    const { text, key } = await this.#door.getStatement(
      `logs/${this.log}/statement?${this.#address({ size: String(treeSize) })}`,
    );
    const shown: Shown = {
      query: canonical === '' ? this.query : canonical,
      treeSize,
      count: exact ? count : undefined,
      matches:
        by === 'page' && exact ? this.#found.map((row) => row.index).toReversed() : undefined,
      answerKey: key,
    };
    const explained = await this.#link.ask<Explained>({
      call: 'answer',
      log: this.log,
      text,
      shown,
    });
    return { text, key, explained };
  }
}

export const timeTerm = (range: { from: number; to: number }): string =>
  `time:${new Date(range.from).toISOString()}..${new Date(range.to).toISOString()}`;

// RFC 3339, or nanoseconds since 1970.
function timeOfAnswer(value: unknown): number {
  const text = String(value);
  return /^\d+$/.test(text) ? Number(BigInt(text) / 1_000_000n) : Date.parse(text);
}

function countFacets(counts: Map<string, Map<string, number>>, row: Row): void {
  const values: Record<string, string[]> = {
    outcome: [row.outcome],
    'actor.id': [row.actorId],
    action: [row.action],
    service: [row.service],
    'target.type': row.targets.map((target) => target.type),
    ip: [row.ip],
    written_by: [row.writtenBy],
  };
  for (const [field, own] of counts) {
    for (const value of new Set(values[field]))
      if (value !== '') own.set(value, (own.get(value) ?? 0) + 1);
  }
}

const facetOfAnswer = (one: Json): Facet => ({
  field: String(one['field']),
  values: ((one['values'] ?? []) as Json[]).map((pair) => ({
    value: String(pair['value']),
    count: Number(pair['count']),
  })),
  others: Number(one['others'] ?? 0),
});

const lowerAscii = (text: string): string =>
  text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());

function facetOf(field: string, own: [string, number][], top: number): Facet {
  const sorted = own.sort((a, b) => b[1] - a[1]);
  return {
    field,
    values: sorted.slice(0, top).map(([value, count]) => ({ value, count })),
    others: sorted.slice(top).reduce((sum, [, count]) => sum + count, 0),
  };
}

const facetsOf = (counts: Map<string, Map<string, number>>): Facet[] =>
  [...counts].map(([field, own]) => facetOf(field, [...own], facetTop));

/** Sixty even pieces of the time that the rows span. */
export function histogramOf(rows: readonly Row[]): { buckets: Bucket[]; bucketMs: number } {
  if (rows.length === 0) return { buckets: [], bucketMs: 0 };
  const newest = rows[0]!.receivedMs;
  const oldest = rows[rows.length - 1]!.receivedMs;
  const bucketMs = Math.max(1000, Math.ceil((newest - oldest + 1) / bucketCount / 1000) * 1000);
  const from = Math.floor(oldest / bucketMs) * bucketMs;
  const count = Math.floor((newest - from) / bucketMs) + 1;
  const buckets = Array.from({ length: count }, (_, i) => ({
    start: from + i * bucketMs,
    counts: noRows(),
  }));
  for (const row of rows)
    buckets[Math.floor((row.receivedMs - from) / bucketMs)]!.counts[row.outcome]++;
  return { buckets, bucketMs };
}
