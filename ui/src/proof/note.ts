// C2SP signed notes, verifier keys, checkpoints and cosignatures: reading and checking. No network, no clock.

import { sha256 } from '@noble/hashes/sha2.js';
import { concat, equal, fromBase64, fromUtf8, parseDecimal, toHex, toUtf8 } from './bytes.ts';
import { verifyEd25519 } from './ed25519.ts';

const noteBytesMax = 1_000_000;
const signaturesMax = 100;
const dash = '\u2014';
// What Go's unicode.IsSpace takes for white space.
const whiteSpace = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

/** Key types of a note: the log's own signature, and a witness's with a time in it. */
export const keyTypeLog = 1;
export const keyTypeWitness = 4;

export interface Vkey {
  readonly text: string;
  readonly name: string;
  /** Four bytes, in hex. */
  readonly id: string;
  readonly type: number;
  readonly key: Uint8Array;
}

/** What parseVkey says of a key that others may know. */
export const unknownKeyType = 'only Ed25519 keys (types 01 and 04) are known here';

/** Reads `<name>+<id>+<base64 of type || key>`; says what is wrong with it otherwise. */
export function parseVkey(text: string): Vkey | string {
  const first = text.indexOf('+');
  const second = text.indexOf('+', first + 1);
  if (first < 1 || second < 0)
    return 'a key is a name, an id and a base64 value with "+" between them';
  const name = text.slice(0, first);
  const id = text.slice(first + 1, second);
  if (whiteSpace.test(name)) return 'the name of a key has no white space';
  if (!/^[0-9a-f]{8}$/.test(id)) return 'the id of a key is 8 lower-case hex digits';
  const encoded = fromBase64(text.slice(second + 1));
  if (encoded === undefined || encoded.length < 2) return 'the key itself is not base64';
  if (encoded.length !== 33 || (encoded[0] !== keyTypeLog && encoded[0] !== keyTypeWitness)) {
    return unknownKeyType;
  }
  const computed = toHex(sha256(concat(toUtf8(name + '\n'), encoded)).subarray(0, 4));
  if (computed !== id) return `the key's id is ${computed}, and not ${id} as it says`;
  return { text, name, id, type: encoded[0], key: encoded.subarray(1) };
}

export interface NoteSignature {
  readonly name: string;
  readonly id: string;
  /** What follows the key's id. */
  readonly value: Uint8Array;
}

export interface Note {
  /** What was signed, with its last line feed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** Takes a signed note apart; says what is wrong with it otherwise. Nothing is verified. */
export function parseNote(note: string): Note | string {
  if (note.length > noteBytesMax) return 'longer than 1,000,000 bytes';
  if (!note.endsWith('\n')) return 'it does not end in a line feed';
  // A lone surrogate or a control character is not text that could have been signed.
  if (fromUtf8(toUtf8(note)) !== note || /[\x00-\x09\x0b-\x1f]/.test(note))
    return 'not text, or control characters';
  const split = note.lastIndexOf('\n\n');
  if (split < 0) return 'there is no blank line before signatures';
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > signaturesMax) return 'more than 100 signatures';
  const signatures: NoteSignature[] = [];
  for (const line of lines) {
    const words = line.split(' ');
    if (words.length !== 3 || words[0] !== dash)
      return 'a line behind the blank one is no signature';
    const name = words[1]!;
    const raw = fromBase64(words[2]!);
    if (name === '' || name.includes('+') || whiteSpace.test(name))
      return 'a signature has no valid name';
    if (raw === undefined || raw.length < 5) return 'a signature is not base64 of at least 5 bytes';
    signatures.push({ name, id: toHex(raw.subarray(0, 4)), value: raw.subarray(4) });
  }
  return { text: note.slice(0, split + 1), signatures };
}

export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly note: Note;
  readonly noteText: string;
}

/** Reads the text of a note as a checkpoint (C2SP tlog-checkpoint). Nothing is verified. */
export function parseCheckpoint(noteText: string): Checkpoint | string {
  const note = parseNote(noteText);
  if (typeof note === 'string') return note;
  const lines = note.text.slice(0, -1).split('\n');
  if (lines.length < 3 || lines.some((line) => line === ''))
    return 'a checkpoint has three lines, none of them empty';
  const size = parseDecimal(lines[1]!);
  if (size === undefined) return 'the size is not a decimal number';
  if (size > BigInt(Number.MAX_SAFE_INTEGER))
    return 'the size is above 2^53 - 1, which this page cannot count to';
  const root = fromBase64(lines[2]!);
  if (root === undefined || root.length !== 32) return 'the root is not base64 of 32 bytes';
  return { origin: lines[0]!, size: Number(size), root, note, noteText };
}

export type SignatureVerdict = 'good' | 'bad' | 'absent';

/** Whether `key` (of the log) signed the note. A line of that key that does not verify spoils it. */
export async function checkLogSignature(note: Note, key: Vkey): Promise<SignatureVerdict> {
  const own = note.signatures.filter((one) => one.name === key.name && one.id === key.id);
  if (own.length === 0) return 'absent';
  const verdicts = await Promise.all(
    own.map(
      (one) => one.value.length === 64 && verifyEd25519(key.key, toUtf8(note.text), one.value),
    ),
  );
  return verdicts.every(Boolean) ? 'good' : 'bad';
}

export interface Cosignature {
  readonly name: string;
  readonly id: string;
  /** When the witness says it saw this tree, seconds since 1970. */
  readonly time: number;
  readonly verdict: 'good' | 'bad' | 'key unknown';
}

/** The witnesses' lines of a note: all that are not the log's, checked where the key is known. */
export async function checkCosignatures(
  note: Note,
  logKey: Vkey | undefined,
  witnesses: readonly Vkey[],
): Promise<Cosignature[]> {
  const found: Cosignature[] = [];
  for (const one of note.signatures) {
    if (logKey !== undefined && one.name === logKey.name && one.id === logKey.id) continue;
    if (one.value.length !== 72) continue;
    const time = Number(new DataView(one.value.buffer, one.value.byteOffset, 8).getBigUint64(0));
    const key = witnesses.find((witness) => witness.name === one.name && witness.id === one.id);
    if (key === undefined) {
      found.push({ name: one.name, id: one.id, time, verdict: 'key unknown' });
      continue;
    }
    const signed = toUtf8(`cosignature/v1\ntime ${time}\n${note.text}`);
    const good =
      time > 0 &&
      key.type === keyTypeWitness &&
      (await verifyEd25519(key.key, signed, one.value.subarray(8)));
    found.push({ name: one.name, id: one.id, time, verdict: good ? 'good' : 'bad' });
  }
  return found;
}

export const sameCheckpoint = (a: Checkpoint, b: Checkpoint): boolean =>
  a.origin === b.origin && a.size === b.size && equal(a.root, b.root);
