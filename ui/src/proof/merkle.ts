// The tree of RFC 6962 section 2.1 with SHA-256: hashes, inclusion, consistency, and the frontier of a growing tree.
// Pure: no network, no clock. Indexes and sizes of proofs are bigints, because a log may hold up to 2^63 records.

import { sha256 } from '@noble/hashes/sha2.js';
import { concat, equal } from './bytes.ts';

export type Hash = Uint8Array;

const leafPrefix = new Uint8Array([0]);
const nodePrefix = new Uint8Array([1]);

export const leafHash = (record: Uint8Array): Hash => sha256(concat(leafPrefix, record));
export const nodeHash = (left: Hash, right: Hash): Hash => sha256(concat(nodePrefix, left, right));
export const emptyRoot: Hash = sha256(new Uint8Array());

/** previous_hash of a log's first record. */
export const genesisHash = (origin: string): Hash =>
  sha256(new TextEncoder().encode('graven/genesis/v1\n' + origin));

function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length;
}

function popCount(value: bigint): number {
  let count = 0;
  for (const digit of value.toString(2)) if (digit === '1') count++;
  return count;
}

function trailingZeros(value: bigint): number {
  let count = 0;
  while (value > 0n && (value & 1n) === 0n) {
    value >>= 1n;
    count++;
  }
  return count;
}

/** One rung of an inclusion proof: the sibling from the server, and what it leads to, computed here. */
export interface Rung {
  readonly sibling: Hash;
  readonly side: 'left' | 'right';
  readonly result: Hash;
  /** Leaves [first, end) that `result` stands for. */
  readonly first: bigint;
  readonly end: bigint;
}

/** How many hashes an inclusion proof has; undefined when there is none. */
export function inclusionLength(index: bigint, size: bigint): number | undefined {
  if (index < 0n || index >= size) return undefined;
  const inner = bitLength(index ^ (size - 1n));
  return inner + popCount(index >> BigInt(inner));
}

/** The way from a leaf to the root (RFC 9162 section 2.1.3.2). Undefined when the proof has not the form it must have. */
export function climb(
  index: bigint,
  size: bigint,
  leaf: Hash,
  path: readonly Hash[],
): Rung[] | undefined {
  const length = inclusionLength(index, size);
  if (length === undefined || path.length !== length || leaf.length !== 32) return undefined;
  if (path.some((hash) => hash.length !== 32)) return undefined;
  const inner = bitLength(index ^ (size - 1n));
  const rungs: Rung[] = [];
  let hash = leaf;
  let first = index;
  let end = index + 1n;
  path.forEach((sibling, level) => {
    const left = level >= inner || ((index >> BigInt(level)) & 1n) === 1n;
    hash = left ? nodeHash(sibling, hash) : nodeHash(hash, sibling);
    if (!left) {
      const width = 1n << BigInt(level);
      const full = ((index >> BigInt(level + 1)) << BigInt(level + 1)) + 2n * width;
      end = full < size ? full : size;
    } else {
      // Above the inner levels each sibling is a whole tree of the size's own bits, left of all before it.
      const width = level < inner ? 1n << BigInt(level) : lowestBit(first);
      first -= width;
    }
    rungs.push({ sibling, side: left ? 'left' : 'right', result: hash, first, end });
  });
  return rungs;
}

function lowestBit(value: bigint): bigint {
  return value & -value;
}

export function checkInclusion(
  index: bigint,
  size: bigint,
  leaf: Hash,
  path: readonly Hash[],
  root: Hash,
): boolean {
  const rungs = climb(index, size, leaf, path);
  if (rungs === undefined) return false;
  return equal(rungs.length > 0 ? rungs[rungs.length - 1]!.result : leaf, root);
}

/** Whether the tree of `oldSize` is a prefix of that of `newSize` (RFC 9162 section 2.1.4.2). */
export function checkConsistency(
  oldSize: bigint,
  newSize: bigint,
  path: readonly Hash[],
  oldRoot: Hash,
  newRoot: Hash,
): boolean {
  if (oldSize <= 0n || oldSize > newSize) return false;
  if (oldSize === newSize) return path.length === 0 && equal(oldRoot, newRoot);
  if (oldRoot.length !== 32 || newRoot.length !== 32 || path.some((hash) => hash.length !== 32))
    return false;
  if (path.length === 0) return false;
  const shift = trailingZeros(oldSize);
  const whole = bitLength((oldSize - 1n) ^ (newSize - 1n));
  const border = popCount((oldSize - 1n) >> BigInt(whole));
  const inner = whole - shift;
  const powerOfTwo = (oldSize & (oldSize - 1n)) === 0n;
  const rest = powerOfTwo ? path : path.slice(1);
  if (rest.length !== inner + border) return false;
  const mask = (oldSize - 1n) >> BigInt(shift);
  let oldHash = powerOfTwo ? oldRoot : path[0]!;
  let newHash = oldHash;
  rest.forEach((hash, level) => {
    if (level < inner && ((mask >> BigInt(level)) & 1n) === 0n) {
      newHash = nodeHash(newHash, hash);
    } else {
      oldHash = nodeHash(hash, oldHash);
      newHash = nodeHash(hash, newHash);
    }
  });
  return equal(oldHash, oldRoot) && equal(newHash, newRoot);
}

/** The roots of a tree's perfect subtrees, the largest first: enough to append leaves and to know each root. */
export class Frontier {
  #size = 0;
  #roots: Hash[] = [];

  static empty(): Frontier {
    return new Frontier();
  }

  /**
   * The frontier of the tree of `size` leaves, from the inclusion proof of its last leaf: its siblings are all to the
   * left, and are the perfect subtrees. Nothing is proven by that; the root that comes out has to be one that was signed.
   */
  static fromLastLeaf(size: number, leaf: Hash, path: readonly Hash[]): Frontier | undefined {
    if (size < 1 || inclusionLength(BigInt(size - 1), BigInt(size)) !== path.length)
      return undefined;
    const frontier = new Frontier();
    // The path goes from the leaf up, so the largest subtree is its last hash.
    frontier.#size = size - 1;
    frontier.#roots = path.filter((hash) => hash.length === 32).toReversed();
    if (frontier.#roots.length !== path.length) return undefined;
    frontier.append(leaf);
    return frontier;
  }

  clone(): Frontier {
    const copy = new Frontier();
    copy.#size = this.#size;
    copy.#roots = [...this.#roots];
    return copy;
  }

  get size(): number {
    return this.#size;
  }

  append(leaf: Hash): void {
    let hash = leaf;
    // Not with bit operators: they end at 2^31.
    for (let size = this.#size; size % 2 === 1; size = Math.floor(size / 2))
      hash = nodeHash(this.#roots.pop()!, hash);
    this.#roots.push(hash);
    this.#size++;
  }

  root(): Hash {
    if (this.#size === 0) return emptyRoot;
    let hash = this.#roots[this.#roots.length - 1]!;
    for (let i = this.#roots.length - 2; i >= 0; i--) hash = nodeHash(this.#roots[i]!, hash);
    return hash;
  }
}
