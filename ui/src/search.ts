// A search: by the server's index where it has one, otherwise by reading the log here, newest first, and matching each
// record. Either way a row is decoded from the record's bytes; only counts of the server are its word.

import { ApiError, countOf, HttpDoor, type Json } from './api/client.ts';
import type { Shown } from './engine/answer.ts';
import type { Sought } from './engine/found.ts';
import type { Explained } from './engine/protocol.ts';
import { askFound, type Page } from './found.ts';
import type { Link } from './link.ts';
import { matcher } from './record/matcher.ts';
import { parseQuery } from './record/query.ts';
import { bytesOf, type Row } from './record/row.ts';
import { thousands } from './numbers.ts';
import { Reading } from './reading.ts';
import { withRange, type Range } from './range.ts';
import { ServerSums } from './sums.ts';
import { Tally, type Bucket, type Facet } from './tally.ts';
import type { Zone } from './time.ts';

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
  readonly #sums: ServerSums;
  readonly #changed: () => void;
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
    this.#changed = changed;
    this.query = withRange(query, range);
    this.#sums = new ServerSums(this.#door, log, this.query, range, zone);
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
    await this.#takeSums(treeSize);
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

  /** Of all values of a field, those that contain `text`, whatever the case of its ASCII letters. */
  within(field: string, text: string): Promise<Facet> {
    return this.state.by === 'page'
      ? Promise.resolve(this.#tally.within(field, text))
      : this.#sums.within(field, text, String(this.state.treeSize));
  }

  async #takeSums(treeSize: string): Promise<void> {
    const histogram = this.#sums.histogram(treeSize).then((found) => {
      this.state = { ...this.state, ...found };
      this.#changed();
    });
    const facets = this.#sums.facets(treeSize).then((found) => {
      if (found === undefined) return;
      const { facets, exact, matches } = found;
      const all = exact && !this.state.exact ? { count: matches, exact } : {};
      this.state = { ...this.state, facets, facetsExact: exact, ...all };
      this.#changed();
    });
    await Promise.all([histogram, facets]);
  }

  // ---- by reading ------------------------------------------------------------------------------------------------

  // Up to the tree that was checked here: how long the log is, is not the server's word.
  async #scan(): Promise<void> {
    const matches = matcher(parseQuery(this.query));
    const size = await this.#link.ask<number>({ call: 'size', log: this.log });
    this.state = {
      ...this.state,
      by: 'page',
      treeSize: size,
      checkedSize: size,
      exact: size === 0,
    };
    const tally = this.#tally;
    let summed = 0;
    const reading = new Reading(this.#link, this.#door, this.log, size);
    for await (const { rows, first } of reading.back(this.#end.signal)) {
      for (let i = rows.length - 1; i >= 0; i--) {
        if (matches(rows[i]!)) tally.take(rows[i]!);
      }
      const exact = first === 0;
      const sums = exact || Date.now() - summed >= sumsEveryMs;
      this.state = {
        ...this.state,
        count: tally.count,
        kept: tally.kept,
        scanned: size - first,
        exact,
        ...(sums && { ...tally.histogram(), facets: tally.facets(), facetsExact: exact }),
      };
      if (sums) summed = Date.now();
      this.#changed();
    }
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
