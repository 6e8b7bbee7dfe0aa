// One record, fetched with its path, and everything up to the signed root recomputed.

import { getInclusion, getRecord, type Door } from '../api/client.ts';
import { equal, fromHex, toHex } from '../proof/bytes.ts';
import { climb, leafHash, type Hash } from '../proof/merkle.ts';
import { checkCosignatures, parseCheckpoint, type Checkpoint, type Vkey } from '../proof/note.ts';
import { formatReceipt } from '../proof/receipt.ts';
import { decodeRow, type Row } from '../record/row.ts';
import { notInTree, type Bench, type Contradiction } from './contradiction.ts';
import type { RecordProof } from './protocol.ts';

interface Parts {
  readonly door: Door;
  readonly log: string;
  readonly key: Vkey;
  readonly witnesses: readonly Vkey[];
}

/** `holds` says whether it does: what was answered is shown either way. */
export async function proveRecord(
  { door, log, key, witnesses }: Parts,
  checkpoint: Checkpoint,
  index: number,
  fresh: boolean,
): Promise<RecordProof> {
  const [bytes, path] = await Promise.all([
    getRecord(door, log, index, fresh),
    getInclusion(door, log, index, checkpoint.size, fresh),
  ]);
  const begun = performance.now();
  const leaf = leafHash(bytes);
  let row: Row;
  try {
    row = decodeRow(bytes, toHex(leaf));
  } catch {
    row = { ...decodeRow(new Uint8Array(), toHex(leaf)), bytes, index };
  }
  const rungs = climb(BigInt(index), BigInt(checkpoint.size), leaf, path);
  const top = rungs === undefined ? undefined : (rungs[rungs.length - 1]?.result ?? leaf);
  const holds = top !== undefined && equal(top, checkpoint.root) && row.index === index;
  return {
    row,
    size: checkpoint.size,
    root: toHex(checkpoint.root),
    rungs: (rungs ?? []).map((rung) => ({
      sibling: toHex(rung.sibling),
      side: rung.side,
      result: toHex(rung.result),
      first: rung.first.toString(),
      end: rung.end.toString(),
    })),
    path: path.map(toHex),
    holds,
    note: checkpoint.noteText,
    signedBy: key.text,
    cosignatures: await checkCosignatures(checkpoint.note, key, witnesses),
    tookMs: performance.now() - begun,
    receipt: formatReceipt({ record: bytes, index, hashes: path, noteText: checkpoint.noteText }),
  };
}

/** What a proof that does not hold says of record `index`, with its evidence. */
export function contradictionIn(proof: RecordProof, index: number, bench: Bench): Contradiction {
  const top = proof.rungs[proof.rungs.length - 1]?.result ?? proof.row.hash;
  return notInTree(bench, parseCheckpoint(proof.note) as Checkpoint, {
    // Not the one that the record names: that may be the lie.
    index,
    record: proof.row.bytes,
    path: proof.path.map((hex) => fromHex(hex)!),
    top: proof.rungs.length === 0 && proof.size > 1 ? undefined : fromHex(top),
  });
}

/** Whether the path that the server gives leads from this leaf to the checkpoint's root. */
export async function isIncluded(
  door: Door,
  log: string,
  checkpoint: Checkpoint,
  { index, leaf, fresh }: { index: number; leaf: Hash; fresh: boolean },
): Promise<boolean> {
  const path = await getInclusion(door, log, index, checkpoint.size, fresh);
  const rungs = climb(BigInt(index), BigInt(checkpoint.size), leaf, path);
  const top = rungs === undefined ? undefined : (rungs[rungs.length - 1]?.result ?? leaf);
  return top !== undefined && equal(top, checkpoint.root);
}
