// Records as they come: hashed, decoded, and held against the link of each to the one before.

import { equal, toHex } from '../proof/bytes.ts';
import { leafHash, type Hash } from '../proof/merkle.ts';
import { decodeRow, type Row } from '../record/row.ts';
import { brokenLink, noRecord, otherIndex } from './contradiction.ts';

export interface Leaves {
  readonly rows: Row[];
  readonly leaves: Hash[];
}

/** `previous` is the hash of the record before the first, where it is known. Throws Contradiction. */
export function hashRows(
  records: readonly Uint8Array[],
  first: number,
  previous: Hash | undefined,
): Leaves {
  const rows: Row[] = [];
  const leaves: Hash[] = [];
  records.forEach((bytes, i) => {
    const index = first + i;
    const leaf = leafHash(bytes);
    const link: { hash: Uint8Array | undefined } = { hash: undefined };
    let row: Row;
    try {
      row = decodeRow(bytes, toHex(leaf), link);
    } catch (error) {
      throw noRecord(index, error instanceof Error ? error.message : String(error));
    }
    if (row.index !== index) throw otherIndex(index, row.index);
    if (previous !== undefined && (link.hash === undefined || !equal(link.hash, previous))) {
      throw brokenLink(index, link.hash, previous);
    }
    rows.push(row);
    leaves.push(leaf);
    previous = leaf;
  });
  return { rows, leaves };
}
