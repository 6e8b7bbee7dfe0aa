// What is missing, late, or cannot be reached, as it comes to be known. Absence.ts says which of it the seal shows.

import type { Vkey } from '../proof/note.ts';
import { absenceOf, cosignatureOldMs } from './absence.ts';
import { isMetBy, type Quorum } from './policy.ts';
import type { TrustState } from './protocol.ts';

export class Missing {
  unreachable: string | undefined;
  noLog: string | undefined;
  withheld: string | undefined;
  changed: string | undefined;
  lagging: string | undefined;
  /** When a checkpoint was last seen to be the newest; 0 for never. */
  confirmedAt = 0;
  /** What is asked of the witnesses, and their keys. */
  quorum: Quorum | undefined;
  witnesses: readonly Vkey[] = [];
  #uncoveredSince = 0;
  #wordSince = 0;

  /** Records came when all before were covered, or a checkpoint covered some. */
  uncoveredBegins(now: number): void {
    this.#uncoveredSince = now;
  }

  /** Of all but what turns out anew in a moment. */
  forget(): void {
    this.lagging = this.withheld = this.changed = this.unreachable = this.noLog = undefined;
    this.confirmedAt = 0;
  }

  /** Puts what is to be said into the state. */
  judge(state: TrustState, begun: boolean, now: number): void {
    const since = (now - cosignatureOldMs) / 1000;
    state.quorumMet =
      this.quorum && isMetBy(this.quorum, this.witnesses, state.cosignatures, since);
    const found = absenceOf({
      now,
      unreachable: this.unreachable,
      noLog: this.noLog,
      begun,
      withheld: this.withheld,
      changed: this.changed,
      lagging: this.lagging,
      confirmedAt: this.confirmedAt,
      uncovered: state.uncovered,
      uncoveredSince: this.#uncoveredSince,
      witnessKeys: state.witnessKeys,
      cosignatures: state.cosignatures,
      quorumMet: state.quorumMet,
    });
    if (found === undefined) {
      state.absent = undefined;
    } else {
      if (state.absent?.word !== found.word) this.#wordSince = found.since ?? now;
      state.absent = { word: found.word, sentence: found.sentence, since: this.#wordSince };
    }
    const nothingComes = this.unreachable !== undefined || this.noLog !== undefined;
    if (state.checking !== undefined && nothingComes) state.checking = undefined;
  }
}
