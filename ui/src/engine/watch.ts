// One log, followed: records as they come are hashed, linked, put into the tree and held against each signed checkpoint, and
// each checkpoint against what this browser remembers. One of these in the shared worker serves all tabs.
//
// The tree begins at the last records before the checkpoint: the inclusion proof of the record before them is the frontier
// of a tree whose root, with the records appended, has to be the one that was signed. From there on every record is folded
// in, so that each later checkpoint is compared with a root computed here and needs no proof from the server.
//
// A contradiction counts only when a second look past all caches finds it too. What is missing is amber, never red.

import { ApiError, getLog, type Door, type LogFacts } from '../api/client.ts';
import type { Row } from '../record/row.ts';
import { Acquaintance } from './acquaintance.ts';
import { askAhead } from './beginning.ts';
import { Bulletin } from './bulletin.ts';
import type { Clock } from './clock.ts';
import { Contradiction, thousands } from './contradiction.ts';
import { Findings, type Circle } from './findings.ts';
import { follow, type Followed } from './follow.ts';
import { withheldReason } from './judge.ts';
import type { Memory } from './memory.ts';
import { Missing } from './missing.ts';
import type { Policy } from './policy.ts';
import type { Told, TrustState } from './protocol.ts';
import { Questions } from './questions.ts';
import type { Turn } from './seat.ts';
import { SignedTree } from './signed-tree.ts';
import { whoIsAway, type Terms } from './view.ts';

const confirmEveryMs = 8_000;
const pendingMax = 500_000;

/** What every beginning asks first. */
export type First = readonly [Promise<LogFacts>, Promise<string>];

/** Asked for at once: each answer that is waited for is a round trip before the first row. */
export function askFirst(door: Door, log: string): First {
  const first = [getLog(door, log), door.getText(`logs/${log}/checkpoint`, true)] as const;
  for (const one of first) one.catch(() => undefined);
  return first;
}

export class LogWatch {
  readonly log: string;
  readonly questions: Questions;
  readonly #door: Door;
  readonly #clock: Clock;
  readonly #knownAs: string;
  readonly #acquaintance: Acquaintance;
  readonly #bulletin: Bulletin;
  readonly #findings: Findings;
  readonly #missing = new Missing();
  readonly #tree: SignedTree;
  readonly #turn: () => Turn;
  #end = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #accepted = false;
  #first: First | undefined;

  /** `terms`: in `graven view`. `circle`: for what is found. `turn`: whether this log has the browser's one stream. */
  constructor(
    door: Door,
    memory: Memory,
    clock: Clock,
    base: string,
    log: string,
    tell: (told: Told) => void,
    terms: Terms | undefined,
    circle: Circle,
    turn: () => Turn,
  ) {
    this.#turn = turn;
    this.#door = door;
    this.#clock = clock;
    this.log = log;
    this.#knownAs = `${base}\n${log}`;
    this.#acquaintance = new Acquaintance(memory, clock, this.#knownAs, terms?.policy);
    const view = terms && { server: terms.server, folder: terms.folder };
    const bulletin = new Bulletin(log, memory.kept, clock, tell, view);
    const findings = new Findings(memory, clock, bulletin, this.#knownAs, circle);
    const tree = new SignedTree({ door, memory, clock, log, bulletin, missing: this.#missing });
    this.#bulletin = bulletin;
    this.#findings = findings;
    this.#tree = tree;
    const ended = (): AbortSignal => this.#end.signal;
    this.questions = new Questions({ door, clock, log, tree, findings, bulletin, ended });
  }

  get state(): TrustState {
    return this.#bulletin.state;
  }

  get recent(): readonly Row[] {
    return this.#tree.trail.recent;
  }

  get next(): number {
    return this.#tree.trail.next;
  }

  /** Another watch of this log in this browser found something, or threw away what was known. */
  heard(what: 'found' | 'forgotten'): Promise<void> {
    return this.#findings.heard(what);
  }

  /** Runs until `stop`: starts over, ever later, whenever the connection ends. `first`: what was asked already. */
  start(first?: First): void {
    this.#first = first;
    const { signal } = this.#end;
    this.#running = Promise.all([this.#run(signal), this.#confirmAgainAndAgain(signal)]);
  }

  stop(): void {
    this.#end.abort();
  }

  async #run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        if (!this.#accepted) await this.#begin();
        this.#missing.unreachable = this.#missing.noLog = undefined;
        failures = 0;
        const following = { door: this.#door, log: this.log, clock: this.#clock };
        await follow({ ...following, followed: this.#followed() }, this.#turn, signal);
      } catch (error) {
        if (signal.aborted) return;
        await this.#failed(error);
      }
      this.state.transport = 'none';
      failures++;
      // Many browsers lose a server at once when it restarts; they should not all come back at once.
      await this.#clock.sleep(
        Math.min(15_000, 250 * 2 ** Math.min(failures, 6)) * (0.5 + Math.random() / 2),
        signal,
      );
    }
  }

  async #failed(error: unknown): Promise<void> {
    if (error instanceof Contradiction) {
      await this.#findings.add(error, this.#tree.lastGood);
      this.#accepted = false;
    } else if (error instanceof ApiError && error.reason === withheldReason) {
      this.#missing.withheld = error.message;
    } else if (error instanceof ApiError && error.reason === 'GAP') {
      // Known, and soon read anew.
      return;
    } else if (error instanceof ApiError && error.status === 400 && this.#accepted) {
      // The server does not know of the place from which this goes on: what it signs now says whether it may not.
      this.#accepted = false;
      return;
    } else if (error instanceof ApiError && error.reason === 'LOG_NOT_FOUND') {
      this.#missing.noLog = 'The server has no log of this name, or shows it to others.';
    } else {
      this.#missing.noLog = undefined;
      this.#missing.unreachable = this.#whyNothingCame(error);
    }
    this.#judgeAbsence();
  }

  #whyNothingCame(error: unknown): string {
    if (!(error instanceof ApiError))
      return `The page could not read an answer: ${error instanceof Error ? error.message : String(error)}.`;
    if (error.status === 0)
      return this.state.view === undefined ? 'The server does not answer.' : whoIsAway(error);
    if (error.status === 401) return 'The server asks for a token.';
    return `The server answered: ${error.message}.`;
  }

  async #begin(): Promise<void> {
    const first = this.#first ?? askFirst(this.#door, this.log);
    this.#first = undefined;
    // By the log's name at once, and once more when the key is known.
    await this.#findings.recall();
    this.#bulletin.checking('asking the server for the log', 0, 1);
    const [facts, note] = await Promise.all(first);
    const ahead = askAhead(this.#door, this.log, note);
    this.state.facts = facts;
    this.state.durable = facts.durableSize;
    this.#tree.judgeBy(await this.#acquaintance.choose(facts));
    await this.#findings.recall();
    await this.#tree.recall();
    await this.#tree.take(note);
    await this.#tree.load(ahead);
    this.#accepted = true;
    this.state.checking = undefined;
    this.#judgeAbsence();
  }

  // ---- following -------------------------------------------------------------------------------------------------

  #followed(): Followed {
    const tree = this.#tree;
    return {
      get next() {
        return tree.trail.next;
      },
      get size() {
        return tree.checkpoint?.size;
      },
      transport: (kind) => {
        this.state.transport = kind;
        this.#bulletin.publish();
      },
      rows: (first, records) => this.#rows(first, records),
      checkpoint: async (told) => {
        await (told === undefined ? tree.renew() : tree.take(told));
        await tree.fold();
        this.#judgeAbsence();
      },
      gap: (from, to) => this.#gap(from, to),
      stats: (size, durable, rate) => {
        this.state.durable = durable;
        this.#bulletin.step({ kind: 'stats', at: this.#clock.now(), size, durable, rate });
      },
    };
  }

  async #rows(first: number, records: readonly Uint8Array[]): Promise<void> {
    const { trail } = this.#tree;
    if (first < trail.next) return this.#rows(trail.next, records.slice(trail.next - first));
    if (first > trail.next) return this.#gap(trail.next, first);
    if (records.length === 0) return;
    const read = await this.#tree.read(first, records);
    trail.take(read);
    this.state.recomputed += read.rows.length;
    const now = this.#clock.now();
    if (this.state.uncovered === 0) this.#missing.uncoveredBegins(now);
    this.#bulletin.rows(read.rows, first, trail.next, false);
    this.#bulletin.step({ kind: 'batch', at: now, first, count: read.rows.length });
    await this.#tree.fold();
    if (trail.pending > pendingMax) {
      // Nobody signs what comes in. Half a million hashes is what a browser should hold; begin again behind them.
      this.#accepted = false;
      throw new ApiError(200, 'NO_CHECKPOINT', 'no checkpoint covers the records that come');
    }
  }

  // More came than was sent here: go on behind the gap, from a tree that is proven anew.
  async #gap(from: number, to: number): Promise<void> {
    this.#bulletin.step({ kind: 'gap', at: this.#clock.now(), first: from, count: to - from });
    this.#accepted = false;
    throw new ApiError(200, 'GAP', `${thousands(to - from)} records were passed over`);
  }

  // The stream says what is new; that nothing is new has to be asked for.
  async #confirmAgainAndAgain(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#clock.sleep(confirmEveryMs / 2, signal);
      if (signal.aborted) return;
      if (this.#accepted && this.#clock.now() - this.#missing.confirmedAt >= confirmEveryMs) {
        try {
          await this.#tree.renew();
          await this.#tree.fold();
          this.#missing.unreachable = undefined;
        } catch (error) {
          await this.#failed(error);
        }
      }
      this.#judgeAbsence();
    }
  }

  #judgeAbsence(): void {
    this.#missing.judge(this.state, this.#accepted, this.#clock.now());
    this.#bulletin.publish();
  }

  // ---- what the reader decides -----------------------------------------------------------------------------------

  async pin(vkey: string, how: 'link' | 'by hand'): Promise<void> {
    if (await this.#acquaintance.pin(vkey, how)) await this.#restart();
  }

  async policy(policy: Policy): Promise<void> {
    await this.#acquaintance.policy(policy, this.state.vkey);
    await this.#restart();
  }

  /** Another log stands under this name, and the reader takes it for what it is. */
  async acceptChange(): Promise<void> {
    const vkey = this.state.facts?.vkey;
    if (vkey === undefined) return;
    await this.#acquaintance.meet(vkey);
    await this.#restart();
  }

  async forget(): Promise<void> {
    const { memoryKey } = this.#tree;
    if (memoryKey !== undefined) await this.#findings.forget(memoryKey);
    this.state.broken = [];
    this.state.flickers = [];
    await this.#restart();
  }

  /** Ends what runs, waits until it has ended, and begins anew with what is remembered now. */
  async #restart(): Promise<void> {
    this.#end.abort();
    await this.#running;
    this.#end = new AbortController();
    this.#accepted = false;
    this.#tree.forget();
    this.#missing.forget();
    Object.assign(this.state, {
      checkpoint: undefined,
      cosignedSize: undefined,
      cosignatures: [],
      consistentSince: undefined,
      absent: undefined,
      recomputed: 0,
      uncovered: 0,
    });
    this.start();
  }
}
