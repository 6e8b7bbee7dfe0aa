// Queries that the page writes: a value that was clicked becomes a condition of the query that is there.

import { parseQuery, QueryError, version } from './query.ts';
import { visibleJson } from './safety.ts';

/** A value as it stands in a query: in quotation marks where it would be read as something else. */
export function quoted(value: string): string {
  return /^[A-Za-z0-9_@/.-]+$/.test(value) && !value.includes('..') && !/^(AND|OR|NOT)$/.test(value)
    ? value
    : visibleJson(value);
}

/** A field (`label.` and the key as it is, for a label) and a value that it has, as a term. */
export function termOf(field: string, value: string): string {
  const key = field.startsWith('label.') ? field.slice('label.'.length) : undefined;
  const name = key === undefined ? field : `label.${quoted(key)}`;
  switch (field) {
    case 'outcome':
      // One without a name is shown as its number and more.
      return `${name}:${/^\d+/.exec(value)?.[0] ?? quoted(value)}`;
    case 'ip':
      return `${name}:${value.includes('/') ? visibleJson(value) : quoted(value)}`;
    case 'reason':
    case 'text':
      return `${name}:${/^[A-Za-z0-9]+$/.test(value) ? quoted(value) : visibleJson(value)}`;
    default:
      return `${name}:${quoted(value)}`;
  }
}

/** `query` and one more condition. */
export function withTerm(query: string, term: string): string {
  const prefix = version.exec(query)?.[1] ?? '';
  const old = query.slice(prefix.length).trim();
  const front = prefix === '' ? '' : prefix.trim() + ' ';
  if (old === '') return front + term;
  let isOr = true;
  try {
    isOr = parseQuery(query).kind === 'or';
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
  }
  return front + (isOr ? `(${old}) ${term}` : `${old} ${term}`);
}

/** `query` with one more condition; what it already says is not said twice. */
export function narrowed(query: string, field: string, value: string, exclude: boolean): string {
  const plain = termOf(field, value);
  const term = exclude ? `NOT ${plain}` : plain;
  const old = ` ${query.trim()} `;
  const isSaid =
    old.includes(` ${term} `) &&
    (exclude || !old.includes(` NOT ${term} `)) &&
    !/[()]|\sOR\s/.test(old);
  return isSaid ? query : withTerm(query, term);
}
