// Files of evidence (docs/format.md, "Evidence"): what `graven verify --evidence` judges without any server.

import { toBase64, toUtf8 } from '../proof/bytes.ts';

export interface EvidenceProof {
  readonly index: number;
  readonly leaf: Uint8Array;
  readonly path: readonly Uint8Array[];
  readonly record?: Uint8Array;
}

export interface Evidence {
  readonly claim: 'fork' | 'record' | 'checkpoint' | 'withheld';
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly said: string;
  readonly vkey: string;
  /** The smaller tree first. */
  readonly notes: readonly string[];
  readonly proofs: readonly EvidenceProof[];
}

export function formatEvidence(evidence: Evidence): string {
  const lines = [
    'graven.dev/evidence@v1',
    `claim ${evidence.claim}`,
    `found ${Math.floor(evidence.at / 1000)}`,
    `said ${evidence.said.replace(/[\x00-\x1f\x7f]+/g, ' ')}`,
    `key ${evidence.vkey}`,
  ];
  for (const note of evidence.notes) lines.push(`note ${toBase64(toUtf8(note))}`);
  for (const proof of evidence.proofs) {
    lines.push(`proof ${proof.index}`, `leaf ${toBase64(proof.leaf)}`);
    for (const node of proof.path) lines.push(`node ${toBase64(node)}`);
    if (proof.record !== undefined) lines.push(`record ${toBase64(proof.record)}`);
  }
  return lines.join('\n') + '\n';
}
