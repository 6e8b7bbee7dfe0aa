// Which rows of a feed a filter means. Each row is judged once, the newest first, in slices that no frame waits for: a filter
// over fifty thousand rows must not stop the page, and what comes later must not have them judged again.

import type { Row } from './record/row.ts';

/** What is judged: rows in the order of their indexes. */
export interface Judged {
  readonly rows: readonly Row[];
  /** Another number: the rows are others, and not only more. */
  readonly resets: number;
}

const sliceMs = 8;
// The clock costs as much as a judgement.
const judgedBetweenLooks = 16;
const recentMs = 2000;

/** Where the rows from an index on begin. */
export function placeOf(rows: readonly Row[], index: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle]!.index < index) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class Matches {
  readonly #feed: Judged;
  readonly #judge: ((row: Row) => boolean) | undefined;
  readonly #now: () => number;
  #rows: Row[] = [];
  // Judged is what lies from #low to below #high.
  #low = 0;
  #high = 0;
  #resets = -1;
  // How many of #rows were found going back: the one behind them is number 0, whatever is found or forgotten before it.
  #older = 0;
  #arrived: { at: number; count: number }[] = [];

  /** Without a judge every row matches. */
  constructor(
    feed: Judged,
    judge: ((row: Row) => boolean) | undefined,
    now: () => number = () => performance.now(),
  ) {
    this.#feed = feed;
    this.#judge = judge;
    this.#now = now;
  }

  /** In the order of their indexes. */
  get rows(): readonly Row[] {
    return this.#judge === undefined ? this.#feed.rows : this.#rows;
  }

  /** How many of the feed's rows are not judged yet. */
  get waiting(): number {
    if (this.#judge === undefined) return 0;
    const { rows } = this.#feed;
    if (this.#resets !== this.#feed.resets) return rows.length;
    return placeOf(rows, this.#low) + rows.length - placeOf(rows, this.#high);
  }

  /** Matches that came at once within the last seconds: what one picture has to draw. */
  get burst(): number {
    const from = this.#now() - recentMs;
    return this.#arrived.reduce(
      (most, one) => (one.at >= from ? Math.max(most, one.count) : most),
      0,
    );
  }

  /** Of the matches a number that stays theirs: what is left out of a picture is the same in the next. */
  numberAt(place: number): number {
    return this.#judge === undefined ? this.#feed.rows[place]!.index : place - this.#older;
  }

  /** Judges what is not judged yet, for some milliseconds. Returns whether it is done. */
  work(): boolean {
    const { rows } = this.#feed;
    if (this.#resets !== this.#feed.resets) this.#begin();
    const first = rows[0]?.index ?? 0;
    if (this.#judge === undefined) {
      this.#arrive(rows.length - placeOf(rows, this.#high));
      this.#high = (rows[rows.length - 1]?.index ?? this.#high - 1) + 1;
      return true;
    }
    this.#forget(first);
    const end = this.#now() + sliceMs;
    return this.#judgeNew(this.#judge, end) && this.#judgeOld(this.#judge, end);
  }

  #begin(): void {
    const { rows, resets } = this.#feed;
    this.#resets = resets;
    this.#rows = [];
    this.#older = 0;
    this.#arrived = [];
    this.#high = (rows[rows.length - 1]?.index ?? -1) + 1;
    this.#low = this.#high;
  }

  // What the feed holds no longer.
  #forget(first: number): void {
    if (this.#low < first) this.#low = Math.min(first, this.#high);
    if ((this.#rows[0]?.index ?? first) >= first) return;
    const gone = placeOf(this.#rows, first);
    this.#rows.splice(0, gone);
    this.#older -= gone;
  }

  #judgeNew(judge: (row: Row) => boolean, end: number): boolean {
    const { rows } = this.#feed;
    const before = this.#rows.length;
    let at = placeOf(rows, this.#high);
    for (let looked = 0; at < rows.length; at++, looked++) {
      if (looked % judgedBetweenLooks === judgedBetweenLooks - 1 && this.#now() >= end) break;
      const row = rows[at]!;
      if (judge(row)) this.#rows.push(row);
      this.#high = row.index + 1;
    }
    this.#arrive(this.#rows.length - before);
    return at === rows.length;
  }

  #judgeOld(judge: (row: Row) => boolean, end: number): boolean {
    const { rows } = this.#feed;
    const found: Row[] = [];
    let at = placeOf(rows, this.#low) - 1;
    for (let looked = 0; at >= 0; at--, looked++) {
      if (looked % judgedBetweenLooks === judgedBetweenLooks - 1 && this.#now() >= end) break;
      const row = rows[at]!;
      if (judge(row)) found.push(row);
      this.#low = row.index;
    }
    if (found.length > 0) {
      this.#rows = found.reverse().concat(this.#rows);
      this.#older += found.length;
    }
    return at < 0;
  }

  #arrive(count: number): void {
    const at = this.#now();
    while (this.#arrived.length > 0 && this.#arrived[0]!.at < at - recentMs) this.#arrived.shift();
    if (count > 0) this.#arrived.push({ at, count });
  }
}

const drawnPerFrameMax = 60;
const sampledRowsMax = 400;

/** How many matches stand for one drawn: 1, 2, 4 ... so that a picture draws 60 new ones at most. */
export function sampling(burst: number): number {
  let step = 1;
  while (burst / step > drawnPerFrameMax) step *= 2;
  return step;
}

/** The newest first, one of `step`. A list that runs shows its beginning only; whoever scrolls holds it, and has all. */
export function sampled(matches: Matches, step: number): Row[] {
  const { rows } = matches;
  const found: Row[] = [];
  for (let at = rows.length - 1; at >= 0 && found.length < sampledRowsMax; at--)
    if (matches.numberAt(at) % step === 0) found.push(rows[at]!);
  return found;
}
