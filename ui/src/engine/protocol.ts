// What the page and its worker say to each other.

import type { LogFacts } from '../api/client.ts';
import type { Cosignature } from '../proof/note.ts';
import type { OtherLink } from '../links.ts';
import type { Row } from '../record/row.ts';
import type { Shown } from './answer.ts';
import type { Sought } from './found.ts';

/** A contradiction that a second, uncached look did not clear. Kept until the log's memory is thrown away. */
export interface Finding {
  id: number;
  at: number;
  kind:
    | 'wrong record'
    | 'wrong path'
    | 'fork'
    | 'rollback'
    | 'bad signature'
    | 'broken chain'
    | 'bad cosignature'
    | 'wrong answer';
  /** One sentence: what does not fit. */
  sentence: string;
  claimed: string;
  computed: string;
  /** Last agreement, for the incident view. */
  lastGood: { size: number; root: string; at: number } | undefined;
  index: number | undefined;
  /** A file for `graven verify --evidence`, where the finding can be put into one. */
  evidence: string | undefined;
  /** A hash of the token that it came by; empty or undefined: by none. */
  by?: string | undefined;
}

export interface SeenCheckpoint {
  size: number;
  root: string;
  at: number;
  witnesses: number;
}

/** What `graven view` says of itself. */
export interface ViewFacts {
  /** The server that is judged. */
  readonly server: string;
  /** Where the memory lies, on the auditor's disk. */
  readonly folder: string;
}

export interface TrustState {
  log: string;
  facts: LogFacts | undefined;
  /** Checked in this order: the first that holds is what the seal shows. */
  broken: Finding[];
  /** What is missing, late or cannot be reached; amber. */
  absent: { word: string; sentence: string; since: number } | undefined;
  checking: { sentence: string; done: number; of: number } | undefined;
  origin: string;
  vkey: string;
  pin: { how: 'link' | 'by hand' | 'first visit' | 'policy'; at: number } | undefined;
  /** In `graven view`: the page is the auditor's own, and not the server's. */
  view?: ViewFacts | undefined;
  /** Whether the witnesses' lines are enough by the quorum that was given. */
  quorumMet?: boolean | undefined;
  /** What this browser remembered when the page was opened. */
  memory: { firstSize: number; firstAt: number; lastSize: number; lastAt: number } | undefined;
  memoryKept: boolean;
  checkpoint: { size: number; root: string; note: string; at: number } | undefined;
  /** Of the newest checkpoint that has any; witnesses follow the log, so it may be smaller than `checkpoint`. */
  cosignatures: Cosignature[];
  cosignedSize: number | undefined;
  witnessKeys: number;
  /** Records hashed here since the page was opened, and the first of the unbroken run that ends at the checkpoint. */
  recomputed: number;
  recomputedFrom: number;
  /** Records that came and are not under a checkpoint yet. */
  uncovered: number;
  /** The smallest size from which consistency to the checkpoint was proven. */
  consistentSince: number | undefined;
  durable: number;
  /** `aside`: another log has the browser's one stream. `polling`: there is none here. */
  transport: 'stream' | 'aside' | 'polling' | 'none';
  seen: SeenCheckpoint[];
  /** Of the page, and not of its worker: links that named another record. */
  links?: readonly OtherLink[];
  /** Answers that were wrong once and right when asked again. */
  flickers: { at: number; sentence: string }[];
}

/** One step of the proof, for drawing. Hashes in hex. */
export interface ProofRung {
  sibling: string;
  side: 'left' | 'right';
  result: string;
  first: string;
  end: string;
}

export interface RecordProof {
  row: Row;
  size: number;
  root: string;
  rungs: ProofRung[];
  /** As it was answered, also where it has not the form that it must have and `rungs` is empty. */
  path: string[];
  holds: boolean;
  note: string;
  signedBy: string;
  cosignatures: Cosignature[];
  tookMs: number;
  /** The receipt file, made here from what was checked. */
  receipt: string;
}

/** Of a file that is dropped; a larger one is not read. */
export const droppedBytesMax = 16 << 20;

export interface Explained {
  sentence: string;
  holds: boolean | undefined;
  facts: [string, string][];
}

export type Call =
  | { call: 'hello'; base: string; token: string | undefined; view: boolean }
  /** The tab holds a lock of this name for as long as it lives. */
  | { call: 'lives'; lock: string }
  | { call: 'bye' }
  | { call: 'watch'; log: string }
  | { call: 'unwatch'; log: string }
  | { call: 'look'; log: string }
  | { call: 'prove'; log: string; index: number }
  | {
      call: 'found';
      log: string;
      records: { index: number; bytes: Uint8Array }[];
      sought: Sought;
      /** Asked for once more, because it did not fit. */
      again: boolean;
    }
  | {
      call: 'chain';
      log: string;
      first: number;
      records: Uint8Array[];
      /** What the record after these names as the hash of the last one; undefined: look it up in the signed tree. */
      next: string | undefined;
      /** Read once more, past all caches, because it did not fit. */
      again: boolean;
    }
  | { call: 'size'; log: string }
  | { call: 'cover'; log: string; index: number; hash: string }
  | { call: 'foreign'; log: string; index: number; record: Uint8Array }
  | { call: 'pin'; log: string; vkey: string; how: 'link' | 'by hand' }
  | { call: 'policy'; log: string; text: string }
  | { call: 'accept'; log: string }
  | { call: 'forget'; log: string }
  | { call: 'broken'; logs: { log: string; vkey: string }[] }
  | { call: 'explain'; log: string; name: string; bytes: Uint8Array }
  | { call: 'answer'; log: string; text: string; shown: Shown };

/** Records that link one to the next; `link` is what the first of them names as the hash before it. */
export interface Linked {
  rows: Row[];
  link: string;
}

export type Asked = Call & { id: number };

export type Told =
  | {
      answer: number;
      value?: unknown;
      error?: {
        status: number;
        reason: string;
        message: string;
        field: string;
        column: number | undefined;
      };
    }
  | {
      event: 'rows';
      log: string;
      rows: Row[];
      first: number;
      next: number;
      reset: boolean;
      at: number;
    }
  | { event: 'trust'; log: string; state: TrustState }
  | { event: 'step'; log: string; step: Step };

/** What the strip draws. */
export type Step =
  | { kind: 'batch'; at: number; first: number; count: number }
  | { kind: 'checkpoint'; at: number; size: number }
  | { kind: 'cosigned'; at: number; size: number; by: string[] }
  | { kind: 'gap'; at: number; first: number; count: number }
  | { kind: 'stats'; at: number; size: number; durable: number; rate: number };
