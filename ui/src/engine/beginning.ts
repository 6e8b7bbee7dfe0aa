// Where watching begins: the last records before a checkpoint, folded into a tree whose root must be the one that was signed.

import { ApiError, getInclusion, getRecords, type Door } from '../api/client.ts';
import { equal } from '../proof/bytes.ts';
import { climb, Frontier, type Hash } from '../proof/merkle.ts';
import { parseCheckpoint, type Checkpoint } from '../proof/note.ts';
import { decodeRow, type Row } from '../record/row.ts';
import {
  notInTree,
  otherRoot,
  thousands,
  type Bench,
  type Contradiction,
} from './contradiction.ts';
import { hashRows } from './leaves.ts';

const rowsBefore = 200;

export interface Beginning {
  /** Of the tree of the checkpoint's size. */
  readonly frontier: Frontier;
  readonly first: number;
  readonly rows: Row[];
  readonly leaves: readonly Hash[];
}

/** Answers that are asked for while it is not known yet whether the checkpoint is to be believed. */
export interface Ahead {
  readonly size: number;
  readonly records: Promise<{ records: Uint8Array[] }>;
  readonly path: Promise<Hash[]>;
}

const firstOf = (size: number): number => Math.max(0, size - rowsBefore);

const askPath = (door: Door, log: string, first: number, fresh: boolean): Promise<Hash[]> =>
  first === 0 ? Promise.resolve([]) : getInclusion(door, log, first - 1, first, fresh);

/** Undefined for what is no checkpoint. */
export function askAhead(door: Door, log: string, noteText: string): Ahead | undefined {
  const checkpoint = parseCheckpoint(noteText);
  if (typeof checkpoint === 'string' || checkpoint.size === 0) return undefined;
  const { size } = checkpoint;
  const first = firstOf(size);
  const records = getRecords(door, log, first, size - first);
  const path = askPath(door, log, first, false);
  // Whoever needs them finds out; if nobody does, no harm was done.
  records.catch(() => undefined);
  path.catch(() => undefined);
  return { size, records, path };
}

interface Parts {
  readonly door: Door;
  readonly log: string;
  readonly genesis: Hash;
  readonly bench: Bench;
  readonly progress: (sentence: string, done: number, of: number) => void;
}

/** Throws Contradiction when the records do not lead to the root. `asked`: not past all caches. */
export async function readBack(
  parts: Parts,
  checkpoint: Checkpoint,
  fresh: boolean,
  asked?: Ahead,
): Promise<Beginning> {
  const { door, log, genesis } = parts;
  const first = firstOf(checkpoint.size);
  const ahead = !fresh && asked?.size === checkpoint.size ? asked : undefined;
  const [records, path] = await Promise.all([
    lastRecords(parts, checkpoint, first, fresh, ahead),
    ahead?.path ?? askPath(door, log, first, fresh),
  ]);
  const { rows, leaves } = hashRows(records, first, first === 0 ? genesis : undefined);
  let frontier: Frontier | undefined = Frontier.empty();
  if (first > 0) {
    // The link of the first record is the leaf before it; the root says whether that is true.
    const link: { hash: Uint8Array | undefined } = { hash: undefined };
    decodeRow(records[0]!, '', link);
    frontier = link.hash === undefined ? undefined : Frontier.fromLastLeaf(first, link.hash, path);
    if (frontier === undefined)
      throw new ApiError(200, 'BAD_ANSWER', 'a proof is not of the form that it must have');
  }
  for (const leaf of leaves) frontier.append(leaf);
  if (equal(frontier.root(), checkpoint.root)) return { frontier, first, rows, leaves };
  throw await whichRecord(parts, checkpoint, first, records, leaves, frontier.root());
}

async function lastRecords(
  { door, log, progress }: Parts,
  checkpoint: Checkpoint,
  first: number,
  fresh: boolean,
  ahead: Ahead | undefined,
): Promise<Uint8Array[]> {
  const records: Uint8Array[] = [];
  if (ahead !== undefined)
    records.push(...(await ahead.records).records.slice(0, checkpoint.size - first));
  while (first + records.length < checkpoint.size) {
    const at = first + records.length;
    progress(
      `reading and hashing records before ${thousands(checkpoint.size)}`,
      records.length,
      checkpoint.size - first,
    );
    const page = await getRecords(door, log, at, checkpoint.size - at, fresh);
    if (page.records.length === 0) {
      throw new ApiError(200, 'BAD_ANSWER', 'the server shows no records where it signed some');
    }
    records.push(...page.records.slice(0, checkpoint.size - at));
  }
  return records;
}

// The root does not come out. Which of the records is it? Each one's own proof says so, and makes the evidence.
async function whichRecord(
  { door, log, bench }: Parts,
  checkpoint: Checkpoint,
  first: number,
  records: readonly Uint8Array[],
  leaves: readonly Hash[],
  computed: Hash,
): Promise<Contradiction> {
  for (const [i, leaf] of leaves.entries()) {
    const index = first + i;
    try {
      const path = await getInclusion(door, log, index, checkpoint.size, true);
      const rungs = climb(BigInt(index), BigInt(checkpoint.size), leaf, path);
      const top = rungs === undefined ? undefined : (rungs[rungs.length - 1]?.result ?? leaf);
      if (top === undefined || !equal(top, checkpoint.root)) {
        return notInTree(bench, checkpoint, { index, record: records[i]!, path, top });
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      break;
    }
  }
  return otherRoot(checkpoint, computed);
}
