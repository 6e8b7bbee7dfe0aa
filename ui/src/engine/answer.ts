// A server's statement about a search, held against what the page knows itself.

import { equal, toHex } from '../proof/bytes.ts';
import { answerLeaf, parseAnswer, type Answer } from '../proof/answer.ts';
import { Frontier } from '../proof/merkle.ts';
import { checkLogSignature, parseVkey } from '../proof/note.ts';
import type { Explained } from './protocol.ts';

/** What the page shows of the same search. */
export interface Shown {
  /** Canonical; empty where the server was not asked. */
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
  /** The newest checkpoint that was checked. */
  readonly checkpoint: { size: number; root: string } | undefined;
}

const thousands = (value: number): string => value.toLocaleString('en-US');

function contradiction(answer: Answer, place: AnswerPlace, shown: Shown | undefined): string {
  if (answer.origin !== place.origin) return `it is about another log, ${answer.origin}`;
  const own = place.checkpoint;
  if (own?.size === answer.size && own.root !== toHex(answer.root))
    return `its tree of size ${thousands(own.size)} is another than the one that this page checked`;
  if (shown === undefined) return '';
  if (shown.query !== '' && shown.query !== answer.query)
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
    ['signed by', answer.note.signatures.map((one) => `${one.name} (${one.id})`).join(', ')],
  ];
  const said = `The statement that ${thousands(answer.count)} of ${thousands(answer.high - answer.low)} records match`;
  const logKey = place === undefined ? '' : parseVkey(place.vkey);
  const signature =
    typeof logKey === 'string' ? 'absent' : await checkLogSignature(answer.checkpoint.note, logKey);
  if (signature === 'bad') return wrong(`${said}: the log's signature does not verify.`, facts);
  const answerKey = shown === undefined ? '' : parseVkey(shown.answerKey);
  if (typeof answerKey !== 'string' && (await checkLogSignature(answer.note, answerKey)) !== 'good')
    return wrong(`${said} is not signed by the key that the server names.`, facts);
  const problem = place === undefined ? '' : contradiction(answer, place, shown);
  if (problem !== '') return wrong(`${said} does not fit: ${problem}.`, facts);
  const tree =
    signature === 'good'
      ? 'under a checkpoint signed by the key that this page checks with'
      : 'under a checkpoint that the log of this page did not sign';
  if (shown?.matches !== undefined && signature === 'good')
    return {
      sentence: `${said}, ${tree}, holds: this page read all of them and found the same.`,
      holds: true,
      facts,
    };
  return {
    sentence: `${said}, ${tree}: the word of who signed it, until all records are searched again.`,
    holds: undefined,
    facts,
  };
}
