// The judge of checkpoints: each is held against the log's key, the witnesses' keys and what this browser remembers, which is
// raised only to a tree that was shown to begin with the one before.

import {
  ApiError,
  getConsistency,
  getInclusion,
  getLog,
  getRecord,
  type Door,
} from '../api/client.ts';
import { equal, toHex } from '../proof/bytes.ts';
import { checkConsistency, leafHash, type Hash } from '../proof/merkle.ts';
import {
  checkCosignatures,
  checkLogSignature,
  parseCheckpoint,
  type Checkpoint,
  type Cosignature,
  type Vkey,
} from '../proof/note.ts';
import {
  badCosignature,
  badSignature,
  forked,
  rolledBack,
  thousands,
  type Bench,
  type Contradiction,
} from './contradiction.ts';
import type { EvidenceProof } from './evidence.ts';
import { withSeen, type Memory, type Remembered } from './memory.ts';

export type Verdict =
  /** The largest that this browser knows; remembered from now on. */
  | { kind: 'newest'; checkpoint: Checkpoint; cosignatures: Cosignature[]; remembered: Remembered }
  /** A prefix of what is known, signed by witnesses since. */
  | { kind: 'cosigned'; checkpoint: Checkpoint; cosignatures: Cosignature[] }
  /** Smaller than what is known, and no contradiction to it. */
  | { kind: 'older'; sentence: string };

/** How a tree that came by another way than the server's newest checkpoint stands to the newest that is known. */
export interface Standing {
  readonly relation: 'same' | 'beginning' | 'longer';
  /** Of the tree that is known. */
  readonly size: number;
}

const signedToo = 'that the same key signed';

/** Why a server that signed a tree does not show what belongs to it. */
export const withheldReason = 'WITHHELD';

interface Parts {
  readonly door: Door;
  readonly memory: Memory;
  readonly now: () => number;
  readonly log: string;
  readonly key: Vkey;
  readonly witnesses: readonly Vkey[];
  /** Roots of the tree that was computed here, at two sizes, if it reaches from one to the other. */
  readonly grown: (size: number, newSize: number) => { before: Hash; after: Hash } | undefined;
}

export class CheckpointJudge {
  readonly #parts: Parts;
  readonly memoryKey: string;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.memoryKey = `${parts.key.name}\n${parts.key.text}`;
  }

  get bench(): Bench {
    return { key: this.#parts.key, now: this.#parts.now() };
  }

  /** Throws Contradiction, and ApiError where something that is needed cannot be had. */
  async judge(noteText: string): Promise<Verdict> {
    const { key, memory, now } = this.#parts;
    const checkpoint = parseCheckpoint(noteText);
    if (typeof checkpoint === 'string') {
      throw new ApiError(
        200,
        'NO_CHECKPOINT',
        `what it shows as the checkpoint is none: ${checkpoint}`,
      );
    }
    const signature = await checkLogSignature(checkpoint.note, key);
    if (signature !== 'good' || checkpoint.origin !== key.name)
      throw badSignature(this.bench, checkpoint, signature);
    const cosignatures = await this.#cosignatures(checkpoint);
    for (;;) {
      const before = await memory.remembered(this.memoryKey);
      const known = before === undefined ? undefined : parseCheckpoint(before.last.note);
      if (before !== undefined && known !== undefined && typeof known !== 'string') {
        if (checkpoint.size < known.size)
          return this.#judgeSmaller(checkpoint, cosignatures, known, before);
        await this.#checkGrowth(known, checkpoint);
      }
      const tree = { size: checkpoint.size, root: toHex(checkpoint.root), at: now() };
      const witnesses = cosignatures.length;
      const next: Remembered = {
        key: this.memoryKey,
        first: before?.first ?? tree,
        last: { ...tree, note: noteText },
        seen: withSeen(before?.seen ?? [], { ...tree, witnesses }),
      };
      // If another tab was quicker, its tree is the one to be consistent with.
      if (await memory.raise(this.memoryKey, before, next))
        return { kind: 'newest', checkpoint, cosignatures, remembered: next };
    }
  }

  /**
   * Holds a checkpoint whose signature was checked against the newest one that is known. Nothing is remembered by it. Throws
   * as `judge` does.
   */
  async compare(checkpoint: Checkpoint, known: Checkpoint): Promise<Standing> {
    const { size } = known;
    const longer = checkpoint.size > size;
    try {
      if (longer) await this.#checkGrowth(known, checkpoint);
      else await this.#checkGrowth(checkpoint, known, signedToo);
    } catch (error) {
      if (!longer || !(error instanceof ApiError) || error.reason !== withheldReason) throw error;
      const { door, log } = this.#parts;
      if ((await getLog(door, log)).publishedSize < checkpoint.size)
        throw rolledBack(this.bench, checkpoint, known);
      throw error;
    }
    return { relation: longer ? 'longer' : checkpoint.size === size ? 'same' : 'beginning', size };
  }

  async #cosignatures(checkpoint: Checkpoint): Promise<Cosignature[]> {
    const cosignatures = await checkCosignatures(
      checkpoint.note,
      this.#parts.key,
      this.#parts.witnesses,
    );
    const bad = cosignatures.find((one) => one.verdict === 'bad');
    if (bad !== undefined) throw badCosignature(bad);
    return cosignatures;
  }

  // Witnesses follow while the log goes on, so theirs is an earlier tree: it has to be a prefix, and is no lateness.
  async #judgeSmaller(
    checkpoint: Checkpoint,
    cosignatures: Cosignature[],
    known: Checkpoint,
    before: Remembered,
  ): Promise<Verdict> {
    const seen = before.seen.find((one) => one.size === checkpoint.size);
    const remembered = seen !== undefined && seen.root === toHex(checkpoint.root);
    const late =
      remembered && cosignatures.length > 0 ? undefined : await this.#checkOlder(checkpoint, known);
    if (cosignatures.length > 0 && (late === undefined || late.consistent)) {
      return { kind: 'cosigned', checkpoint, cosignatures };
    }
    return { kind: 'older', sentence: late?.sentence ?? '' };
  }

  // `how`: how the smaller tree is known; as something that was seen before, if nothing is said.
  async #checkGrowth(known: Checkpoint, checkpoint: Checkpoint, how?: string): Promise<void> {
    if (checkpoint.size === known.size) {
      if (equal(checkpoint.root, known.root)) return;
      throw await this.#fork(known, checkpoint, how);
    }
    if (known.size === 0) return;
    const own = this.#parts.grown(known.size, checkpoint.size);
    // What was computed here needs no proof of the server; a difference does, so that there is evidence.
    if (own !== undefined && equal(own.before, known.root) && equal(own.after, checkpoint.root))
      return;
    for (const fresh of [false, true]) {
      let path: Uint8Array[];
      try {
        path = await getConsistency(
          this.#parts.door,
          this.#parts.log,
          known.size,
          checkpoint.size,
          fresh,
        );
      } catch (error) {
        if (!(error instanceof ApiError) || error.status === 0) throw error;
        if (!fresh) continue;
        const sentence = `The server does not prove that its tree of size ${thousands(checkpoint.size)} begins with the one of size ${thousands(known.size)} ${how ?? 'that was seen here before'}: ${error.message}.`;
        throw new ApiError(error.status, withheldReason, sentence);
      }
      if (
        checkConsistency(
          BigInt(known.size),
          BigInt(checkpoint.size),
          path,
          known.root,
          checkpoint.root,
        )
      )
        return;
    }
    throw await this.#fork(known, checkpoint, how);
  }

  // Late, if its tree is a prefix and the server can still go on to what is known; rolled back, if the server denies that.
  async #checkOlder(
    checkpoint: Checkpoint,
    known: Checkpoint,
  ): Promise<{ consistent: boolean; sentence: string }> {
    const { door, log } = this.#parts;
    const begin = `The server shows an older checkpoint, of size ${thousands(checkpoint.size)}`;
    try {
      if (checkpoint.size > 0) {
        const path = await getConsistency(door, log, checkpoint.size, known.size, true);
        if (
          !checkConsistency(
            BigInt(checkpoint.size),
            BigInt(known.size),
            path,
            checkpoint.root,
            known.root,
          )
        ) {
          throw await this.#fork(checkpoint, known);
        }
        return {
          consistent: true,
          sentence: `${begin}; ${thousands(known.size)} was seen here before. The two are consistent.`,
        };
      }
    } catch (error) {
      if (!(error instanceof ApiError) || error.status === 0) throw error;
    }
    if ((await getLog(door, log)).publishedSize < known.size)
      throw rolledBack(this.bench, known, checkpoint);
    const sentence = `${begin}, and does not prove that it belongs to the one of size ${thousands(known.size)} that was seen here before.`;
    return { consistent: checkpoint.size === 0, sentence };
  }

  async #fork(smaller: Checkpoint, larger: Checkpoint, how?: string): Promise<Contradiction> {
    const proofs: EvidenceProof[] = [];
    if (smaller.size !== larger.size) {
      const { door, log } = this.#parts;
      const index = smaller.size - 1;
      try {
        const path = await getInclusion(door, log, index, larger.size, true);
        proofs.push({ index, leaf: leafHash(await getRecord(door, log, index, true)), path });
      } catch {
        // Without it the two notes alone are the evidence; what they show is said by whoever judges them.
      }
    }
    return forked(this.bench, smaller, larger, proofs, how);
  }
}
