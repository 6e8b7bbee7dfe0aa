// An export of records as JSON Lines, read again: its bytes are hashed, its words held against them, and the log is asked
// whether it still has them.

import { equal, fromBase64, fromHex, toHex } from '../proof/bytes.ts';
import { leafHash } from '../proof/merkle.ts';
import { jsonLine } from '../record/export.ts';
import { decodeRow, type Row } from '../record/row.ts';
import { thousands } from '../numbers.ts';
import type { Explained } from './protocol.ts';

const lookedUpMax = 50;

interface Line {
  readonly row: Row;
  readonly link: Uint8Array | undefined;
}

type Json = Record<string, unknown>;

// Earlier pages wrote this time to the millisecond.
const isCut = (own: Json, json: Json, name: string): boolean =>
  name === 'occurredAt' && String(own[name]).slice(0, 23) + 'Z' === json[name];

/** Undefined for a line without bytes; says what is wrong otherwise. */
function readLine(json: Json): Line | string | undefined {
  const bytes = typeof json['record'] === 'string' ? fromBase64(json['record']) : undefined;
  if (bytes === undefined) return undefined;
  const leaf = leafHash(bytes);
  const link: { hash: Uint8Array | undefined } = { hash: undefined };
  let row: Row;
  try {
    row = decodeRow(bytes, toHex(leaf), link);
  } catch {
    return 'its bytes are no record';
  }
  const said = json['recordHash'];
  if (typeof said === 'string') {
    const hash = said.length === 64 ? fromHex(said) : fromBase64(said);
    if (hash === undefined || !equal(hash, leaf)) return 'its bytes have another hash than it says';
  }
  if (json['index'] !== undefined && String(json['index']) !== String(row.index))
    return 'its bytes are of another record than it says';
  // Of this page: then each word of it is one of the bytes'.
  if ('unknownFields' in json) {
    const own = JSON.parse(jsonLine(row)) as Json;
    const other = Object.keys(own).find(
      (name) => JSON.stringify(own[name]) !== JSON.stringify(json[name]) && !isCut(own, json, name),
    );
    if (other !== undefined) return `its “${other}” is not what its bytes say`;
  }
  return { row, link: link.hash };
}

interface Place {
  contains(index: number, hash: string): Promise<boolean>;
}

export async function explainExport(text: string, place: Place | undefined): Promise<Explained> {
  const wrong = (sentence: string): Explained => ({ sentence, holds: false, facts: [] });
  const lines: Line[] = [];
  const texts = text.split('\n').filter((line) => line !== '');
  for (const [at, one] of texts.entries()) {
    let json: Json;
    try {
      json = JSON.parse(one) as Json;
    } catch {
      return wrong(`Looks like JSON Lines, and line ${thousands(at + 1)} is no JSON.`);
    }
    const line = readLine(json);
    if (line === undefined)
      return {
        sentence: 'JSON, but no export of records with their bytes.',
        holds: undefined,
        facts: [],
      };
    if (typeof line === 'string')
      return wrong(
        `An export of ${thousands(texts.length)} records that was changed: of line ${thousands(at + 1)}, ${line}.`,
      );
    lines.push(line);
  }
  lines.sort((a, b) => a.row.index - b.row.index);
  let links = 0;
  for (const [at, { row, link }] of lines.entries()) {
    const before = lines[at - 1]?.row;
    if (before?.index !== row.index - 1) continue;
    if (link === undefined || toHex(link) !== before.hash)
      return wrong(
        `An export in which record ${thousands(row.index)} does not name the one before it: one of the two was changed.`,
      );
    links++;
  }
  const step = Math.max(1, Math.ceil(lines.length / lookedUpMax));
  const asked = lines.filter((_, at) => at % step === 0 || at === lines.length - 1);
  const many = thousands(lines.length);
  let said = 'Whether the log still has them could not be asked.';
  let holds: boolean | undefined;
  try {
    for (const { row } of place === undefined ? [] : asked) {
      if (!(await place!.contains(row.index, row.hash)))
        return wrong(
          `An export of ${many} records, and the log now shows ANOTHER record ${thousands(row.index)}.`,
        );
    }
    if (place !== undefined) {
      said =
        asked.length === lines.length
          ? 'The log still has exactly these.'
          : `${thousands(asked.length)} of them were looked up, and the log still has exactly these.`;
      holds = true;
    }
  } catch {
    // Said above.
  }
  return {
    sentence: `An export of ${many} ${lines.length === 1 ? 'record' : 'records'}: each line says what its bytes say${links > 0 ? `, and ${thousands(links)} of them name the one before` : ''}. ${said} Whether it is all that was asked for is not in it.`,
    holds,
    facts: [
      [
        'records',
        `${thousands(lines[0]!.row.index)} to ${thousands(lines[lines.length - 1]!.row.index)}`,
      ],
    ],
  };
}
