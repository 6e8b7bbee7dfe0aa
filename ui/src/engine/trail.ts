// The records that were hashed here: the tree up to the newest checkpoint that covers them, the leaves behind it, and the
// end of the chain.

import { equal } from '../proof/bytes.ts';
import type { Frontier, Hash } from '../proof/merkle.ts';
import type { Checkpoint } from '../proof/note.ts';
import { newestRows, type Row } from '../record/row.ts';
import type { Beginning } from './beginning.ts';
import { hashRows, type Leaves } from './leaves.ts';

const recentMax = 2000;
const recentBytesMax = 16 << 20;

export class Trail {
  #frontier: Frontier | undefined;
  #pending: Hash[] = [];
  #next = 0;
  #lastLeaf: Hash | undefined;
  #recent: readonly Row[] = [];

  get next(): number {
    return this.#next;
  }

  /** The newest rows, for tabs that come later. */
  get recent(): readonly Row[] {
    return this.#recent;
  }

  /** Records behind the checkpoint last folded. */
  get pending(): number {
    return this.#pending.length;
  }

  /** Size of the folded tree; undefined before there is one. */
  get size(): number | undefined {
    return this.#frontier?.size;
  }

  /** `before`: the link of a first record, for a log without any. */
  begin({ frontier, rows, leaves }: Beginning, before: Hash): void {
    this.#frontier = frontier;
    this.#pending = [];
    this.#next = frontier.size;
    this.#lastLeaf = leaves[leaves.length - 1] ?? before;
    this.#recent = rows;
  }

  drop(): void {
    this.#frontier = undefined;
    this.#pending = [];
  }

  /** Hashes records that come next; throws a Contradiction when they do not continue the chain. */
  read(records: readonly Uint8Array[], first: number): Leaves {
    return hashRows(records, first, this.#lastLeaf);
  }

  take({ rows, leaves }: Leaves): void {
    this.#next += rows.length;
    this.#lastLeaf = leaves[leaves.length - 1]!;
    this.#pending.push(...leaves);
    this.#recent = newestRows([...this.#recent, ...rows], recentMax, recentBytesMax);
  }

  /** Roots of the tree as it was and as it grew; undefined where not all of it was hashed here. */
  rootAt(size: number, newSize: number): { before: Hash; after: Hash } | undefined {
    const frontier = this.#frontier;
    if (
      frontier === undefined ||
      frontier.size !== size ||
      frontier.size + this.#pending.length < newSize
    )
      return undefined;
    const grown = frontier.clone();
    for (const leaf of this.#pending.slice(0, newSize - size)) grown.append(leaf);
    return { before: frontier.root(), after: grown.root() };
  }

  /** Puts what the checkpoint covers into the tree. False, and nothing done: the root is not the one that was signed. */
  fold(checkpoint: Checkpoint): boolean {
    const frontier = this.#frontier;
    if (frontier === undefined) return true;
    const covered = checkpoint.size - frontier.size;
    if (covered > this.#pending.length || covered <= 0) return true;
    const grown = frontier.clone();
    for (let i = 0; i < covered; i++) grown.append(this.#pending[i]!);
    if (!equal(grown.root(), checkpoint.root)) return false;
    this.#frontier = grown;
    this.#pending = this.#pending.slice(covered);
    return true;
  }
}
