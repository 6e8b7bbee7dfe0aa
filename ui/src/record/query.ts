// The query language, read in the browser: for errors under their column, for completion, and for judging rows without
// asking the server. It is the server's language to the letter: what this page finds by reading is held against what the
// server signs. src/query/matching_vectors.txt binds the two.
//
//   or   = and { OR and }        and = not { [AND] not }        not = { NOT } unit
//   unit = "(" or ")" | field ":" value | field ":" "(" or of values ")" | word | phrase

import { fold, wordsOf } from './folding.ts';
import { decimalOf, networkOf, stretchOf, type Network, type Stretch } from './literal.ts';
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

export type Field = (typeof fields)[number] | 'label';

// What people type first, and what it means.
const shortNames: Readonly<Record<string, Field>> = { actor: 'actor.id', target: 'target.id' };

const queryBytesMax = 4096;
// A canonical form is longer than what was written.
const canonicalBytesMax = 64 * 1024;
const labelKeyBytesMax = 128;
const depthMax = 16;
const termsMax = 64;
const indexLimit = 1n << 63n;

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

export class QueryError extends Error {
  /** From 1, in characters. */
  readonly column: number;
  constructor(column: number, message: string) {
    super(message);
    this.column = column;
  }
}

export type Match =
  | { how: 'equals' | 'prefix'; value: string }
  | { how: 'network'; network: Network }
  /** low <= x < high */
  | { how: 'range'; low: bigint | undefined; high: bigint | undefined }
  | { how: 'words'; words: readonly string[]; lastIsBeginning: boolean }
  | { how: 'phrase'; sought: string };

export interface Term {
  field: Field;
  labelKey: string;
  match: Match;
}

export type Expression =
  /** An "and" without parts is every record. */
  | { kind: 'and' | 'or'; parts: Expression[] }
  | { kind: 'not'; part: Expression }
  /** There is one target of which it holds. */
  | { kind: 'target'; part: Expression }
  | { kind: 'term'; term: Term };

interface FieldName {
  field: Field;
  labelKey: string;
}

interface Literal {
  text: string;
  isQuoted: boolean;
  hasStar: boolean;
}

interface Operand {
  expression: Expression;
  /** Of terms of target fields that want to be about the same target as those beside them. */
  ofTarget: boolean;
}

const isOfTarget = (field: Field): boolean => field.startsWith('target.');

const ranged = (text: string): boolean => text.startsWith('>=') || text.startsWith('<=');

function combined(kind: 'and' | 'or', parts: Expression[]): Expression {
  const flat = parts.flatMap((part) => (part.kind === kind ? part.parts : [part]));
  return flat.length === 1 ? flat[0]! : { kind, parts: flat };
}

const negated = (part: Expression): Expression =>
  part.kind === 'not' ? part.part : { kind: 'not', part };

const ofOneTarget = (parts: Expression[]): Expression => ({
  kind: 'target',
  part: combined('and', parts),
});

function hasNot(expression: Expression): boolean {
  if (expression.kind === 'not') return true;
  return 'parts' in expression && expression.parts.some(hasNot);
}

function eachItsTarget(expression: Expression): Expression {
  switch (expression.kind) {
    case 'term':
      return { kind: 'target', part: expression };
    case 'and':
    case 'or':
      return { kind: expression.kind, parts: expression.parts.map(eachItsTarget) };
    default:
      return { kind: expression.kind, part: eachItsTarget(expression.part) };
  }
}

// ---- values ----------------------------------------------------------------------------------------------------------

// What is wrong with a value; its place is where it begins.
class ValueError extends Error {}

function readExact({ text, isQuoted, hasStar }: Literal): Match {
  if (!isQuoted && ranged(text))
    throw new ValueError('only time, occurred and index have a greater and a less');
  if (!isQuoted && !hasStar && text === '')
    throw new ValueError('a value is missing; an empty one is ""');
  return { how: hasStar ? 'prefix' : 'equals', value: text };
}

function readAddress(literal: Literal): Match {
  if (!literal.isQuoted && !literal.hasStar) {
    const network = networkOf(literal.text);
    if (network !== undefined) return { how: 'network', network };
    if (literal.text.includes('/'))
      throw new ValueError('not a network; right would be 10.0.0.0/8 or 2001:db8::/32');
  }
  return readExact(literal);
}

function readOutcome({ text, hasStar }: Literal): Match {
  if (!hasStar) {
    if ((outcomes as readonly string[]).includes(text)) return { how: 'equals', value: text };
    const number = decimalOf(text);
    if (number !== undefined && number < 1n << 31n)
      return { how: 'equals', value: outcomes[Number(number)] ?? text };
  }
  const word = text.toLowerCase().replace(/^outcome_/, '');
  const meant = (outcomes as readonly string[]).includes(word) ? `; did you mean ${word}?` : '';
  throw new ValueError(`an outcome is ${outcomes.join(', ')}${meant}`);
}

function readRange<T>(
  { text, hasStar }: Literal,
  right: string,
  read: (text: string) => T | undefined,
  low: (value: T) => bigint,
  end: (value: T) => bigint,
): Match & { how: 'range' } {
  const said = (part: string): T => {
    const value = read(part);
    if (value === undefined) throw new ValueError(right);
    return value;
  };
  const range: Match & { how: 'range' } = { how: 'range', low: undefined, high: undefined };
  const dots = text.indexOf('..');
  if (hasStar || text === '' || text === '..' || text === '>=' || text === '<=')
    throw new ValueError(right);
  if (text.startsWith('>=')) range.low = low(said(text.slice(2)));
  else if (text.startsWith('<=')) range.high = end(said(text.slice(2)));
  else if (dots >= 0) {
    if (dots > 0) range.low = low(said(text.slice(0, dots)));
    if (dots + 2 < text.length) range.high = low(said(text.slice(dots + 2)));
  } else {
    range.low = low(said(text));
    range.high = end(said(text));
  }
  if (range.low !== undefined && range.high !== undefined && range.low >= range.high)
    throw new ValueError('the range ends before it begins (its end does not belong to it)');
  return range;
}

const readTime = (literal: Literal): Match =>
  readRange<Stretch>(
    literal,
    'not a time; right would be 2026-03-01, 2026-03-01T10:15:00+01:00, 2026-03..2026-04 or >=2026-03-01',
    stretchOf,
    (stretch) => stretch.low,
    (stretch) => stretch.high,
  );

function readIndex(literal: Literal): Match {
  const right = 'not a position; right would be 17, 100..200 (without 200), >=100 or <=200';
  const range = readRange<bigint>(
    literal,
    right,
    (text) => {
      const value = decimalOf(text);
      return value !== undefined && value <= indexLimit ? value : undefined;
    },
    (value) => value,
    (value) => value + 1n,
  );
  // An end that does not belong to the range may be the first number that is no position.
  if (range.low !== undefined && range.low >= indexLimit) throw new ValueError(right);
  if (range.high !== undefined && range.high > indexLimit) throw new ValueError(right);
  if (range.high === 0n)
    throw new ValueError('the range ends before it begins (its end does not belong to it)');
  // The beginning of the log is no bound.
  if (range.low === 0n && range.high !== undefined) range.low = undefined;
  return range;
}

function readWords({ text, isQuoted, hasStar }: Literal): Match {
  if (!isQuoted && ranged(text))
    throw new ValueError('only time, occurred and index have a greater and a less');
  const folded = fold(text);
  if (isQuoted) {
    if (hasStar) throw new ValueError('a phrase takes no *');
    if (folded === '') throw new ValueError('the phrase is empty');
    return { how: 'phrase', sought: folded };
  }
  const words = wordsOf(folded);
  if (words.length === 0)
    throw new ValueError(
      'there is no letter or digit in this word; as it stands it goes into quotes',
    );
  return { how: 'words', words, lastIsBeginning: hasStar };
}

function readMatch(field: Field, literal: Literal): Match {
  switch (field) {
    case 'ip':
      return readAddress(literal);
    case 'outcome':
      return readOutcome(literal);
    case 'time':
    case 'occurred':
      return readTime(literal);
    case 'index':
      return readIndex(literal);
    case 'text':
    case 'reason':
      return readWords(literal);
    default:
      return readExact(literal);
  }
}

// ---- the grammar -----------------------------------------------------------------------------------------------------

const endsWord = /[ \t\n\r()"]/;
const spaces = /[ \t\n\r]*/y;
const quotes = /"(?:[^"\\\u0000-\u001f]|\\.)*"/y;
// Those of JSON, a pair of surrogates as one; a backslash alone is none.
const escapes =
  /\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|u(?![dD][89a-fA-F])[\da-fA-F]{4}|["\\/bfnrt])|\\/g;
export const version = /^([ \t\n\r]*v(\d+):)(?=[ \t\n\r]|$)/;

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  #terms = 0;
  constructor(text: string) {
    this.#text = text;
  }

  parse(): Expression {
    const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.exec(this.#text);
    if (control !== null)
      throw this.#error(control.index, 'a control character goes into quotes as \\uXXXX');
    const taken = version.exec(this.#text);
    this.#skipSpace();
    if (taken !== null && taken[2] !== '1')
      throw this.#error(
        this.#at,
        'this version of the query language is not known here; known: v1',
      );
    if (taken !== null) this.#at = taken[1]!.length;
    const size = bytesOf(this.#text);
    if (size > (taken === null ? queryBytesMax : canonicalBytesMax))
      throw new QueryError(1, `the query has ${size} bytes; at most ${queryBytesMax}`);
    this.#skipSpace();
    if (this.#isAtEnd()) return { kind: 'and', parts: [] };
    const whole = this.#or(undefined);
    if (!this.#isAtEnd()) throw this.#error(this.#at, 'there is no ( for this )');
    return whole;
  }

  #error(at: number, message: string): QueryError {
    return new QueryError(Array.from(this.#text.slice(0, at)).length + 1, message);
  }

  #isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  #next(): string {
    return this.#text[this.#at] ?? '';
  }

  #skipSpace(): void {
    spaces.lastIndex = this.#at;
    spaces.test(this.#text);
    this.#at = spaces.lastIndex;
  }

  #operatorEnd(word: string): number {
    const end = this.#at + word.length;
    if (!this.#text.startsWith(word, this.#at)) return -1;
    return end === this.#text.length || endsWord.test(this.#text[end]!) ? end : -1;
  }

  #takes(word: string): boolean {
    const end = this.#operatorEnd(word);
    if (end < 0) return false;
    this.#at = end;
    this.#skipSpace();
    return true;
  }

  // In these `values` is the field of a parenthesis behind one.
  #or(values: FieldName | undefined): Expression {
    const parts: Expression[] = [];
    do parts.push(this.#and(values));
    while (this.#takes('OR'));
    return combined('or', parts);
  }

  #and(values: FieldName | undefined): Expression {
    const parts: Expression[] = [];
    const ofTarget: Expression[] = [];
    let targetAt = 0;
    do {
      const operand = this.#not(values);
      if (!operand.ofTarget || values !== undefined) parts.push(operand.expression);
      else {
        if (ofTarget.length === 0) targetAt = parts.length;
        ofTarget.push(operand.expression);
      }
    } while (this.#takes('AND') || this.#anotherFollows());
    if (ofTarget.length > 0) parts.splice(targetAt, 0, ofOneTarget(ofTarget));
    return combined('and', parts);
  }

  #anotherFollows(): boolean {
    return !this.#isAtEnd() && this.#next() !== ')' && this.#operatorEnd('OR') < 0;
  }

  #not(values: FieldName | undefined): Operand {
    let count = 0;
    while (this.#takes('NOT')) count++;
    const operand = this.#primary(values);
    if (count === 0) return operand;
    // Whatever is below a NOT is about a target of its own.
    const own = operand.ofTarget && values === undefined;
    const expression = own ? ofOneTarget([operand.expression]) : operand.expression;
    return {
      expression: count % 2 === 1 ? negated(expression) : expression,
      ofTarget: values !== undefined && operand.ofTarget,
    };
  }

  #primary(values: FieldName | undefined): Operand {
    if (this.#isAtEnd() || this.#next() === ')') throw this.#error(this.#at, 'a term is missing');
    if (this.#next() === '(') {
      return {
        expression: this.#parenthesis(values),
        ofTarget: values !== undefined && isOfTarget(values.field),
      };
    }
    const start = this.#at;
    for (const word of ['AND', 'OR']) {
      if (this.#takes(word))
        throw this.#error(start, `a term is missing before ${word}; as a word: "${word}"`);
    }
    if (values !== undefined) return this.#term(values);
    const field = this.#takeField();
    if (field === undefined) return this.#term({ field: 'text', labelKey: '' });
    return this.#next() === '(' ? this.#values(field) : this.#term(field);
  }

  #parenthesis(values: FieldName | undefined): Expression {
    const start = this.#at;
    if (++this.#depth > depthMax)
      throw this.#error(start, `parentheses nest deeper than ${depthMax}`);
    this.#at++;
    this.#skipSpace();
    const inner = this.#or(values);
    if (this.#isAtEnd()) throw this.#error(start, 'there is no ) for this (');
    this.#at++;
    this.#skipSpace();
    this.#depth--;
    return inner;
  }

  // field:( ... )
  #values(field: FieldName): Operand {
    const expression = this.#parenthesis(field);
    if (!isOfTarget(field.field)) return { expression, ofTarget: false };
    return hasNot(expression)
      ? { expression: eachItsTarget(expression), ofTarget: false }
      : { expression, ofTarget: true };
  }

  // "name:", or the name before ">=" or "<=", when one comes next.
  #takeField(): FieldName | undefined {
    const start = this.#at;
    let name: string;
    let labelKey = '';
    if (this.#text.startsWith('label."', start)) {
      this.#at += 'label.'.length;
      labelKey = this.#takeQuoted();
      name = 'label.';
      if (this.#next() !== ':')
        throw this.#error(this.#at, "a : is missing behind the label's key");
      this.#at++;
    } else {
      const end = /[ \t\n\r()":]|>=|<=|$/.exec(this.#text.slice(start))!;
      if (end[0] !== ':' && end[0] !== '>=' && end[0] !== '<=') return undefined;
      name = this.#text.slice(start, start + end.index);
      if (name.startsWith('label.')) labelKey = name.slice('label.'.length);
      this.#at = start + end.index + (end[0] === ':' ? 1 : 0);
    }
    if (name.startsWith('label.')) {
      if (labelKey === '') throw this.#error(start, "the label's key is missing: label.KEY:value");
      if (bytesOf(labelKey) > labelKeyBytesMax)
        throw this.#error(start, `the label's key is longer than ${labelKeyBytesMax} bytes`);
      return { field: 'label', labelKey };
    }
    const field = Object.hasOwn(shortNames, name)
      ? shortNames[name]
      : fields.find((one) => one === name);
    if (field === undefined)
      throw this.#error(
        start,
        `there is no field “${name}”${this.#meant(name)} (a word with a : goes into quotes)`,
      );
    return { field, labelKey };
  }

  #meant(name: string): string {
    const lower = name.toLowerCase();
    const isKnown =
      (fields as readonly string[]).includes(lower) || Object.hasOwn(shortNames, lower);
    return isKnown ? `, did you mean ${lower}?` : '';
  }

  #takeQuoted(): string {
    const start = this.#at;
    quotes.lastIndex = start;
    const found = quotes.exec(this.#text);
    if (found === null) throw this.#error(start, 'the closing quote is missing');
    for (const escape of found[0].matchAll(escapes)) {
      if (escape[0] === '\\')
        throw this.#error(
          start + escape.index,
          'not an escape; there are \\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX',
        );
    }
    this.#at = start + found[0].length;
    return JSON.parse(found[0]) as string;
  }

  // A value: quoted, or a word up to white space, parenthesis or quote.
  #term({ field, labelKey }: FieldName): Operand {
    const start = this.#at;
    const literal: Literal = { text: '', isQuoted: this.#next() === '"', hasStar: false };
    if (literal.isQuoted) {
      literal.text = this.#takeQuoted();
      literal.hasStar = this.#next() === '*';
      if (literal.hasStar) this.#at++;
      if (!this.#isAtEnd() && !endsWord.test(this.#next()))
        throw this.#error(this.#at, 'a space is missing here');
    } else {
      const word = /^[^ \t\n\r()"]*/.exec(this.#text.slice(start))![0];
      const star = word.indexOf('*');
      if (star >= 0 && star + 1 !== word.length)
        throw this.#error(
          start + star,
          'a * stands at the end only; as itself it goes into quotes',
        );
      literal.hasStar = star >= 0;
      literal.text = star >= 0 ? word.slice(0, -1) : word;
      this.#at = start + word.length;
    }
    if (this.#next() === '"') throw this.#error(this.#at, 'a space is missing before this quote');
    if (++this.#terms > termsMax) throw this.#error(start, `more than ${termsMax} terms`);
    this.#skipSpace();
    try {
      const match = readMatch(field, literal);
      return {
        expression: { kind: 'term', term: { field, labelKey, match } },
        ofTarget: isOfTarget(field),
      };
    } catch (error) {
      throw error instanceof ValueError ? this.#error(start, error.message) : error;
    }
  }
}

/** Throws QueryError with the column. */
export function parseQuery(text: string): Expression {
  return new Parser(text.toWellFormed()).parse();
}

/** Whether two queries are the same one in different spellings. */
export function isSameQuery(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) =>
    JSON.stringify(parseQuery(text), (_, value: unknown) =>
      typeof value === 'bigint' ? `${value}n` : value,
    ),
  );
  return a === b;
}
