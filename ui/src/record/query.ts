// The query language, read in the browser: for errors under their column, for completion, and for filtering live rows
// without asking the server. The grammar is the server's; what the server answers is judged by the server's own reading.
//
//   or   = and { OR and }        and = not { [AND] not }        not = [NOT] unit
//   unit = "(" or ")" | field ":" value | field ":" "(" or of values ")" | word | phrase

import type { Row } from './row.ts';
import { visibleJson } from './safety.ts';
import { outcomes } from './schema.ts';

export const fields = [
  'actor.id',
  'actor.type',
  'actor.name',
  'action',
  'target.type',
  'target.id',
  'target.name',
  'outcome',
  'reason',
  'service',
  'ip',
  'trace',
  'span',
  'request',
  'session',
  'correlation',
  'event_id',
  'written_by',
  'time',
  'occurred',
  'index',
  'text',
] as const;

// What people type first, and what it means.
const shortNames: Readonly<Record<string, string>> = { actor: 'actor.id', target: 'target.id' };

const queryBytesMax = 4096;
const depthMax = 16;
const termsMax = 64;

export class QueryError extends Error {
  /** From 1, in characters. */
  readonly column: number;
  constructor(column: number, message: string) {
    super(message);
    this.column = column;
  }
}

export type Expression =
  | { kind: 'all' }
  | { kind: 'and' | 'or'; parts: Expression[] }
  | { kind: 'not'; part: Expression }
  | { kind: 'term'; field: string; value: string; exact: boolean; column: number };

interface Token {
  kind: 'word' | 'phrase' | '(' | ')' | 'field';
  text: string;
  column: number;
}

function tokens(text: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const character = text[at]!;
    const column = at + 1;
    if (/\s/.test(character)) at++;
    else if (character === '(' || character === ')') {
      found.push({ kind: character, text: character, column });
      at++;
    } else if (character === '"') {
      const end = /^"(?:[^"\\]|\\.)*"/.exec(text.slice(at));
      if (end === null) throw new QueryError(column, 'this quotation mark is not closed');
      try {
        found.push({ kind: 'phrase', text: JSON.parse(end[0]) as string, column });
      } catch {
        throw new QueryError(column, 'the escapes in quotation marks are those of JSON');
      }
      at += end[0].length;
    } else {
      const field = /^([a-z_][a-z_0-9]*(?:\.[A-Za-z_0-9./-]+)?):/.exec(text.slice(at));
      const before = found[found.length - 1];
      const isValue = before?.kind === 'field' && before.column + before.text.length + 1 === column;
      if (field !== null && !isValue) {
        found.push({ kind: 'field', text: field[1]!, column });
        at += field[0].length;
      } else {
        const word = /^[^\s()"]+/.exec(text.slice(at))![0];
        found.push({ kind: 'word', text: word, column });
        at += word.length;
      }
    }
  }
  return found;
}

class Parser {
  readonly #tokens: Token[];
  readonly #end: number;
  #at = 0;
  #terms = 0;
  constructor(text: string) {
    this.#tokens = tokens(text);
    this.#end = text.length + 1;
  }

  parse(): Expression {
    if (this.#tokens.length === 0) return { kind: 'all' };
    const whole = this.#or(undefined, 0);
    const rest = this.#tokens[this.#at];
    if (rest !== undefined) throw new QueryError(rest.column, 'this parenthesis was not opened');
    return whole;
  }

  #or(field: string | undefined, depth: number): Expression {
    if (depth > depthMax)
      throw new QueryError(this.#column(), 'parentheses nest more than 16 levels deep');
    const parts = [this.#and(field, depth)];
    while (this.#takes('OR')) parts.push(this.#and(field, depth));
    return parts.length === 1 ? parts[0]! : { kind: 'or', parts };
  }

  #and(field: string | undefined, depth: number): Expression {
    const parts = [this.#not(field, depth)];
    for (;;) {
      const next = this.#tokens[this.#at];
      if (next === undefined || next.kind === ')' || (next.kind === 'word' && next.text === 'OR'))
        break;
      this.#takes('AND');
      parts.push(this.#not(field, depth));
    }
    return parts.length === 1 ? parts[0]! : { kind: 'and', parts };
  }

  #not(field: string | undefined, depth: number): Expression {
    if (this.#takes('NOT')) return { kind: 'not', part: this.#not(field, depth + 1) };
    return this.#unit(field, depth);
  }

  #unit(field: string | undefined, depth: number): Expression {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw new QueryError(this.#end, 'something is missing at the end');
    switch (token.kind) {
      case ')':
        throw new QueryError(token.column, 'something is missing before this parenthesis');
      case '(': {
        const inner = this.#or(field, depth + 1);
        if (this.#tokens[this.#at++]?.kind !== ')')
          throw new QueryError(token.column, 'this parenthesis is not closed');
        return inner;
      }
      case 'field': {
        const name = shortNames[token.text] ?? token.text;
        if (!(fields as readonly string[]).includes(name) && !name.startsWith('label.')) {
          throw new QueryError(token.column, `there is no field “${token.text}”`);
        }
        if (field !== undefined) throw new QueryError(token.column, 'a field within a field');
        const next = this.#tokens[this.#at];
        if (next === undefined || next.kind === ')' || next.kind === 'field') {
          throw new QueryError(
            token.column + token.text.length + 1,
            `a value is missing behind “${token.text}:”`,
          );
        }
        if (next.kind === '(') return this.#unit(name, depth);
        this.#at++;
        return this.#term(name, next);
      }
      default:
        if (token.kind === 'word' && (token.text === 'AND' || token.text === 'OR')) {
          throw new QueryError(token.column, `something is missing before ${token.text}`);
        }
        return this.#term(field ?? 'text', token);
    }
  }

  #term(field: string, token: Token): Expression {
    if (++this.#terms > termsMax) throw new QueryError(token.column, 'more than 64 terms');
    return {
      kind: 'term',
      field,
      value: token.text,
      exact: token.kind === 'phrase',
      column: token.column,
    };
  }

  #takes(word: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.kind !== 'word' || token.text !== word) return false;
    this.#at++;
    return true;
  }

  #column(): number {
    return this.#tokens[this.#at]?.column ?? this.#end;
  }
}

/** Throws QueryError with the column. */
export function parseQuery(text: string): Expression {
  if (new TextEncoder().encode(text).length > queryBytesMax)
    throw new QueryError(1, 'a query is at most 4 KiB');
  return new Parser(text).parse();
}

/** A value as it stands in a query: in quotation marks where it would be read as something else. */
export function quoted(value: string): string {
  return /^[A-Za-z0-9_@/.-]+$/.test(value) && !value.includes('..') && !/^(AND|OR|NOT)$/.test(value)
    ? value
    : visibleJson(value);
}

/** `query` with one more condition; what it already says is not said twice. */
export function narrowed(query: string, field: string, value: string, exclude: boolean): string {
  const term = `${exclude ? 'NOT ' : ''}${field}:${quoted(value)}`;
  if (query.includes(term)) return query;
  const old = query.trim();
  return old === '' ? term : / OR /.test(old) ? `(${old}) ${term}` : `${old} ${term}`;
}

type Matcher = (row: Row) => boolean;

/** A function that says whether a row matches: compiled once, run for each row. */
export function matcher(expression: Expression): Matcher {
  switch (expression.kind) {
    case 'all':
      return () => true;
    case 'and': {
      const parts = expression.parts.map(matcher);
      const target = sameTarget(expression.parts);
      return (row) => parts.every((part) => part(row)) && (target === undefined || target(row));
    }
    case 'or': {
      const parts = expression.parts.map(matcher);
      return (row) => parts.some((part) => part(row));
    }
    case 'not': {
      const part = matcher(expression.part);
      return (row) => !part(row);
    }
    case 'term':
      return termMatcher(expression);
  }
}

// target.type and target.id side by side mean the same target.
function sameTarget(parts: readonly Expression[]): Matcher | undefined {
  const terms = parts.filter(
    (part): part is Expression & { kind: 'term' } =>
      part.kind === 'term' && part.field.startsWith('target.'),
  );
  if (terms.length < 2) return undefined;
  return (row) =>
    row.targets.some((target) =>
      terms.every((term) => termMatcher(term)({ ...row, targets: [target] })),
    );
}

function valuesOf(row: Row, field: string): string[] {
  switch (field) {
    case 'actor.id':
      return [row.actorId];
    case 'actor.type':
      return [row.actorType];
    case 'actor.name':
      return [row.actorName];
    case 'action':
      return [row.action];
    case 'target.type':
      return row.targets.map((target) => target.type);
    case 'target.id':
      return row.targets.map((target) => target.id);
    case 'target.name':
      return row.targets.map((target) => target.name);
    case 'outcome':
      return [row.outcome];
    case 'reason':
      return [row.reason];
    case 'service':
      return [row.service];
    case 'ip':
      return [row.ip];
    case 'trace':
      return [row.traceId];
    case 'span':
      return [row.spanId];
    case 'request':
      return [row.requestId];
    case 'session':
      return [row.sessionId];
    case 'correlation':
      return [row.correlationId];
    case 'event_id':
      return [row.eventId];
    case 'written_by':
      return [row.writtenBy];
    default:
      return field.startsWith('label.')
        ? row.labels.filter(([key]) => key === field.slice(6)).map(([, value]) => value)
        : [];
  }
}

function termMatcher(term: Expression & { kind: 'term' }): Matcher {
  const { field, value } = term;
  if (field === 'text') return textMatcher(value, term.exact, wholeText);
  if (field === 'reason') return textMatcher(value, term.exact, (row) => row.reason);
  if (field === 'outcome' && !(outcomes as readonly string[]).includes(value)) {
    throw new QueryError(term.column, `“${value}” is no outcome; there are ${outcomes.join(', ')}`);
  }
  if (field === 'index') return numberMatcher(term, (row) => row.index, Number);
  if (field === 'time') return numberMatcher(term, (row) => row.receivedMs, timeOf);
  if (field === 'occurred') return numberMatcher(term, (row) => row.occurredMs, timeOf);
  if (field === 'ip' && !term.exact && value.includes('/')) return networkMatcher(term);
  if (!term.exact && value.endsWith('*')) {
    const prefix = value.slice(0, -1);
    if (prefix.includes('*')) throw new QueryError(term.column, 'a star may only stand at the end');
    return (row) => valuesOf(row, field).some((own) => own.startsWith(prefix));
  }
  return (row) => valuesOf(row, field).includes(value);
}

const folded = (text: string): string => text.normalize('NFKC').toLowerCase();
const wordsOf = (text: string): string[] =>
  folded(text)
    .split(/[^\p{L}\p{N}\p{M}]+/u)
    .filter((word) => word !== '');

const wholeText = (row: Row): string =>
  [
    row.action,
    row.actorName,
    row.reason,
    row.detailText,
    ...row.targets.map((target) => target.name),
    ...row.labels.map(([, label]) => label),
  ].join('\n');

function textMatcher(value: string, phrase: boolean, searched: (row: Row) => string): Matcher {
  const prefix = !phrase && value.endsWith('*');
  const wanted = wordsOf(value);
  if (phrase) {
    const text = folded(value);
    return (row) => folded(searched(row)).includes(text);
  }
  return (row) => {
    const words = wordsOf(searched(row));
    return wanted.every((word, i) =>
      words.some((own) =>
        prefix && i === wanted.length - 1 ? own.startsWith(word) : own === word,
      ),
    );
  };
}

/** A literal time: with an offset, or UTC. A day, a minute, a second. */
function timeOf(text: string): number {
  const whole = /^\d{4}-\d{2}-\d{2}$/.test(text)
    ? `${text}T00:00:00Z`
    : /(Z|[+-]\d{2}:\d{2})$/.test(text)
      ? text
      : `${text}Z`;
  return Date.parse(whole.replace(' ', 'T'));
}

function numberMatcher(
  term: Expression & { kind: 'term' },
  own: (row: Row) => number | undefined,
  read: (text: string) => number,
): Matcher {
  const number = (text: string): number => {
    const value = read(text);
    if (text === '' || Number.isNaN(value))
      throw new QueryError(term.column, `“${text}” is not what ${term.field} holds`);
    return value;
  };
  const { value } = term;
  const compared = /^(>=|<=)(.*)$/.exec(value);
  if (compared !== null) {
    const limit = number(compared[2]!);
    const least = compared[1] === '>=';
    return (row) => own(row) !== undefined && (least ? own(row)! >= limit : own(row)! <= limit);
  }
  const range = value.split('..');
  if (range.length === 2) {
    const low = range[0] === '' ? -Infinity : number(range[0]!);
    const high = range[1] === '' ? Infinity : number(range[1]!);
    return (row) => own(row) !== undefined && own(row)! >= low && own(row)! < high;
  }
  const exact = number(value);
  return (row) => own(row) === exact;
}

function networkMatcher(term: Expression & { kind: 'term' }): Matcher {
  const [address, bits] = term.value.split('/');
  const wanted = addressBits(address!);
  const length = Number(bits);
  if (wanted === undefined || !/^\d+$/.test(bits!) || length > wanted.length) {
    throw new QueryError(term.column, `“${term.value}” is no network`);
  }
  return (row) => {
    const own = addressBits(row.ip);
    return (
      own !== undefined &&
      own.length === wanted.length &&
      own.slice(0, length) === wanted.slice(0, length)
    );
  };
}

function addressBits(text: string): string | undefined {
  const four = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (four !== null) {
    const parts = four.slice(1).map(Number);
    return parts.some((part) => part > 255)
      ? undefined
      : parts.map((part) => part.toString(2).padStart(8, '0')).join('');
  }
  if (!/^[0-9a-fA-F:]+$/.test(text) || !text.includes(':')) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = halves[0] === '' ? [] : halves[0]!.split(':');
  const tail = halves.length === 1 || halves[1] === '' ? [] : halves[1]!.split(':');
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const groups = [
    ...head,
    ...new Array<string>(halves.length === 1 ? 0 : missing).fill('0'),
    ...tail,
  ];
  return groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))
    ? groups.map((group) => parseInt(group, 16).toString(2).padStart(16, '0')).join('')
    : undefined;
}
