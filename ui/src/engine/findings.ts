// What did not fit, here and before: kept until the reader throws the log's memory away, and shown before anything that the
// server says.

import { ApiError } from '../api/client.ts';
import type { Bulletin } from './bulletin.ts';
import type { Clock } from './clock.ts';
import type { Contradiction } from './contradiction.ts';
import type { Memory } from './memory.ts';
import type { Finding } from './protocol.ts';

export class Findings {
  readonly #memory: Memory;
  readonly #clock: Clock;
  readonly #bulletin: Bulletin;
  readonly #knownAs: string;

  constructor(memory: Memory, clock: Clock, bulletin: Bulletin, knownAs: string) {
    this.#memory = memory;
    this.#clock = clock;
    this.#bulletin = bulletin;
    this.#knownAs = knownAs;
  }

  /** Those of earlier visits, by the log's name and by the key that is known now, beside those of this one. */
  async recall(): Promise<void> {
    const { state } = this.#bulletin;
    const kept = await this.#memory.findings(this.#knownAs, state.vkey);
    const here = state.broken.filter((one) => !kept.some(({ id }) => id === one.id));
    state.broken = [...kept, ...here];
    this.#bulletin.publish();
  }

  /** Only for what a second look past all caches found too. The same thing twice is one finding. */
  async add(contradiction: Contradiction, lastGood: Finding['lastGood']): Promise<void> {
    const { state } = this.#bulletin;
    const { kind, index } = contradiction.finding;
    if (state.broken.some((one) => one.kind === kind && one.index === index)) return;
    const at = this.#clock.now();
    const id = at * 1000 + state.broken.length;
    const finding: Finding = { ...contradiction.finding, id, at, lastGood };
    state.broken = [...state.broken, finding];
    state.checking = undefined;
    this.#bulletin.publish();
    try {
      await this.#memory.addFinding(this.#knownAs, state.vkey, finding);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#bulletin.flicker(`A finding could not be kept: ${error.message}.`);
    }
  }
}
