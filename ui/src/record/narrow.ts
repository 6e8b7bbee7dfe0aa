// Queries that the page writes: a value that was clicked becomes a condition of the query that is there.

import { isSameQuery, parseQuery, QueryError, version } from './query.ts';
import { targetWords, type Row, type RowTarget } from './row.ts';
import { escapeHidden, hasHidden, visibleJson } from './safety.ts';

/** A value as it stands in a query: in quotation marks where it would be read as something else. */
export function quoted(value: string): string {
  return /^[A-Za-z0-9_@/.-]+$/.test(value) && !value.includes('..') && !/^(AND|OR|NOT)$/.test(value)
    ? value
    : visibleJson(value);
}

function visibleWord(word: string): string {
  if (!hasHidden(word)) return word;
  if (word.startsWith('"')) return escapeHidden(word);
  return word.endsWith('*') ? `${visibleJson(word.slice(0, -1))}*` : visibleJson(word);
}

/** The same query, with an escape wherever a character is invisible or turns the direction of writing. */
export function visibleQuery(query: string): string {
  if (!hasHidden(query)) return query;
  const visible = query.replace(/"(?:[^"\\]|\\.)*"?|[^\s():"]+/gu, visibleWord);
  try {
    if (isSameQuery(query, visible)) return visible;
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
  }
  // One that cannot be read is not read otherwise either.
  return escapeHidden(query);
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

/** One target and no other: an id says what it is together with its type only. */
export function targetTerm({ type, id, name }: RowTarget): string {
  const parts = [
    ...(type === '' ? [] : [termOf('target.type', type)]),
    ...(id === '' ? [] : [termOf('target.id', id)]),
    ...(id === '' && name !== '' ? [termOf('target.name', name)] : []),
  ];
  return parts.length === 1 ? parts[0]! : `(${parts.join(' ')})`;
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
export function narrowedBy(query: string, plain: string, exclude: boolean): string {
  const term = exclude ? `NOT ${plain}` : plain;
  const old = ` ${query.trim()} `;
  const isSaid =
    old.includes(` ${term} `) &&
    (exclude || !old.includes(` NOT ${term} `)) &&
    !/[()]|\sOR\s/.test(old.replace(` ${term} `, ' '));
  return isSaid ? query : withTerm(query, term);
}

/** The same, of a field and a value. */
export const narrowed = (query: string, field: string, value: string, exclude: boolean): string =>
  narrowedBy(query, termOf(field, value), exclude);

/** A value of a record, and the condition that it can become. */
export interface Choice {
  readonly name: string;
  readonly value: string;
  /** What is copied, where it is not what is shown. */
  readonly text?: string;
  /** Undefined: the language has no field for it. */
  readonly term: string | undefined;
}

// More belong on the page of the record.
const eachMax = 12;

/** The values of a record that a query can name. */
export function choicesOf(row: Row): Choice[] {
  const plain: readonly [string, string][] = [
    ['actor.id', row.actorId],
    ['actor.name', row.actorName],
    ['actor.type', row.actorType],
    ['action', row.action],
    ['outcome', row.outcome],
    ['reason', row.reason],
    ['service', row.service],
    ['ip', row.ip],
    ['written_by', row.writtenBy],
    ['trace', row.traceId],
    ['session', row.sessionId],
    ['request', row.requestId],
    ['correlation', row.correlationId],
    ['event_id', row.eventId],
  ];
  const choices = plain
    .filter(([, value]) => value !== '')
    .map(([name, value]): Choice => ({ name, value, term: termOf(name, value) }));
  const targets = row.targets.slice(0, eachMax).map((target): Choice => {
    const text = target.id === '' ? targetWords(target) : target.id;
    return { name: 'target', value: targetWords(target), text, term: targetTerm(target) };
  });
  const labels = row.labels.slice(0, eachMax).map(([key, value]): Choice => ({
    name: 'label',
    value: `${key} = ${value}`,
    text: value,
    term: termOf(`label.${key}`, value),
  }));
  choices.splice(choices.findIndex((one) => one.name === 'action') + 1, 0, ...targets);
  return [...choices, ...labels];
}
