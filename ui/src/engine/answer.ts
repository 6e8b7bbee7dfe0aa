// A server's statement about a search, held against what the page knows itself: its tree against the newest one that was
// checked here, by a proof of consistency where the two are of different sizes.

import { thousands } from '../numbers.ts';
import { equal, toHex } from '../proof/bytes.ts';
import { answerLeaf, parseAnswer, type Answer } from '../proof/answer.ts';
import { Frontier } from '../proof/merkle.ts';
import { checkLogSignature, parseVkey, type Checkpoint } from '../proof/note.ts';
import { ApiError } from '../api/client.ts';
import { isSameQuery, QueryError } from '../record/query.ts';
import { Contradiction } from './contradiction.ts';
import type { Standing } from './judge.ts';
import type { Explained } from './protocol.ts';

/** What the page shows of the same search. */
export interface Shown {
  /** Canonical; as it was typed where the server was not asked. */
  query: string;
  treeSize: number;
  /** Undefined while it is not exact. */
  count: number | undefined;
  /** Ascending, of a page that read and matched every record itself. */
  matches: number[] | undefined;
  /** The key that the server says it signs statements with; empty when it says none. */
  answerKey: string;
}

export interface AnswerPlace {
  readonly origin: string;
  readonly vkey: string;
  /**
   * Holds a checkpoint that the log's key signed against the newest one that was checked; undefined: there is none. Throws
   * Contradiction, and ApiError where no proof is to be had.
   */
  compare(checkpoint: Checkpoint): Promise<Standing | undefined>;
  /** The key that the server says it signs statements with; empty when it says none. Throws ApiError. */
  answerKey(): Promise<string>;
}

function isSpelling(one: string, of: string): boolean {
  try {
    return isSameQuery(one, of);
  } catch (error) {
    if (error instanceof QueryError) return false;
    throw error;
  }
}

function contradiction(answer: Answer, place: AnswerPlace, shown: Shown | undefined): string {
  if (answer.origin !== place.origin) return `it is about another log, ${answer.origin}`;
  if (shown === undefined) return '';
  if (shown.query !== answer.query && !isSpelling(answer.query, shown.query))
    return `it answers another query, ${answer.query}`;
  if (answer.low !== 0 || answer.high !== shown.treeSize)
    return `it is about records ${thousands(answer.low)} to ${thousands(answer.high)}`;
  if (shown.count !== undefined && shown.count !== answer.count)
    return `it states ${thousands(answer.count)} matches, and this page has ${thousands(shown.count)}`;
  if (shown.matches === undefined) return '';
  const tree = Frontier.empty();
  for (const index of shown.matches) tree.append(answerLeaf(index));
  return equal(tree.root(), answer.matchesRoot)
    ? ''
    : 'it names other records than those that this page read and matched';
}

/** `fits`: undefined where it could not be shown. */
interface Placed {
  readonly words: string;
  readonly fits: boolean | undefined;
}

/** A tree that the log's key signed, held against the one that this page checked; the words follow on "a checkpoint". */
export async function placeTree(checkpoint: Checkpoint, place: AnswerPlace): Promise<Placed> {
  try {
    const standing = await place.compare(checkpoint);
    const size = standing === undefined ? '' : thousands(standing.size);
    switch (standing?.relation) {
      case undefined:
        return { words: 'which could not be held against any other yet', fits: undefined };
      case 'same':
        return { words: 'which is the tree that this page checked', fits: true };
      case 'beginning':
        return {
          words: `proven here to be the beginning of the tree of size ${size} that this page checked`,
          fits: true,
        };
      case 'longer':
        return {
          words: `proven here to begin with the tree of size ${size} that this page checked`,
          fits: true,
        };
    }
  } catch (error) {
    if (error instanceof Contradiction) return { words: error.message, fits: false };
    if (!(error instanceof ApiError)) throw error;
    return {
      words: `not proven to belong to the tree that this page checked (${error.message})`,
      fits: undefined,
    };
  }
}

/** Who signed a statement; `refused` when it was not who should have. */
interface Signer {
  readonly checked: boolean;
  readonly words: string;
  readonly refused: string;
}

// The key is the server's own word for who it is: that is said, and no key is no reason to believe.
async function signerOf(
  answer: Answer,
  place: AnswerPlace | undefined,
  shown: Shown | undefined,
): Promise<Signer> {
  let why = 'the server names no key for statements';
  let named = '';
  try {
    named = shown?.answerKey ?? (await place?.answerKey()) ?? '';
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    why = `the server was asked for its key: ${error.message}`;
  }
  const key = parseVkey(named);
  if (typeof key === 'string')
    return { checked: false, words: `not checked (${why})`, refused: '' };
  switch (await checkLogSignature(answer.note, key)) {
    case 'good':
      return {
        checked: true,
        words: `checked with the key that the server names, ${key.text}`,
        refused: '',
      };
    case 'bad':
      return {
        checked: true,
        words: `does not verify with the key that the server names, ${key.text}`,
        refused:
          'is not signed by the key that the server names: it was changed after it was signed, or forged, and is nobody’s word',
      };
    case 'absent':
      return {
        checked: true,
        words: `by another key than the one that the server names, ${key.text}`,
        refused: 'is not signed by the key that the server names: it is no word of that server',
      };
  }
}

/** `shown`: of the search that it was asked for; undefined: a file that somebody brought. */
export async function explainAnswer(
  text: string,
  place: AnswerPlace | undefined,
  shown: Shown | undefined,
): Promise<Explained> {
  const wrong = (sentence: string, facts: [string, string][] = []): Explained => ({
    sentence,
    holds: false,
    facts,
  });
  const answer = parseAnswer(text);
  if (typeof answer === 'string')
    return wrong(`A statement about a search that cannot be read: ${answer}.`);
  const facts: [string, string][] = [
    ['query', answer.query],
    ['matches', `${thousands(answer.count)}, hash ${toHex(answer.matchesRoot)}`],
    ['tree', `${answer.origin}, size ${thousands(answer.size)}, root ${toHex(answer.root)}`],
    [
      'says it is signed by',
      answer.note.signatures.map((one) => `${one.name} (${one.id})`).join(', '),
    ],
  ];
  const said = `The statement that ${thousands(answer.count)} of ${thousands(answer.high - answer.low)} records match`;
  const logKey = place === undefined ? '' : parseVkey(place.vkey);
  const signature =
    typeof logKey === 'string' ? 'absent' : await checkLogSignature(answer.checkpoint.note, logKey);
  // First of all: what nobody signed says nothing about a log.
  const signer = await signerOf(answer, place, shown);
  facts.push(['its signature', signer.words]);
  if (signer.refused !== '') return wrong(`${said} ${signer.refused}.`, facts);
  if (signature === 'bad') return wrong(`${said}: the log's signature does not verify.`, facts);
  // Another history weighs more than another question.
  const standing = signature === 'good' ? await placeTree(answer.checkpoint, place!) : undefined;
  if (standing?.fits === false) return wrong(`${said} does not fit: ${standing.words}`, facts);
  const problem = place === undefined ? '' : contradiction(answer, place, shown);
  if (problem !== '') return wrong(`${said} does not fit: ${problem}.`, facts);
  const tree =
    standing === undefined
      ? 'under a checkpoint that the log of this page did not sign'
      : `under a checkpoint of size ${thousands(answer.size)} signed by the key that this page checks with, ${standing.words}`;
  const same = shown?.matches !== undefined && standing?.fits === true;
  if (same && signer.checked)
    return {
      sentence: `${said}, ${tree}, holds: this page read all of them and found the same.`,
      holds: true,
      facts,
    };
  return {
    sentence: signer.checked
      ? `${said}, ${tree}: the word of who signed it, by the key that the server names, until all records are searched again.`
      : same
        ? `${said}, ${tree}: its numbers are right, this page read all records and found the same; who signed it was not checked, so it is nobody’s word yet.`
        : `${said}, ${tree}: who signed it was not checked, so it is nobody’s word yet.`,
    holds: undefined,
    facts,
  };
}
