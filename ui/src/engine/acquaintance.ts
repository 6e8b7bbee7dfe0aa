// Which key belongs to a log, who said so, and which witnesses it is to have.

import { ApiError, type LogFacts } from '../api/client.ts';
import { parseVkey, type Vkey } from '../proof/note.ts';
import type { Clock } from './clock.ts';
import type { KnownLog, Memory } from './memory.ts';
import type { Policy } from './policy.ts';
import { pinnedKey } from './view.ts';

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
  readonly #given: Policy | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  /** `given`: the policy of `graven view`, which nothing that the server says can change. */
  constructor(memory: Memory, clock: Clock, knownAs: string, given: Policy | undefined) {
    this.#memory = memory;
    this.#clock = clock;
    this.#knownAs = knownAs;
    this.#given = given;
  }

  /** The pinned key, else the one seen first. Another one that the server names now is used only to say so. */
  choose(facts: LogFacts): Promise<Chosen> {
    return this.#serially(() => this.#choose(facts));
  }

  // What was read of the memory is written back: between the two nobody else may write, or a key that was pinned while
  // the log was met is gone again.
  #serially<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #choose(facts: LogFacts): Promise<Chosen> {
    const claimed = parseVkey(facts.vkey);
    const known = await this.#memory.known(this.#knownAs);
    const pinned = this.#given && pinnedKey(this.#given, facts, known);
    if (pinned !== undefined) return this.#pinned(pinned, known);
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

  async #pinned(vkey: string, known: KnownLog | undefined): Promise<Chosen> {
    const key = parseVkey(vkey) as Vkey;
    if (known?.how === 'policy' && known.vkey === vkey) return { known, key, changed: undefined };
    const { witnesses, quorum } = this.#given!;
    return {
      known: await this.#know(vkey, 'policy', [...witnesses], quorum),
      key,
      changed: undefined,
    };
  }

  /** False: it was so already. */
  pin(vkey: string, how: 'link' | 'by hand'): Promise<boolean> {
    return this.#serially(async () => {
      const before = await this.#memory.known(this.#knownAs);
      if (before !== undefined && before.vkey === vkey && before.how !== 'first visit')
        return false;
      await this.#know(vkey, how, before?.witnesses ?? [], before?.quorum);
      return true;
    });
  }

  /** Without a key: the witnesses of the one that is known, or of `shown`. */
  policy({ logs, witnesses, quorum }: Policy, shown: string): Promise<void> {
    return this.#serially(async () => {
      const vkey = logs[0];
      const before = await this.#memory.known(this.#knownAs);
      const how = vkey === undefined ? (before?.how ?? 'first visit') : 'by hand';
      await this.#know(vkey ?? before?.vkey ?? shown, how, [...witnesses], quorum);
    });
  }

  /** As if it were met for the first time. */
  async meet(vkey: string): Promise<void> {
    await this.#serially(() => this.#know(vkey, 'first visit', []));
  }

  async #know(
    vkey: string,
    how: KnownLog['how'],
    witnesses: string[],
    quorum?: KnownLog['quorum'],
  ): Promise<KnownLog> {
    const known = { log: this.#knownAs, vkey, how, at: this.#clock.now(), witnesses, quorum };
    await this.#memory.know(known);
    return known;
  }
}
