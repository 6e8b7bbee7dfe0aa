// The range of time of an address, and the query that it makes.

import { withTerm } from './record/narrow.ts';

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

export const timeTerm = (range: { from: number; to: number }): string =>
  `time:${new Date(range.from).toISOString()}..${new Date(range.to).toISOString()}`;
