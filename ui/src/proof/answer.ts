// What a server states about a search: that these are all matches of one tree (docs/search.md). Reading only.

import { fromBase64, fromUtf8, parseDecimal } from './bytes.ts';
import { leafHash } from './merkle.ts';
import { parseCheckpoint, parseNote, type Checkpoint, type Note } from './note.ts';

const header = 'graven answer v1';

export interface Answer {
  readonly origin: string;
  /** Canonical, with its version. */
  readonly query: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** What was searched: from, before. */
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** Root of the RFC 6962 tree over the indexes of all matches. */
  readonly matchesRoot: Uint8Array;
  /** The log's own for size and root; that it is about them is checked here, its signature is not. */
  readonly checkpoint: Checkpoint;
  readonly note: Note;
}

export const isAnswer = (text: string): boolean => text.startsWith(header + '\n');

/** The leaf of one match: its index as 8 bytes, big-endian. */
export function answerLeaf(index: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(index));
  return leafHash(bytes);
}

function numberOf(text: string | undefined): number | undefined {
  const value = text === undefined ? undefined : parseDecimal(text);
  return value === undefined || value > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : Number(value);
}

function hashOf(text: string): Uint8Array | undefined {
  const hash = fromBase64(text);
  return hash?.length === 32 ? hash : undefined;
}

/** Takes a statement apart; says what is wrong with it otherwise. */
export function parseAnswer(text: string): Answer | string {
  const note = parseNote(text);
  if (typeof note === 'string') return note;
  const lines = note.text.slice(0, -1).split('\n');
  if (lines.length !== 9 || lines[0] !== header) return 'another number of lines, or another form';
  const [low, high, ...more] = lines[5]!.split(' ');
  const answer = {
    size: numberOf(lines[3]),
    root: hashOf(lines[4]!),
    low: numberOf(low),
    high: numberOf(high),
    count: numberOf(lines[6]),
    matchesRoot: hashOf(lines[7]!),
  };
  const { size, root, matchesRoot, count } = answer;
  if (root === undefined || matchesRoot === undefined) return 'a hash is not base64 of 32 bytes';
  if (
    size === undefined ||
    count === undefined ||
    answer.low === undefined ||
    answer.high === undefined ||
    more.length > 0 ||
    answer.low > answer.high ||
    answer.high > size ||
    count > answer.high - answer.low
  )
    return 'its numbers do not fit together';
  const signed = fromBase64(lines[8]!);
  const checkpoint = signed === undefined ? 'not base64' : parseCheckpoint(fromUtf8(signed) ?? '');
  if (typeof checkpoint === 'string') return `its checkpoint: ${checkpoint}`;
  if (
    checkpoint.origin !== lines[1] ||
    checkpoint.size !== size ||
    !checkpoint.root.every((byte, i) => byte === root[i])
  )
    return 'its checkpoint is about another tree';
  return {
    origin: lines[1]!,
    query: lines[2]!,
    size,
    root,
    low: answer.low,
    high: answer.high,
    count,
    matchesRoot,
    checkpoint,
    note,
  };
}
