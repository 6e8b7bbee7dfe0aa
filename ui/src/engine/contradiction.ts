// Two things that were said and cannot both be true, each with its sentence and, where it can be put into one, its file of
// evidence. Thrown where it is found, looked at again past all caches, and only then believed.

import { thousands } from '../numbers.ts';
import { toHex } from '../proof/bytes.ts';
import { leafHash, type Hash } from '../proof/merkle.ts';
import type { Checkpoint, Cosignature, SignatureVerdict, Vkey } from '../proof/note.ts';
import { formatEvidence, type EvidenceProof } from './evidence.ts';
import type { Finding } from './protocol.ts';

type Fact = Omit<Finding, 'id' | 'at' | 'lastGood' | 'index' | 'evidence'> &
  Partial<Pick<Finding, 'index' | 'evidence'>>;

export class Contradiction extends Error {
  readonly finding: Omit<Finding, 'id' | 'at' | 'lastGood'>;
  constructor(fact: Fact) {
    super(fact.sentence);
    this.finding = { index: undefined, evidence: undefined, ...fact };
  }
}

export { thousands };

const treeOf = (checkpoint: Checkpoint): string =>
  `size ${checkpoint.size}, root ${toHex(checkpoint.root)}`;

/** Who judges by which key, and when: what every file of evidence says. */
export interface Bench {
  readonly key: Vkey;
  readonly now: number;
}

function evidence(
  bench: Bench,
  claim: 'fork' | 'record' | 'checkpoint' | 'withheld',
  said: string,
  notes: string[],
  proofs: EvidenceProof[],
): string {
  return formatEvidence({ claim, at: bench.now, said, vkey: bench.key.text, notes, proofs });
}

export function noRecord(index: number, why: string): Contradiction {
  const sentence = `What was shown as record ${thousands(index)} is no record.`;
  return new Contradiction({
    kind: 'wrong record',
    sentence,
    claimed: `record ${index}`,
    computed: why,
    index,
  });
}

export function otherIndex(index: number, own: number): Contradiction {
  const sentence = `What was shown as record ${thousands(index)} says that it is record ${thousands(own)}.`;
  return new Contradiction({
    kind: 'wrong record',
    sentence,
    claimed: String(index),
    computed: String(own),
    index,
  });
}

export function brokenLink(index: number, link: Hash | undefined, previous: Hash): Contradiction {
  return new Contradiction({
    kind: 'broken chain',
    sentence: `Record ${thousands(index)} does not name the record before it: one of the two was changed.`,
    claimed: link === undefined ? 'no link' : toHex(link),
    computed: toHex(previous),
    index,
  });
}

/** `top` is where the path leads; undefined when it has not the form that it must have. */
export function notInTree(
  bench: Bench,
  checkpoint: Checkpoint,
  shown: { index: number; record: Uint8Array; path: readonly Hash[]; top: Hash | undefined },
): Contradiction {
  const { index, record, path, top } = shown;
  const leaf = leafHash(record);
  const sentence = `Record ${thousands(index)} as shown is not in the tree of size ${thousands(checkpoint.size)} that was signed.`;
  return new Contradiction({
    kind: 'wrong record',
    sentence,
    claimed: `in root ${toHex(checkpoint.root)} of size ${checkpoint.size}`,
    computed:
      top === undefined
        ? 'a path that has not the form it must have'
        : `root ${toHex(top)} from record hash ${toHex(leaf)}`,
    index,
    evidence: evidence(
      bench,
      'record',
      sentence,
      [checkpoint.noteText],
      [{ index, leaf, path, record }],
    ),
  });
}

export function otherRoot(checkpoint: Checkpoint, computed: Hash): Contradiction {
  return new Contradiction({
    kind: 'wrong path',
    sentence: `The records before ${thousands(checkpoint.size)} do not lead to the root that was signed.`,
    claimed: `root ${toHex(checkpoint.root)} of size ${checkpoint.size}`,
    computed: `root ${toHex(computed)}`,
  });
}

export function badSignature(
  bench: Bench,
  checkpoint: Checkpoint,
  signature: SignatureVerdict,
): Contradiction {
  const { key } = bench;
  const size = thousands(checkpoint.size);
  const sentence =
    signature === 'good'
      ? `The checkpoint is of another log: ${checkpoint.origin}, and not ${key.name}.`
      : signature === 'bad'
        ? `The signature of the checkpoint of size ${size} does not verify.`
        : `The checkpoint of size ${size} is not signed by the log's key ${key.id}.`;
  return new Contradiction({
    kind: 'bad signature',
    sentence,
    claimed: `${treeOf(checkpoint)}, origin ${checkpoint.origin}`,
    computed: `signature by ${key.text}: ${signature}`,
    evidence: evidence(bench, 'checkpoint', sentence, [checkpoint.noteText], []),
  });
}

export function badCosignature(bad: Cosignature): Contradiction {
  return new Contradiction({
    kind: 'bad cosignature',
    sentence: `The line of witness ${bad.name} under the checkpoint does not verify.`,
    claimed: `cosigned by ${bad.name} (${bad.id}) at ${bad.time}`,
    computed: 'the signature is not its own',
  });
}

export function rolledBack(bench: Bench, known: Checkpoint, shown: Checkpoint): Contradiction {
  const sentence = `The log was ${thousands(known.size)} records long, signed, and the server now says that it has ${thousands(shown.size)}.`;
  return new Contradiction({
    kind: 'rollback',
    sentence,
    claimed: treeOf(shown),
    computed: `remembered here: ${treeOf(known)}, signed by the same key`,
    evidence: evidence(bench, 'withheld', sentence, [shown.noteText, known.noteText], []),
  });
}

/**
 * `proofs`: of the smaller tree's last record in the larger one. Without it the two notes alone are the evidence. `how` says
 * how the smaller one is known.
 */
export function forked(
  bench: Bench,
  smaller: Checkpoint,
  larger: Checkpoint,
  proofs: EvidenceProof[],
  how = 'that was seen here before',
): Contradiction {
  const sentence =
    smaller.size === larger.size
      ? `The log's key signed two different trees of size ${thousands(smaller.size)}.`
      : `The tree of size ${thousands(larger.size)} does not begin with the one of size ${thousands(smaller.size)} ${how}.`;
  return new Contradiction({
    kind: 'fork',
    sentence,
    claimed: treeOf(larger),
    computed: `${treeOf(smaller)}, signed by the same key`,
    evidence: evidence(bench, 'fork', sentence, [smaller.noteText, larger.noteText], proofs),
  });
}
