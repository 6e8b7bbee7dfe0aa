// The receipt file: a C2SP tlog-proof whose `extra` holds the record (docs/format.md, "Receipt").

import { concat, fromBase64, parseCount, toBase64 } from './bytes.ts';
import { readVarint, walk, WireError } from '../record/wire.ts';
import { writeVarint } from '../record/wire.ts';

const firstLine = 'c2sp.org/tlog-proof@v1';
const hashesMax = 64;

export interface Receipt {
  readonly record: Uint8Array;
  readonly index: number;
  readonly hashes: readonly Uint8Array[];
  readonly noteText: string;
  /** RFC 3161, not checked here. */
  readonly timeStampToken?: Uint8Array;
}

/** Takes a receipt apart; says what is wrong with it otherwise. Nothing is verified. */
export function parseReceipt(text: string): Receipt | string {
  const split = text.indexOf('\n\n');
  if (split < 0) return 'there is no blank line before the checkpoint';
  const lines = text.slice(0, split).split('\n');
  if (lines[0] !== firstLine) return `the first line is not ${firstLine}`;
  if (!lines[1]?.startsWith('extra ')) return 'there is no record in it (no line "extra")';
  const extra = fromBase64(lines[1].slice('extra '.length));
  if (extra === undefined) return 'the line "extra" is not base64';
  const inner = parseExtra(extra);
  if (typeof inner === 'string') return inner;
  const index = lines[2]?.startsWith('index ')
    ? parseCount(lines[2].slice('index '.length))
    : undefined;
  if (index === undefined) return 'the line "index" is missing or not a decimal number';
  if (lines.length - 3 > hashesMax) return 'more than 64 hashes';
  const hashes: Uint8Array[] = [];
  for (const line of lines.slice(3)) {
    const hash = fromBase64(line);
    if (hash === undefined || hash.length !== 32)
      return 'a hash of the path is not base64 of 32 bytes';
    hashes.push(hash);
  }
  return { ...inner, index, hashes, noteText: text.slice(split + 2) };
}

function parseExtra(
  extra: Uint8Array,
): { record: Uint8Array; timeStampToken?: Uint8Array } | string {
  let record: Uint8Array | undefined;
  let timeStampToken: Uint8Array | undefined;
  try {
    for (const field of walk(extra)) {
      if (field.number === 1 && field.type === 0) {
        if (readVarint(extra, field.valueStart).value !== 1n)
          return 'a receipt of a version that this page does not know';
      } else if (field.number === 2 && field.type === 2) {
        record = extra.subarray(field.valueStart, field.end);
      } else if (field.number === 3 && field.type === 2) {
        timeStampToken = extra.subarray(field.valueStart, field.end);
      } else {
        return 'there is a field in "extra" that receipts do not have';
      }
    }
  } catch (error) {
    if (error instanceof WireError) return `"extra": ${error.message}`;
    throw error;
  }
  if (record === undefined || record.length === 0) return 'there is no record in it';
  return timeStampToken === undefined ? { record } : { record, timeStampToken };
}

/** The receipt as the server would write it. */
export function formatReceipt(receipt: Receipt): string {
  const parts = [
    new Uint8Array([0x08, 1, 0x12]),
    writeVarint(receipt.record.length),
    receipt.record,
  ];
  if (receipt.timeStampToken !== undefined) {
    parts.push(
      new Uint8Array([0x1a]),
      writeVarint(receipt.timeStampToken.length),
      receipt.timeStampToken,
    );
  }
  const lines = [firstLine, `extra ${toBase64(concat(...parts))}`, `index ${receipt.index}`];
  for (const hash of receipt.hashes) lines.push(toBase64(hash));
  return lines.join('\n') + '\n\n' + receipt.noteText;
}
