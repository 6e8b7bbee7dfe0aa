// Which rows a query means: compiled once, run for each row. The same as the server's judgement, so that what is found by
// reading here can be held against what the server signs.

import { fold, hasSought, hasWords } from './folding.ts';
import { addressOf, isWithin } from './literal.ts';
import type { Expression, Match, Term } from './query.ts';
import type { Row, RowTarget } from './row.ts';
import { hiddenOf, type Hidden } from './hidden.ts';

const beyondAscii = /[^\x00-\x7f]/;

// A row with what is made of it when a term asks, once.
class Judged {
  readonly row: Row;
  #hidden: Hidden | undefined;
  #texts: string[] | undefined;
  #reason: string | undefined;
  #strange: boolean | undefined;
  constructor(row: Row) {
    this.row = row;
  }

  get hidden(): Hidden {
    return (this.#hidden ??= hiddenOf(this.row.bytes));
  }

  get texts(): readonly string[] {
    return (this.#texts ??= this.#plainTexts.filter((text) => text !== '').map(fold));
  }

  get #plainTexts(): readonly string[] {
    return [
      this.row.action,
      this.row.actorName,
      ...this.row.targets.map((target) => target.name),
      ...this.row.labels.flat(),
      this.row.reason,
      ...this.hidden.details,
    ];
  }

  /** Has characters of which this browser may know less, or more, than whoever else judges. */
  get strange(): boolean {
    return (this.#strange ??= beyondAscii.test(this.#plainTexts.join('')));
  }

  get reason(): string {
    return (this.#reason ??= fold(this.row.reason));
  }
}

type Judge = (judged: Judged, target: RowTarget | undefined) => boolean;

/** A function that says whether a row matches. */
export function matcher(expression: Expression): (row: Row) => boolean {
  const judge = judgeOf(expression);
  return (row) => judge(new Judged(row), undefined);
}

/**
 * A function that says whether a row may match for somebody with another version of Unicode: terms of text are in doubt where
 * the row's text is more than ASCII, all else is not.
 */
export function mayMatch(expression: Expression): (row: Row) => boolean {
  const judge = judgeOf(expression, true);
  return (row) => judge(new Judged(row), undefined);
}

// `doubtful`: what a term of text says of a row in doubt; undefined where there are no doubts.
function judgeOf(expression: Expression, doubtful?: boolean): Judge {
  switch (expression.kind) {
    case 'and': {
      const parts = expression.parts.map((part) => judgeOf(part, doubtful));
      return (judged, target) => parts.every((part) => part(judged, target));
    }
    case 'or': {
      const parts = expression.parts.map((part) => judgeOf(part, doubtful));
      return (judged, target) => parts.some((part) => part(judged, target));
    }
    case 'not': {
      const part = judgeOf(expression.part, doubtful === undefined ? undefined : !doubtful);
      return (judged, target) => !part(judged, target);
    }
    case 'target': {
      const part = judgeOf(expression.part, doubtful);
      return (judged) => judged.row.targets.some((target) => part(judged, target));
    }
    case 'term':
      return termJudge(expression.term, doubtful);
  }
}

function termJudge({ field, labelKey, match }: Term, doubtful: boolean | undefined): Judge {
  const value = valueTest(match);
  const number = numberTest(match);
  const text = textTest(match);
  switch (field) {
    case 'target.type':
      return (_, target) => target !== undefined && value(target.type);
    case 'target.id':
      return (_, target) => target !== undefined && value(target.id);
    case 'target.name':
      return (_, target) => target !== undefined && value(target.name);
    case 'outcome':
      // Of one that has no name here the row does not know the number.
      return (judged) =>
        value(judged.row.outcome === 'unknown' ? judged.hidden.outcome : judged.row.outcome);
    case 'label':
      return ({ row }) => row.labels.some(([key, own]) => key === labelKey && value(own));
    case 'time':
      return ({ row }) => number(BigInt(row.receivedNs));
    case 'occurred':
      return (judged) => number(judged.hidden.occurredNs);
    case 'index':
      return ({ row }) => number(BigInt(row.index));
    case 'text':
      return (judged) =>
        doubtful !== undefined && judged.strange ? doubtful : judged.texts.some(text);
    case 'reason':
      return (judged) =>
        judged.row.reason !== '' &&
        (doubtful !== undefined && judged.strange ? doubtful : text(judged.reason));
    case 'trace':
      // The client's: a row may have them from the traceparent, which the server adds and does not search.
      return (judged) => value(judged.hidden.trace);
    case 'span':
      return (judged) => value(judged.hidden.span);
    default: {
      const own = plainFields[field];
      return ({ row }) => value(own(row));
    }
  }
}

const plainFields = {
  'actor.id': (row: Row): string => row.actorId,
  'actor.type': (row: Row): string => row.actorType,
  'actor.name': (row: Row): string => row.actorName,
  action: (row: Row): string => row.action,
  service: (row: Row): string => row.service,
  ip: (row: Row): string => row.ip,
  request: (row: Row): string => row.requestId,
  session: (row: Row): string => row.sessionId,
  correlation: (row: Row): string => row.correlationId,
  event_id: (row: Row): string => row.eventId,
  written_by: (row: Row): string => row.writtenBy,
};

function valueTest(match: Match): (value: string) => boolean {
  switch (match.how) {
    case 'equals':
      return (value) => value === match.value;
    case 'prefix':
      return (value) => value !== '' && value.startsWith(match.value);
    case 'network':
      return (value) => {
        const address = addressOf(value);
        return address !== undefined && isWithin(match.network, address);
      };
    default:
      return () => false;
  }
}

function numberTest(match: Match): (value: bigint) => boolean {
  if (match.how !== 'range') return () => false;
  const { low, high } = match;
  return (value) => (low === undefined || value >= low) && (high === undefined || value < high);
}

function textTest(match: Match): (folded: string) => boolean {
  if (match.how === 'phrase') return (folded) => hasSought(folded, match.sought, false);
  if (match.how !== 'words') return () => false;
  const { words, lastIsBeginning } = match;
  return words.length === 1
    ? (folded) => hasSought(folded, words[0]!, lastIsBeginning)
    : (folded) => hasWords(folded, words, lastIsBeginning);
}
