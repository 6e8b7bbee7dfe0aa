// Which key belongs to a log, who said so, and which witnesses it is to have.

import { ApiError, type LogFacts } from '../api/client.ts';
import { parseVkey, type Vkey } from '../proof/note.ts';
import type { Clock } from './clock.ts';
import type { KnownLog, Memory } from './memory.ts';

export interface Chosen {
  readonly known: KnownLog;
  readonly key: Vkey;
  /** Why this is not the log that was known, in a sentence. */
  readonly changed: string | undefined;
}

export class Acquaintance {
  readonly #memory: Memory;
  readonly #clock: Clock;
  readonly #knownAs: string;

  constructor(memory: Memory, clock: Clock, knownAs: string) {
    this.#memory = memory;
    this.#clock = clock;
    this.#knownAs = knownAs;
  }

  /** The pinned key, else the one seen first. Another one that the server names now is used only to say so. */
  async choose(facts: LogFacts): Promise<Chosen> {
    const claimed = parseVkey(facts.vkey);
    const known = await this.#memory.known(this.#knownAs);
    if (known === undefined) {
      if (typeof claimed === 'string')
        throw new ApiError(200, 'BAD_ANSWER', `the log's key cannot be read: ${claimed}`);
      const met = await this.#know(facts.vkey, 'first visit', []);
      return { known: met, key: claimed, changed: undefined };
    }
    const kept = parseVkey(known.vkey);
    if (typeof kept === 'string')
      throw new ApiError(200, 'BAD_MEMORY', `the remembered key cannot be read: ${kept}`);
    if (known.vkey === facts.vkey || known.how !== 'first visit' || typeof claimed === 'string')
      return { known, key: kept, changed: undefined };
    const changed =
      claimed.name === kept.name
        ? `The log's key is not the one that this browser saw before (${kept.id} then, ${claimed.id} now).`
        : `Another log answers under this name: ${claimed.name} now, ${kept.name} when this browser was here before.`;
    return { known, key: claimed, changed };
  }

  /** False: it was so already. */
  async pin(vkey: string, how: 'link' | 'by hand'): Promise<boolean> {
    const before = await this.#memory.known(this.#knownAs);
    if (before !== undefined && before.vkey === vkey && before.how !== 'first visit') return false;
    await this.#know(vkey, how, before?.witnesses ?? []);
    return true;
  }

  /** Without a key: the witnesses of the one that is known, or of `shown`. */
  async policy(
    vkey: string | undefined,
    witnesses: readonly string[],
    shown: string,
  ): Promise<void> {
    const before = await this.#memory.known(this.#knownAs);
    const how = vkey === undefined ? (before?.how ?? 'first visit') : 'by hand';
    await this.#know(vkey ?? before?.vkey ?? shown, how, [...witnesses]);
  }

  /** As if it were met for the first time. */
  async meet(vkey: string): Promise<void> {
    await this.#know(vkey, 'first visit', []);
  }

  async #know(vkey: string, how: KnownLog['how'], witnesses: string[]): Promise<KnownLog> {
    const known = { log: this.#knownAs, vkey, how, at: this.#clock.now(), witnesses };
    await this.#memory.know(known);
    return known;
  }
}
