// Any receipt, checkpoint, evidence or export that is dropped on the page, in one sentence: what it is, whether it holds,
// against which key.

import { thousands } from '../numbers.ts';
import { fromUtf8, toHex } from '../proof/bytes.ts';
import { checkInclusion, leafHash } from '../proof/merkle.ts';
import { checkLogSignature, parseCheckpoint, parseVkey, type Vkey } from '../proof/note.ts';
import { parseReceipt } from '../proof/receipt.ts';
import { decodeRow } from '../record/row.ts';
import { csvColumns, timeOfNs } from '../record/export.ts';
import { isAnswer } from '../proof/answer.ts';
import { explainAnswer, placeTree, type AnswerPlace } from './answer.ts';
import { judgeEvidence, parseEvidence } from './evidence-judge.ts';
import { explainExport } from './exported.ts';
import { parsePolicy } from './policy.ts';
import type { Explained } from './protocol.ts';

/** The log that the page shows. */
export interface Place extends AnswerPlace {
  /** Whether the log still has this record at this index; throws when it cannot be asked. */
  contains(index: number, hash: string): Promise<boolean>;
}

const noKey = 'whose signature was not checked: this page has no key yet to check it with';
const nothing = (sentence: string): Explained => ({ sentence, holds: undefined, facts: [] });

export async function explain(bytes: Uint8Array, place: Place | undefined): Promise<Explained> {
  const text = fromUtf8(bytes);
  const named = nameOf(bytes, text);
  if (named !== undefined) return nothing(named);
  if (text === undefined)
    return nothing(
      'Not text, and no bytes that this page knows: neither a receipt nor a checkpoint nor evidence.',
    );
  if (text.startsWith('c2sp.org/tlog-proof@v1\n')) return explainReceipt(text, place);
  if (text.startsWith('graven.dev/evidence@v1\n')) return explainEvidence(text, place);
  if (isAnswer(text)) return explainAnswer(text, place, undefined);
  const vkey = parseVkey(text.trim());
  if (typeof vkey !== 'string') {
    const own = keyOf(place);
    const same = own?.text === vkey.text;
    return {
      sentence: `A verifier key of ${vkey.name}. ${
        own === undefined
          ? 'This page has no key yet to compare it with.'
          : same
            ? 'It is the one that this page checks with.'
            : 'It is another one than this page checks with: of a witness, of another log, or not the right one.'
      }`,
      // Another key contradicts nothing: logs and witnesses have many.
      holds: same ? true : undefined,
      facts: [['key id', vkey.id]],
    };
  }
  if (/^\S+\n[0-9]+\n[A-Za-z0-9+/]+=*\n/.test(text)) return explainCheckpoint(text, place);
  const found = text.startsWith('{') ? savedFinding(text) : undefined;
  if (found !== undefined) return found;
  if (text.startsWith('{')) return explainExport(text, place);
  const policy = parsePolicy(text);
  if (typeof policy !== 'string')
    return nothing(
      `A policy: it believes ${thousands(policy.logs.length)} logs and ${thousands(policy.witnesses.length)} witnesses. Trust takes it under “Witnesses”, and then checkpoints are held against it.`,
    );
  return nothing(
    'Nothing that this page knows: it reads receipts, checkpoints, statements, evidence, keys, policies and exports as JSON Lines.',
  );
}

function isRecord(bytes: Uint8Array): boolean {
  try {
    decodeRow(bytes, '');
    return bytes.length > 0;
  } catch {
    return false;
  }
}

// What a page found and could put into no evidence, as it saves it.
function savedFinding(text: string): Explained | undefined {
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const texts = ['kind', 'sentence', 'claimed', 'computed'] as const;
  if (texts.some((name) => typeof json[name] !== 'string')) return undefined;
  return {
    sentence:
      'What a page of Graven found not to fit, as it was saved there: signed by nobody, so by itself it proves nothing. Ask the log for the same.',
    holds: undefined,
    facts: texts.map((name) => [name, String(json[name])]),
  };
}

// Of what Graven makes and this page does not check, or nobody can by itself.
function nameOf(bytes: Uint8Array, text: string | undefined): string | undefined {
  if (text?.startsWith(csvColumns.slice(0, 4).join(',')) === true)
    return 'A table of records, as CSV, that somebody saved from the page: the bytes of the records are not in it, so nothing in it can be checked; JSON Lines of the page can.';
  if (text?.startsWith('PRIVATE+KEY+') === true)
    return 'A private key: whoever has this file signs in its name, so show it to nobody; the public half is what is compared.';
  // RFC 3161: DER that soon names id-ct-TSTInfo.
  if (bytes[0] === 0x30 && toHex(bytes.subarray(0, 256)).includes('060b2a864886f70d0109100104'))
    return 'A time stamp (RFC 3161): it says of a hash, not of a log, that it existed. `graven receipt verify --tsa-ca` checks one that stands in a receipt.';
  let length = 0;
  let at = 0;
  for (let shift = 0; at < bytes.length && shift < 28; shift += 7) {
    const byte = bytes[at++]!;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  if (length > 0 && at + length <= bytes.length && isRecord(bytes.subarray(at, at + length)))
    return 'An export of records, as their bytes: this page does not read those; `graven explain` and `graven verify` do.';
  const entry = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
  if (entry > 0 && 2 + entry <= bytes.length && isRecord(bytes.subarray(2, 2 + entry)))
    return 'A tile with the records of a log (C2SP tlog-tiles): by itself it proves nothing; a folder of them is checked against the checkpoint beside them.';
  if (text === undefined && bytes.length % 32 === 0 && bytes.length <= 8192)
    return `Perhaps a tile of ${thousands(bytes.length / 32)} hashes (C2SP tlog-tiles), which only its place in a tree would tell: by itself it proves nothing.`;
  return undefined;
}

function keyOf(place: Place | undefined): Vkey | undefined {
  const key = place === undefined ? undefined : parseVkey(place.vkey);
  return key === undefined || typeof key === 'string' ? undefined : key;
}

async function explainCheckpoint(text: string, place: Place | undefined): Promise<Explained> {
  const checkpoint = parseCheckpoint(text);
  if (typeof checkpoint === 'string')
    return {
      sentence: `Looks like a checkpoint and is none: ${checkpoint}.`,
      holds: false,
      facts: [],
    };
  const key = keyOf(place);
  const signature = key === undefined ? 'absent' : await checkLogSignature(checkpoint.note, key);
  const said = `A checkpoint of ${checkpoint.origin}: ${thousands(checkpoint.size)} records`;
  const facts: [string, string][] = [
    ['root', toHex(checkpoint.root)],
    ['signatures', checkpoint.note.signatures.map((one) => `${one.name} (${one.id})`).join(', ')],
  ];
  if (signature === 'good') {
    const placed = await placeTree(checkpoint, place!);
    const signed = `${said}, signed by the key that this page checks with`;
    return placed.fits === false
      ? { sentence: `${signed}, and it does not fit: ${placed.words}`, holds: false, facts }
      : { sentence: `${signed}, ${placed.words}.`, holds: placed.fits, facts };
  }
  if (signature === 'bad')
    return { sentence: `${said}; its signature does not verify.`, holds: false, facts };
  return {
    sentence: `${said}; ${key === undefined ? noKey : 'not signed by the key of the log on this page'}.`,
    holds: undefined,
    facts,
  };
}

async function explainReceipt(text: string, place: Place | undefined): Promise<Explained> {
  const receipt = parseReceipt(text);
  if (typeof receipt === 'string')
    return { sentence: `A receipt that cannot be read: ${receipt}.`, holds: false, facts: [] };
  const checkpoint = parseCheckpoint(receipt.noteText);
  if (typeof checkpoint === 'string')
    return { sentence: `A receipt without a checkpoint: ${checkpoint}.`, holds: false, facts: [] };
  const leaf = leafHash(receipt.record);
  const facts: [string, string][] = [
    ['record hash', toHex(leaf)],
    ['root', toHex(checkpoint.root)],
    ['tree', `${checkpoint.origin}, size ${thousands(checkpoint.size)}`],
  ];
  let words = `record ${thousands(receipt.index)}`;
  try {
    const row = decodeRow(receipt.record, toHex(leaf));
    words = `${row.actorId} ${row.action}, received ${timeOfNs(row.receivedNs)}, record ${thousands(row.index)}`;
    if (row.index !== receipt.index)
      return {
        sentence: 'A receipt whose record has another index than its proof.',
        holds: false,
        facts,
      };
  } catch {
    return { sentence: 'A receipt whose record cannot be read.', holds: false, facts };
  }
  if (
    !checkInclusion(
      BigInt(receipt.index),
      BigInt(checkpoint.size),
      leaf,
      receipt.hashes,
      checkpoint.root,
    )
  ) {
    return {
      sentence: `A receipt for “${words}” that does not hold: its path leads to another root.`,
      holds: false,
      facts,
    };
  }
  const key = keyOf(place);
  const signature = key === undefined ? 'absent' : await checkLogSignature(checkpoint.note, key);
  if (signature === 'bad')
    return {
      sentence: `A receipt for “${words}” whose signature does not verify.`,
      holds: false,
      facts,
    };
  if (signature === 'absent') {
    return {
      sentence: `A receipt for “${words}” of ${checkpoint.origin}, ${key === undefined ? noKey : 'signed by another key than that of the log on this page'}; its path fits.`,
      holds: undefined,
      facts,
    };
  }
  const placed = await placeTree(checkpoint, place!);
  if (placed.fits === false)
    return {
      sentence: `A receipt for “${words}”, signed by the key that this page checks with, that does not fit: ${placed.words}`,
      holds: false,
      facts,
    };
  let still = 'Whether the log still has it could not be asked.';
  let holds: boolean | undefined = true;
  try {
    holds = await place!.contains(receipt.index, toHex(leaf));
    still = holds
      ? 'The log still has exactly this record.'
      : 'The log now shows ANOTHER record there.';
  } catch {
    // Said above.
  }
  return {
    sentence: `A receipt that holds: “${words}”, under a checkpoint signed by the key that this page checks with, ${placed.words}. ${still}`,
    holds,
    facts,
  };
}

async function explainEvidence(text: string, place: Place | undefined): Promise<Explained> {
  const evidence = parseEvidence(text);
  if (typeof evidence === 'string')
    return {
      sentence: `A file of evidence that cannot be read: ${evidence}.`,
      holds: false,
      facts: [],
    };
  const { shown, words } = await judgeEvidence(evidence);
  const own = place !== undefined && place.vkey === evidence.key.text;
  const whose = own ? 'the key that this page checks with' : 'another key than that of this page';
  const facts: [string, string][] = [
    ['claim', evidence.claim],
    ['key', evidence.key.text],
    ['found', Number.isFinite(evidence.at) ? new Date(evidence.at).toISOString() : ''],
  ];
  // Of two histories this page has one at most: then the other is a finding here too.
  const placed = [];
  if (own && shown && evidence.claim !== 'checkpoint')
    for (const note of evidence.notes) placed.push(await placeTree(note, place));
  const here = placed.find((one) => one.fits === false)?.words;
  return {
    sentence: `A file of evidence: “${evidence.said}” The evidence ${words} (${whose}).${here === undefined ? '' : ` It contradicts what this page checked: ${here}`}`,
    holds: shown,
    facts,
  };
}
