// What did not fit, here and before: kept until the reader throws the log's memory away, and shown before anything that the
// server says. All tabs of this browser are told of it, whatever their tokens; but what came by a token, like the bytes of a
// record, is told only to those that gave the same one.

import { sha256 } from '@noble/hashes/sha2.js';
import { ApiError } from '../api/client.ts';
import { toHex, toUtf8 } from '../proof/bytes.ts';
import type { Bulletin } from './bulletin.ts';
import type { Clock } from './clock.ts';
import type { Contradiction } from './contradiction.ts';
import type { Memory } from './memory.ts';
import type { Finding } from './protocol.ts';

// A fork goes on with every checkpoint: each is another pair of trees, and the first ones say it all.
const alikeMax = 3;
const untold = 'told to tabs that gave the same token';

/** Whose word it is that is judged, and who else is told what was found. */
export interface Circle {
  /** As `markOf`. */
  readonly by: string;
  /** The log's other watches in this browser are to look at the memory again. */
  told(log: string, what: 'found' | 'forgotten'): void;
}

/** What is kept of a token beside a finding; empty for none. */
export const markOf = (token: string): string =>
  token === '' ? '' : toHex(sha256(toUtf8(`graven/finding/v1\n${token}`)).subarray(0, 8));

/** Of one that came by another token only the sentence is told. */
export const toldTo = (by: string, finding: Finding): Finding =>
  (finding.by ?? '') === '' || finding.by === by
    ? finding
    : { ...finding, claimed: untold, computed: untold, evidence: undefined, lastGood: undefined };

export class Findings {
  readonly #memory: Memory;
  readonly #clock: Clock;
  readonly #bulletin: Bulletin;
  readonly #knownAs: string;
  readonly #circle: Circle;

  constructor(memory: Memory, clock: Clock, bulletin: Bulletin, knownAs: string, circle: Circle) {
    this.#memory = memory;
    this.#clock = clock;
    this.#bulletin = bulletin;
    this.#knownAs = knownAs;
    this.#circle = circle;
  }

  /** Those of earlier visits, by the log's name and by the key that is known now, beside those of this one. */
  async recall(): Promise<void> {
    const { state } = this.#bulletin;
    const kept = await this.#memory.findings(this.#knownAs, state.vkey);
    const here = state.broken.filter((one) => !kept.some(({ id }) => id === one.id));
    state.broken = [...kept.map((one) => toldTo(this.#circle.by, one)), ...here];
    this.#bulletin.publish();
  }

  /** Only for what a second look past all caches found too. The same thing twice is one finding. */
  async add(contradiction: Contradiction, lastGood: Finding['lastGood']): Promise<void> {
    const { state } = this.#bulletin;
    const { kind, index, claimed, computed } = contradiction.finding;
    const alike = state.broken.filter((one) => one.kind === kind && one.index === index);
    if (alike.length >= alikeMax) return;
    if (alike.some((one) => one.claimed === claimed && one.computed === computed)) return;
    const at = this.#clock.now();
    // Of one millisecond there may be several, of several tabs.
    const id = Math.floor(Math.random() * Number.MAX_SAFE_INTEGER);
    const { by } = this.#circle;
    const finding: Finding = { ...contradiction.finding, id, at, lastGood, by };
    state.broken = [...state.broken, finding];
    state.checking = undefined;
    this.#bulletin.publish();
    try {
      await this.#memory.addFinding(this.#knownAs, state.vkey, finding);
      this.#circle.told(state.log, 'found');
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#bulletin.flicker(`A finding could not be kept: ${error.message}.`);
    }
  }

  /** Another tab, maybe of another token, found something, or threw away what was known. */
  async heard(what: 'found' | 'forgotten'): Promise<void> {
    if (what === 'forgotten') this.#bulletin.state.broken = [];
    await this.recall();
  }

  /** Throws away what is known of the log, under `memoryKey`. */
  async forget(memoryKey: string): Promise<void> {
    await this.#memory.forget(this.#knownAs, memoryKey);
    this.#circle.told(this.#bulletin.state.log, 'forgotten');
  }
}
