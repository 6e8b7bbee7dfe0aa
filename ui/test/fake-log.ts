// A log in memory with real signatures, which can grow, fork, roll back, lag and withhold; and what judges it.

import assert from 'node:assert/strict';
import { getPublicKey, sign } from '@noble/ed25519';
import { sha256 } from '@noble/hashes/sha2.js';
import { ApiError, type Door, type Json } from '../src/api/client.ts';
import { Contradiction } from '../src/engine/contradiction.ts';
import { CheckpointJudge, type Verdict } from '../src/engine/judge.ts';
import { ShortMemory } from '../src/engine/memory.ts';
import { concat, toBase64, toHex, toUtf8 } from '../src/proof/bytes.ts';
import '../src/proof/ed25519.ts';
import { emptyRoot, leafHash, nodeHash, type Hash } from '../src/proof/merkle.ts';
import { parseCheckpoint, type Checkpoint, parseVkey, type Vkey } from '../src/proof/note.ts';

export const origin = 'example.com/audit';

export interface Signer {
  readonly vkey: Vkey;
  signature(text: string): string;
}

export function signer(name: string, type: number, seed: number): Signer {
  const secret = new Uint8Array(32).fill(seed);
  const encoded = concat(new Uint8Array([type]), getPublicKey(secret));
  const id = sha256(concat(toUtf8(name + '\n'), encoded)).subarray(0, 4);
  const vkey = parseVkey(`${name}+${toHex(id)}+${toBase64(encoded)}`);
  assert.ok(typeof vkey !== 'string', String(vkey));
  return {
    vkey,
    signature(text) {
      if (type === 1) return `\u2014 ${name} ${toBase64(concat(id, sign(toUtf8(text), secret)))}\n`;
      const time = new Uint8Array(8);
      new DataView(time.buffer).setBigUint64(0, 1_700_000_000n);
      const signed = sign(toUtf8(`cosignature/v1\ntime 1700000000\n${text}`), secret);
      return `\u2014 ${name} ${toBase64(concat(id, time, signed))}\n`;
    },
  };
}

export const log = signer(origin, 1, 7);
export const witness = signer('witness.example/w', 4, 9);

function root(leaves: readonly Hash[]): Hash {
  if (leaves.length === 0) return emptyRoot;
  if (leaves.length === 1) return leaves[0]!;
  let half = 1;
  while (half * 2 < leaves.length) half *= 2;
  return nodeHash(root(leaves.slice(0, half)), root(leaves.slice(half)));
}

function path(index: number, leaves: readonly Hash[]): Hash[] {
  if (leaves.length === 1) return [];
  let half = 1;
  while (half * 2 < leaves.length) half *= 2;
  return index < half
    ? [...path(index, leaves.slice(0, half)), root(leaves.slice(half))]
    : [...path(index - half, leaves.slice(half)), root(leaves.slice(0, half))];
}

function consistency(old: number, leaves: readonly Hash[], whole = true): Hash[] {
  if (old === leaves.length) return whole ? [] : [root(leaves)];
  let half = 1;
  while (half * 2 < leaves.length) half *= 2;
  return old <= half
    ? [...consistency(old, leaves.slice(0, half), whole), root(leaves.slice(half))]
    : [...consistency(old - half, leaves.slice(half), false), root(leaves.slice(0, half))];
}

/** A server that says what its list of records says. */
export class FakeLog implements Door {
  records: Uint8Array[];
  refuses = '';
  constructor(...records: string[]) {
    this.records = records.map(toUtf8);
  }

  get leaves(): Hash[] {
    return this.records.map(leafHash);
  }

  note(size = this.records.length, ...more: Signer[]): string {
    const text = `${origin}\n${size}\n${toBase64(root(this.leaves.slice(0, size)))}\n`;
    return text + '\n' + [log, ...more].map((one) => one.signature(text)).join('');
  }

  getText(): Promise<string> {
    return Promise.resolve(this.note());
  }

  getJson(address: string): Promise<Json> {
    if (this.refuses !== '' && address.includes(this.refuses))
      return Promise.reject(new ApiError(503, 'REFUSED', 'not now'));
    const numbers = [...address.matchAll(/=(\d+)/g)].map((match) => Number(match[1]));
    const hashes = (found: Hash[]): Json => ({ hashes: found.map(toBase64) });
    const size = this.records.length;
    if (address.includes('/proofs/') && numbers[1]! > size)
      return Promise.reject(new ApiError(404, 'NOT_FOUND', 'beyond the log'));
    if (address.includes('consistency'))
      return Promise.resolve(hashes(consistency(numbers[0]!, this.leaves.slice(0, numbers[1]))));
    if (address.includes('inclusion'))
      return Promise.resolve(hashes(path(numbers[0]!, this.leaves.slice(0, numbers[1]))));
    const record = /records\/(\d+)/.exec(address);
    if (record !== null)
      return Promise.resolve({ record: toBase64(this.records[Number(record[1])]!) });
    return Promise.resolve({
      name: 'l',
      origin,
      vkey: log.vkey.text,
      publishedSize: String(size),
      durableSize: String(size),
    });
  }

  stream(): Promise<Response> {
    return Promise.reject(new ApiError(404, 'ROUTE_NOT_FOUND', ''));
  }
}

export const names = (count: number, prefix = 'r'): string[] =>
  Array.from({ length: count }, (_, i) => prefix + i);

export function judgeOf(
  door: Door,
  memory = new ShortMemory(),
  witnesses: Vkey[] = [],
): CheckpointJudge {
  return new CheckpointJudge({
    door,
    memory,
    now: () => 1_700_000_000_000,
    log: 'l',
    key: log.vkey,
    witnesses,
    grown: () => undefined,
  });
}

export async function contradiction(work: Promise<Verdict>): Promise<Contradiction['finding']> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof Contradiction, String(error));
    return error.finding;
  }
  throw new Error('no contradiction');
}

export const signed = (from: FakeLog, size?: number): Checkpoint => {
  const checkpoint = parseCheckpoint(from.note(size));
  assert.ok(typeof checkpoint !== 'string');
  return checkpoint;
};
