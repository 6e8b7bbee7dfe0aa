// A search: by the server's index where it has one, otherwise by reading the log here, newest first, and matching each
// record. Either way a row is decoded from the record's bytes; only counts of the server are its word.

import { ApiError, countOf, getRecords, HttpDoor, type Json } from './api/client.ts';
import type { Shown } from './engine/answer.ts';
import type { Sought } from './engine/found.ts';
import type { Explained, Linked } from './engine/protocol.ts';
import { askFound, type Page } from './found.ts';
import type { Link } from './link.ts';
import { matcher } from './record/matcher.ts';
import { withTerm } from './record/narrow.ts';
import { parseQuery } from './record/query.ts';
import { outcomes } from './record/schema.ts';
import { bytesOf, type Row } from './record/row.ts';
import { thousands } from './numbers.ts';
import {
  bucketCount,
  facetFields,
  facetTop,
  noRows,
  Tally,
  withinTop,
  type Bucket,
  type Facet,
} from './tally.ts';
import { daysBetween, type Zone } from './time.ts';

export type { Bucket, Facet };

export interface SearchState {
  /** Who finds the rows: nobody knows yet, the server's index, or this page by reading. */
  by: 'nobody' | 'server' | 'page';
  running: boolean;
  error: ApiError | undefined;
  count: number;
  exact: boolean;
  /** Of those read here so many are rows, the newest; of the server's, all are. */
  kept: number | undefined;
  treeSize: number;
  /** Of the tree that was checked here when it began; undefined: not known yet. */
  checkedSize: number | undefined;
  /** Read here: how many records so far. */
  scanned: number;
  buckets: Bucket[];
  bucketMs: number;
  /** Why the buckets are not all of it, or are not there. */
  bucketsLack: string | undefined;
  facets: Facet[];
  facetsExact: boolean;
  canonical: string;
  /** Rows that this browser judges otherwise, because of characters that not everybody knows the same of. */
  doubted: number;
}

export interface Statement {
  text: string;
  key: string;
  explained: Explained;
}

export type Order = 'newest' | 'oldest';

const pageRows = 200;
// Rows of what the page reads itself; what matches beyond is counted.
const keptMax = 200_000;
// Records may have 65,000 bytes each.
const rowBytesMax = 64 << 20;
const rowsMax = 20_000;
// While the page reads, sums of what it has read are made so often.
const sumsEveryMs = 500;
// Of these many days each gets a bar. More would not go into the line of a request.
const dayMs = 86_400_000;
const daysMin = 14;
const daysMax = 100;

export interface Range {
  /** Milliseconds since 1970, the second one excluded. */
  readonly from: number;
  readonly to: number;
}

/** The range of an address: undefined for none, and a sentence where it is not a range. */
export function rangeOf(from: string, to: string): Range | string | undefined {
  if (from === '' && to === '') return undefined;
  if (from === '' || to === '')
    return `The address has ${from === '' ? 'an end (t2) of a range of time and no beginning (t1)' : 'a beginning (t1) of a range of time and no end (t2)'}.`;
  const range = { from: Date.parse(from), to: Date.parse(to) };
  const wrong = Number.isNaN(range.from) ? 't1' : Number.isNaN(range.to) ? 't2' : undefined;
  if (wrong !== undefined)
    return `${wrong} in the address is not a valid time, e.g. 2026-11-25T12:00:00Z.`;
  if (range.from >= range.to)
    return 'The range of time of the address ends (t2) before it begins (t1).';
  return range;
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
    kept: undefined,
    treeSize: 0,
    checkedSize: undefined,
    scanned: 0,
    buckets: [],
    bucketMs: 0,
    bucketsLack: undefined,
    facets: [],
    facetsExact: false,
    canonical: '',
    doubted: 0,
  };
  readonly #link: Link;
  readonly #door: HttpDoor;
  readonly #range: Range | undefined;
  readonly #changed: () => void;
  readonly #zone: Zone;
  readonly #rows = new Map<number, Row>();
  #rowBytes = 0;
  readonly #asked = new Set<number>();
  readonly #doubted = new Set<number>();
  readonly #end = new AbortController();
  readonly #tally = new Tally(keptMax, rowBytesMax);
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
      ? this.#tally.row(position, this.order)
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
    const checkedSize = await this.#link.ask<number>({ call: 'size', log: this.log });
    this.state = { ...this.state, checkedSize };
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
      const at = begin + got;
      let found: Page;
      try {
        found = await this.#ask(parameters, pageRows - got, {
          before: this.#rows.get(at - 1)?.index,
          behind: this.#rows.get(begin + pageRows)?.index,
        });
      } catch (error) {
        this.#asked.delete(page);
        if (page === 0 && got === 0) throw error;
        // What is not to be had now may be later; what does not fit is said.
        if (error instanceof ApiError && error.reason === 'CONTRADICTION') this.#failed(error);
        return;
      }
      if (this.#end.signal.aborted) return;
      found.rows.forEach((row, i) => this.#rows.set(at + i, row));
      this.#rowBytes += bytesOf(found.rows);
      got += found.rows.length;
      this.#takeCount(found.answer, begin + got);
      const cursor = String(found.answer['nextCursor'] ?? '');
      if (cursor === '') break;
      parameters = { cursor };
    }
    for (const near of [40, 10, 3]) {
      if (this.#rows.size > rowsMax || this.#rowBytes > rowBytesMax) this.#forgetFar(page, near);
    }
  }

  /** Whether the row at a position is in the signed tree. One that is not is asked for once more before it counts. */
  async covers(position: number, row: Row): Promise<boolean> {
    const { log } = this;
    const look = ({ index, hash }: Row): Promise<boolean> =>
      this.#link.ask<boolean>({ call: 'cover', log, index, hash });
    if (await look(row)) return true;
    if (this.state.by !== 'server') return false;
    const beside = { before: undefined, behind: undefined };
    const { rows } = await this.#ask({ from_ordinal: String(position) }, 1, beside);
    const second = rows[0];
    if (second === undefined) return false;
    if (second.hash !== row.hash) {
      this.#rows.set(position, second);
      if (await look(second)) return false;
    }
    const { index, bytes } = second;
    return this.#link.ask<boolean>({ call: 'foreign', log, index, record: bytes });
  }

  async #ask(
    more: Record<string, string>,
    limit: number,
    beside: Pick<Sought, 'before' | 'behind'>,
  ): Promise<Page> {
    const { query, order, log } = this;
    const treeSize = this.#treeSize;
    const parameters = new URLSearchParams({ q: query, ...more, order, limit: String(limit) });
    if (treeSize !== undefined) parameters.set('size', String(treeSize));
    const parts = { link: this.#link, door: this.#door, log };
    const page = await askFound(parts, parameters, { query, order, treeSize, ...beside });
    if (page.doubted.length > 0) {
      for (const index of page.doubted) this.#doubted.add(index);
      this.state = { ...this.state, doubted: this.#doubted.size };
    }
    return page;
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

  #forgetFar(page: number, near: number): void {
    for (const position of this.#rows.keys()) {
      const other = Math.floor(position / pageRows);
      if (Math.abs(other - page) < near) continue;
      this.#rows.delete(position);
      this.#asked.delete(other);
    }
    this.#rowBytes = bytesOf([...this.#rows.values()]);
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
      if (!Array.isArray(list)) throw new ApiError(200, 'BAD_ANSWER', 'the answer has no buckets');
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
      const bucketsLack =
        answer['exact'] === true ? undefined : 'partial: the server did not count all of it';
      const bucketMs = Number(answer['bucketNs'] ?? 0) / 1e6;
      this.state = { ...this.state, buckets, bucketMs, bucketsLack };
      this.#changed();
    } catch (error) {
      // Rows without a histogram are still rows.
      const why = error instanceof Error ? error.message : String(error);
      this.state = { ...this.state, bucketsLack: `no histogram: ${why}` };
      this.#changed();
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
    if (this.state.by === 'page') return this.#tally.within(field, text);
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

  // From the last record of the tree that was checked here back: how long the log is, is not the server's word. Each page
  // links to the one after it, and the last record is looked up in the signed tree: so what was read is the whole log, and
  // nothing was left out of it.
  async #scan(): Promise<void> {
    const matches = matcher(parseQuery(this.query));
    const size = await this.#link.ask<number>({ call: 'size', log: this.log });
    this.state = { ...this.state, by: 'page', treeSize: size, checkedSize: size, exact: false };
    const tally = this.#tally;
    let end = size;
    let next: string | undefined;
    let summed = 0;
    while (end > 0 && !this.#end.signal.aborted) {
      const first = Math.max(0, end - 1000);
      const { rows, link } = await this.#linked(first, end, next);
      next = link;
      for (let i = rows.length - 1; i >= 0; i--) {
        if (matches(rows[i]!)) tally.take(rows[i]!);
      }
      end = first;
      const sums = end === 0 || Date.now() - summed >= sumsEveryMs;
      this.state = {
        ...this.state,
        count: tally.count,
        kept: tally.kept,
        scanned: size - end,
        exact: end === 0,
        ...(sums && { ...tally.histogram(), facets: tally.facets(), facetsExact: end === 0 }),
      };
      if (sums) summed = Date.now();
      this.#changed();
    }
    if (size === 0) this.state = { ...this.state, exact: true };
  }

  // What does not fit is read once more, past all caches, before it counts.
  async #linked(first: number, end: number, next: string | undefined): Promise<Linked> {
    const read = async (again: boolean): Promise<Linked> => {
      const records = await this.#read(first, end, again);
      return this.#link.ask<Linked>({ call: 'chain', log: this.log, first, records, next, again });
    };
    try {
      return await read(false);
    } catch (error) {
      if (!(error instanceof ApiError) || error.reason !== 'MISFIT') throw error;
      return read(true);
    }
  }

  async #read(first: number, end: number, fresh: boolean): Promise<Uint8Array[]> {
    const records: Uint8Array[] = [];
    while (first + records.length < end) {
      const at = first + records.length;
      const page = await getRecords(this.#door, this.log, at, end - at, fresh);
      if (page.records.length === 0)
        throw new ApiError(
          200,
          'WITHHELD',
          `the server does not show record ${thousands(at)}, and the tree that was checked here has ${thousands(this.state.treeSize)}`,
        );
      records.push(...page.records.slice(0, end - at));
    }
    return records;
  }

  /** All rows of the answer in its order, page by page, for an export. Ends early when `signal` says so. */
  async *all(signal: AbortSignal): AsyncGenerator<Row[]> {
    if (this.state.by === 'page') {
      const rows = this.#tally.rows(this.order);
      // Half an export looks like a whole one.
      if (rows.length < this.#tally.count)
        throw new ApiError(
          0,
          'NOT_KEPT',
          `of ${thousands(this.#tally.count)} records this page keeps the newest ${thousands(rows.length)}; narrow the search, or let the server find them`,
        );
      for (let at = 0; at < rows.length && !signal.aborted; at += 1000)
        yield rows.slice(at, at + 1000);
      return;
    }
    let parameters: Record<string, string> = {};
    let before: number | undefined;
    while (!signal.aborted) {
      const { rows, answer } = await this.#ask(parameters, 1000, { before, behind: undefined });
      if (rows.length > 0) yield rows;
      before = rows[rows.length - 1]?.index ?? before;
      const cursor = String(answer['nextCursor'] ?? '');
      if (cursor === '') return;
      parameters = { cursor };
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
      matches: by === 'page' && exact ? this.#tally.indexes : undefined,
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

const facetOfAnswer = (one: Json): Facet => ({
  field: String(one['field']),
  values: ((one['values'] ?? []) as Json[]).map((pair) => ({
    value: String(pair['value']),
    count: Number(pair['count']),
  })),
  others: Number(one['others'] ?? 0),
});
