// What a reader asks about a log: is this record in it, is it the one that is shown, does this other tree fit? Answered by the
// tree that was checked last; what does not fit after a second look past all caches is a finding.

import { ApiError, getInclusion, type Door } from '../api/client.ts';
import { equal, fromHex } from '../proof/bytes.ts';
import { climb, leafHash } from '../proof/merkle.ts';
import type { Checkpoint } from '../proof/note.ts';
import type { Bulletin } from './bulletin.ts';
import type { Clock } from './clock.ts';
import { Contradiction, notInTree, thousands } from './contradiction.ts';
import type { Findings } from './findings.ts';
import type { Standing } from './judge.ts';
import { contradictionIn, isIncluded, proveRecord } from './prove.ts';
import type { RecordProof } from './protocol.ts';
import type { SignedTree } from './signed-tree.ts';

// A record is shown some milliseconds before a checkpoint covers it.
const coveredWithinMs = 5000;
const lookEveryMs = 250;

interface Parts {
  readonly door: Door;
  readonly clock: Clock;
  readonly log: string;
  readonly tree: SignedTree;
  readonly findings: Findings;
  readonly bulletin: Bulletin;
  /** Nobody follows the log any more: nothing will cover what is not covered. */
  readonly ended: () => AbortSignal;
}

export class Questions {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Of the newest tree that was checked here: what a server says of its size is held against it. */
  async size(): Promise<number> {
    const { clock, tree, ended } = this.#parts;
    for (let waited = 0; tree.checkpoint === undefined; waited += lookEveryMs) {
      if (waited >= coveredWithinMs || ended().aborted)
        throw new ApiError(404, 'NO_CHECKPOINT', 'no checkpoint of this log was checked yet');
      await clock.sleep(lookEveryMs, ended());
    }
    return tree.checkpoint.size;
  }

  /** Fetches a record and its path, and recomputes everything up to the signed root. */
  async prove(index: number): Promise<RecordProof> {
    const { bulletin, findings, tree } = this.#parts;
    const first = await this.#proveOnce(index, false);
    if (first.holds) return first;
    const second = await this.#proveOnce(index, true);
    if (second.holds)
      bulletin.flicker(`Record ${thousands(index)} did not lead to the signed root at first.`);
    else await findings.add(contradictionIn(second, index, tree.bench), tree.lastGood);
    return second;
  }

  async #proveOnce(index: number, fresh: boolean): Promise<RecordProof> {
    const checkpoint = await this.#covering(index);
    const { door, log, tree } = this.#parts;
    const parts = { door, log, key: tree.key, witnesses: tree.witnesses };
    return proveRecord(parts, checkpoint, index, fresh);
  }

  async #covering(index: number): Promise<Checkpoint> {
    const { clock, tree, ended } = this.#parts;
    for (let waited = 0; ; waited += lookEveryMs) {
      const found = tree.covering(index);
      if (found !== undefined) return found;
      if (waited >= coveredWithinMs || ended().aborted) {
        throw new ApiError(
          404,
          'NOT_COVERED',
          `no checkpoint covers a record ${thousands(index)} yet`,
        );
      }
      await clock.sleep(lookEveryMs, ended());
    }
  }

  /** Whether a row that the page shows is the record that is under the checkpoint: for answers of the search. */
  async cover(index: number, hash: string): Promise<boolean> {
    const { door, log, tree } = this.#parts;
    const held = tree.heldHash(index);
    if (held !== undefined) return held === hash;
    const checkpoint = await this.#covering(index);
    const leaf = fromHex(hash)!;
    for (const fresh of [false, true]) {
      if (await isIncluded(door, log, checkpoint, { index, leaf, fresh })) return true;
    }
    return (await this.prove(index)).row.hash === hash;
  }

  /** A record that a search showed twice and that is not under the checkpoint: a finding, if it still is not. */
  async foreign(index: number, record: Uint8Array): Promise<boolean> {
    const { door, findings, log, tree } = this.#parts;
    const checkpoint = await this.#covering(index);
    const path = await getInclusion(door, log, index, checkpoint.size, true);
    const leaf = leafHash(record);
    const rungs = climb(BigInt(index), BigInt(checkpoint.size), leaf, path);
    const top = rungs === undefined ? undefined : (rungs[rungs.length - 1]?.result ?? leaf);
    if (top !== undefined && equal(top, checkpoint.root)) return true;
    const shown = { index, record, path, top };
    await findings.add(notInTree(tree.bench, checkpoint, shown), tree.lastGood);
    return false;
  }

  /**
   * Holds a tree that the log's key signed, and that came by another way, against the newest one that was checked here; none
   * was: undefined. Throws a Contradiction, which is a finding then, and ApiError where no proof is to be had.
   */
  async compare(checkpoint: Checkpoint): Promise<Standing | undefined> {
    const { findings, tree } = this.#parts;
    try {
      return await tree.compare(checkpoint);
    } catch (error) {
      if (error instanceof Contradiction) await findings.add(error, tree.lastGood);
      throw error;
    }
  }

  /** Twice, the second time past all caches. */
  doesNotFit(contradiction: Contradiction): Promise<void> {
    const { findings, tree } = this.#parts;
    return findings.add(contradiction, tree.lastGood);
  }

  wasWrongOnce(sentence: string): void {
    this.#parts.bulletin.flicker(sentence);
  }
}
