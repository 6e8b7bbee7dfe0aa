// What a log's watch says to the tabs: rows and steps as they come, its state a few times a second, and at once what turns
// the seal.

import type { Row } from '../record/row.ts';
import type { Clock } from './clock.ts';
import type { Step, Told, TrustState, ViewFacts } from './protocol.ts';

const publishEveryMs = 250;
const flickersMax = 20;

export class Bulletin {
  readonly state: TrustState;
  readonly #clock: Clock;
  readonly #tell: (told: Told) => void;
  #toldTurn = '';
  #telling: ReturnType<typeof setTimeout> | undefined;

  constructor(
    log: string,
    memoryKept: boolean,
    clock: Clock,
    tell: (told: Told) => void,
    view: ViewFacts | undefined,
  ) {
    this.#clock = clock;
    this.#tell = tell;
    this.state = {
      log,
      facts: undefined,
      broken: [],
      absent: undefined,
      checking: { sentence: 'asking the server for the log', done: 0, of: 1 },
      origin: '',
      vkey: '',
      pin: undefined,
      memory: undefined,
      memoryKept,
      checkpoint: undefined,
      cosignatures: [],
      cosignedSize: undefined,
      witnessKeys: 0,
      recomputed: 0,
      recomputedFrom: 0,
      uncovered: 0,
      consistentSince: undefined,
      durable: 0,
      transport: 'none',
      seen: [],
      flickers: [],
      view,
    };
  }

  /** Records that were hashed here; `reset`: in place of all before. */
  rows(rows: Row[], first: number, next: number, reset: boolean): void {
    const at = this.#clock.now();
    this.#tell({ event: 'rows', log: this.state.log, rows, first, next, reset, at });
  }

  step(step: Step): void {
    this.#tell({ event: 'step', log: this.state.log, step });
  }

  checking(sentence: string, done: number, of: number): void {
    this.state.checking = { sentence, done, of };
    this.publish();
  }

  /** What was wrong once, and right when asked again. */
  flicker(sentence: string): void {
    this.state.flickers = [
      ...this.state.flickers.slice(1 - flickersMax),
      { at: this.#clock.now(), sentence },
    ];
  }

  // At 20 batches a second the state would cost more than the rows.
  publish(): void {
    const { broken, absent, checking, checkpoint } = this.state;
    const turn = `${broken.length} ${absent?.word} ${checking === undefined} ${checkpoint === undefined}`;
    if (turn === this.#toldTurn) {
      this.#telling ??= setTimeout(() => this.#tellState(), publishEveryMs);
      return;
    }
    this.#toldTurn = turn;
    this.#tellState();
  }

  #tellState(): void {
    clearTimeout(this.#telling);
    this.#telling = undefined;
    this.#tell({ event: 'trust', log: this.state.log, state: this.state });
  }
}
