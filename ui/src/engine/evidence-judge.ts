// Files of evidence, judged in the browser as `graven verify --evidence` does (docs/format.md, "Evidence").

import { equal, fromBase64, fromUtf8, parseDecimal } from '../proof/bytes.ts';
import { climb, leafHash, nodeHash, type Hash } from '../proof/merkle.ts';
import {
  checkLogSignature,
  parseCheckpoint,
  parseVkey,
  type Checkpoint,
  type Vkey,
} from '../proof/note.ts';
import { decodeRow } from '../record/row.ts';
import type { Evidence, EvidenceProof } from './evidence.ts';

export interface ReadEvidence extends Omit<Evidence, 'vkey' | 'notes'> {
  readonly key: Vkey;
  readonly notes: readonly Checkpoint[];
}

const claims = ['fork', 'record', 'checkpoint', 'withheld'] as const;

interface Proof {
  index: number;
  leaf: Hash;
  path: Hash[];
  record?: Uint8Array;
}

/** Says what is wrong otherwise. */
export function parseEvidence(text: string): ReadEvidence | string {
  const lines = text.split('\n');
  if (lines.pop() !== '' || lines[0] !== 'graven.dev/evidence@v1') return 'another form';
  const one = new Map<string, string>();
  const notes: Checkpoint[] = [];
  const proofs: Proof[] = [];
  for (const [at, line] of lines.entries()) {
    if (at === 0) continue;
    const space = line.indexOf(' ');
    const [word, value] = [line.slice(0, space), line.slice(space + 1)];
    const wrong = `line ${at + 1} cannot be read`;
    const bytes = fromBase64(value);
    const proof = proofs[proofs.length - 1];
    if (word === 'note') {
      const note = bytes === undefined ? '' : parseCheckpoint(fromUtf8(bytes) ?? '');
      if (typeof note === 'string' || notes.length === 2) return wrong;
      notes.push(note);
    } else if (word === 'proof') {
      const index = parseDecimal(value);
      if (index === undefined || index > BigInt(Number.MAX_SAFE_INTEGER) || proofs.length === 2)
        return wrong;
      proofs.push({ index: Number(index), leaf: new Uint8Array(), path: [] });
    } else if (word === 'leaf' || word === 'node' || word === 'record') {
      if (proof === undefined || bytes === undefined) return wrong;
      if (word !== 'record' && bytes.length !== 32) return wrong;
      if (word === 'leaf') proof.leaf = bytes;
      else if (word === 'node') proof.path.push(bytes);
      else proof.record = bytes;
      if (proof.path.length > 64) return wrong;
    } else if (one.has(word)) return wrong;
    else one.set(word, value);
  }
  const key = parseVkey(one.get('key') ?? '');
  const claim = claims.find((known) => known === one.get('claim'));
  if (typeof key === 'string') return `its key: ${key}`;
  if (claim === undefined || notes.length === 0) return 'without a claim or a note';
  const at = Number(one.get('found') ?? '') * 1000;
  return { claim, at, said: one.get('said') ?? '', key, notes, proofs };
}

export interface EvidenceVerdict {
  /** Whether what is claimed follows from what the key signed. */
  readonly shown: boolean;
  /** What follows, after "The evidence". */
  readonly words: string;
}

const shows = (words: string): EvidenceVerdict => ({ shown: true, words });
const nothing = (why: string): EvidenceVerdict => ({
  shown: false,
  words: `proves nothing: ${why}`,
});

function topOf(proof: EvidenceProof, size: number): Hash | undefined {
  const rungs = climb(BigInt(proof.index), BigInt(size), proof.leaf, proof.path);
  return rungs === undefined ? undefined : (rungs[rungs.length - 1]?.result ?? proof.leaf);
}

function judgeFork(
  smaller: Checkpoint,
  larger: Checkpoint,
  proof?: EvidenceProof,
): EvidenceVerdict {
  if (smaller.size === larger.size)
    return equal(smaller.root, larger.root)
      ? nothing('both notes are of the same tree')
      : shows('proves a fork: the key signed two trees of one size');
  if (smaller.size > larger.size || proof === undefined || proof.index !== smaller.size - 1)
    return nothing("there is no proof of the smaller tree's last record");
  const rungs = climb(BigInt(proof.index), BigInt(larger.size), proof.leaf, proof.path);
  const top = topOf(proof, larger.size);
  if (rungs === undefined || top === undefined || !equal(top, larger.root))
    return nothing('its path does not lead to the larger tree');
  let old = proof.leaf;
  for (const rung of rungs) if (rung.side === 'left') old = nodeHash(rung.sibling, old);
  return equal(old, smaller.root)
    ? nothing('the larger tree begins with the smaller one')
    : shows(
        'proves a fork: the key signed two trees, and the larger does not begin with the smaller',
      );
}

function judgeRecord(note: Checkpoint, proofs: readonly EvidenceProof[]): EvidenceVerdict {
  const answered = 'shows a wrong answer: ';
  let previous: { index: number; leaf: Hash } | undefined;
  for (const proof of proofs) {
    const top = topOf(proof, note.size);
    if (top === undefined || !equal(top, note.root))
      return shows(`${answered}its path does not lead to the root that the key signed`);
    if (proof.record === undefined) continue;
    if (!equal(leafHash(proof.record), proof.leaf))
      return shows(`${answered}the record is not the one that the key signed`);
    const link: { hash: Uint8Array | undefined } = { hash: undefined };
    try {
      if (decodeRow(proof.record, '', link).index !== proof.index)
        return shows(`${answered}the key signed a record with another index`);
    } catch {
      return shows(`${answered}the key signed what is no record`);
    }
    if (
      previous?.index === proof.index - 1 &&
      (link.hash === undefined || !equal(link.hash, previous.leaf))
    )
      return shows(`${answered}the key signed two records that do not link`);
    previous = proof;
  }
  return nothing('the record is in the tree that the key signed');
}

export async function judgeEvidence(evidence: ReadEvidence): Promise<EvidenceVerdict> {
  const { key, notes, proofs } = evidence;
  for (const note of notes) {
    const signed = await checkLogSignature(note.note, key);
    const own = signed === 'good' && note.origin === key.name;
    if (evidence.claim === 'checkpoint')
      return own
        ? nothing('the key did sign the checkpoint')
        : shows('shows a wrong answer: the key did not sign the checkpoint');
    if (!own) return nothing('a note in it is not signed by its key');
  }
  const last = notes[notes.length - 1]!;
  switch (evidence.claim) {
    case 'fork':
      return notes.length === 2
        ? judgeFork(notes[0]!, last, proofs[0])
        : nothing('a fork takes two notes');
    case 'record':
      return judgeRecord(last, proofs);
    default:
      return shows(
        'holds a tree that the key signed; that it is not shown is the word of its maker',
      );
  }
}
