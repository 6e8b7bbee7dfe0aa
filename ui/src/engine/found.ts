// Rows that the server's search found, held against what was asked: each has to match, in this order, each once, and within
// the tree that was searched. An answer of the search is not signed, so what does not fit here is no file of evidence; the
// signed statement about the same search would be one.

import { mayMatch, matcher } from '../record/matcher.ts';
import { parseQuery } from '../record/query.ts';
import type { Row } from '../record/row.ts';
import { Contradiction, thousands } from './contradiction.ts';

export interface Sought {
  readonly query: string;
  readonly order: 'newest' | 'oldest';
  /** Of the tree that was searched, as far as it is known. */
  readonly treeSize: number | undefined;
  /** Indexes of the rows that are known to stand right before and somewhere behind these. */
  readonly before: number | undefined;
  readonly behind: number | undefined;
}

export interface Found {
  readonly rows: Row[];
  /** Indexes of those that this browser would not have found, because of characters that not everybody knows the same of. */
  readonly doubted: number[];
}

function misfit(index: number, claimed: string, computed: string, sentence: string): Contradiction {
  return new Contradiction({ kind: 'wrong answer', sentence, claimed, computed, index });
}

function outOfPlace(rows: readonly Row[], sought: Sought): Contradiction | undefined {
  const { order, treeSize } = sought;
  let before = sought.before;
  for (const { index } of rows) {
    if (treeSize !== undefined && index >= treeSize)
      return misfit(
        index,
        `found in the tree of size ${treeSize}`,
        `its index is ${index}`,
        `A search of the first ${thousands(treeSize)} records was answered with record ${thousands(index)}.`,
      );
    if (before === index)
      return misfit(
        index,
        'two rows of one answer',
        'the same record',
        `A search was answered with record ${thousands(index)} twice.`,
      );
    if (before !== undefined && before < index !== (order === 'oldest'))
      return misfit(
        index,
        `${order} first`,
        `record ${index} after record ${before}`,
        `A search, ${order} first, was answered with record ${thousands(index)} after record ${thousands(before)}.`,
      );
    before = index;
  }
  const { behind } = sought;
  if (behind !== undefined && before !== undefined && behind > before !== (order === 'oldest'))
    return misfit(
      before,
      `${order} first`,
      `record ${before} before record ${behind}`,
      `A search, ${order} first, was answered with record ${thousands(before)} before record ${thousands(behind)}.`,
    );
  return undefined;
}

/** Throws a Contradiction where a row does not fit what was asked. */
export function judgeFound(rows: Row[], sought: Sought): Found {
  const expression = parseQuery(sought.query);
  const [matches, may] = [matcher(expression), mayMatch(expression)];
  const others = rows.filter((row) => !matches(row));
  const wrong = others.find((row) => !may(row));
  if (wrong !== undefined)
    throw misfit(
      wrong.index,
      `matches ${sought.query}`,
      `the record's bytes, of hash ${wrong.hash}, do not match; answers of a search are not signed, its statement is`,
      `A search was answered with record ${thousands(wrong.index)}, which does not match what was asked.`,
    );
  const place = outOfPlace(rows, sought);
  if (place !== undefined) throw place;
  return { rows, doubted: others.map((row) => row.index) };
}
