// One log, watched: records as they come are hashed, linked, put into the tree and held against each signed checkpoint, and
// each checkpoint against what this browser remembers. One of these in the shared worker serves all tabs.
//
// The tree begins at the last records before the checkpoint: the inclusion proof of the record before them is the frontier
// of a tree whose root, with the records appended, has to be the one that was signed. From there on every record is folded
// in, so that each later checkpoint is compared with a root computed here and needs no proof from the server.
//
// A contradiction counts only when a second look past all caches finds it too. What is missing is amber, never red.

import { ApiError, getLog, getRecords, type Door, type LogFacts } from '../api/client.ts';
import { fromHex, toHex } from '../proof/bytes.ts';
import { genesisHash, type Hash } from '../proof/merkle.ts';
import { parseVkey, type Checkpoint, type Cosignature, type Vkey } from '../proof/note.ts';
import type { Row } from '../record/row.ts';
import { Acquaintance, type Chosen } from './acquaintance.ts';
import { askAhead, readBack, type Ahead } from './beginning.ts';
import { Bulletin } from './bulletin.ts';
import type { Clock } from './clock.ts';
import { Contradiction, thousands } from './contradiction.ts';
import { follow, type Followed } from './follow.ts';
import { CheckpointJudge, withheldReason, type Standing } from './judge.ts';
import type { Leaves } from './leaves.ts';
import type { Memory, Remembered } from './memory.ts';
import { Missing } from './missing.ts';
import type { Policy } from './policy.ts';
import { contradictionIn, isIncluded, proveRecord } from './prove.ts';
import type { Finding, RecordProof, Told, TrustState } from './protocol.ts';
import { Trail } from './trail.ts';
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
  readonly #door: Door;
  readonly #memory: Memory;
  readonly #clock: Clock;
  readonly #knownAs: string;
  readonly #acquaintance: Acquaintance;
  readonly #bulletin: Bulletin;
  readonly #trail = new Trail();
  readonly #missing = new Missing();
  readonly #openedAt: number;
  #end = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #busy: Promise<unknown> = Promise.resolve();
  #key: Vkey | undefined;
  #judge: CheckpointJudge | undefined;
  #witnesses: Vkey[] = [];
  #remembered: Remembered | undefined;
  #checkpoint: Checkpoint | undefined;
  // The newest with lines of witnesses: they follow, so it is the same tree or a smaller one.
  #cosigned: Checkpoint | undefined;
  #accepted = false;
  #first: First | undefined;

  /** `terms`: in `graven view`. */
  constructor(
    door: Door,
    memory: Memory,
    clock: Clock,
    base: string,
    log: string,
    tell: (told: Told) => void,
    terms?: Terms,
  ) {
    this.#door = door;
    this.#memory = memory;
    this.#clock = clock;
    this.#openedAt = clock.now();
    this.log = log;
    this.#knownAs = `${base}\n${log}`;
    this.#acquaintance = new Acquaintance(memory, clock, this.#knownAs, terms?.policy);
    const view = terms && { server: terms.server, folder: terms.folder };
    this.#bulletin = new Bulletin(log, memory.kept, clock, tell, view);
  }

  get state(): TrustState {
    return this.#bulletin.state;
  }

  get recent(): readonly Row[] {
    return this.#trail.recent;
  }

  get next(): number {
    return this.#trail.next;
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
        this.#missing.unreachable = undefined;
        failures = 0;
        await follow(this.#door, this.log, this.#clock, signal, this.#followed());
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
      await this.#record(error);
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
    } else if (error instanceof ApiError) {
      this.#missing.unreachable =
        error.status === 0
          ? this.state.view === undefined
            ? 'The server does not answer.'
            : whoIsAway(error)
          : error.status === 401
            ? 'The server asks for a token.'
            : `The server answered: ${error.message}.`;
    } else {
      this.#missing.unreachable = `The page could not read an answer: ${error instanceof Error ? error.message : String(error)}.`;
    }
    this.#judgeAbsence();
  }

  // ---- beginning -------------------------------------------------------------------------------------------------

  // What was found before is shown before anything that the server says, and once more when the key is known.
  async #recall(): Promise<void> {
    const kept = await this.#memory.findings(this.#knownAs, this.state.vkey);
    const here = this.state.broken.filter((one) => !kept.some(({ id }) => id === one.id));
    this.state.broken = [...kept, ...here];
    this.#bulletin.publish();
  }

  async #begin(): Promise<void> {
    const first = this.#first ?? askFirst(this.#door, this.log);
    this.#first = undefined;
    await this.#recall();
    this.#bulletin.checking('asking the server for the log', 0, 1);
    const [facts, note] = await Promise.all(first);
    const ahead = askAhead(this.#door, this.log, note);
    this.state.facts = facts;
    this.state.durable = facts.durableSize;
    this.#use(await this.#acquaintance.choose(facts));
    await this.#recall();
    this.#remembered = await this.#memory.remembered(this.#judge!.memoryKey);
    this.#showMemory();
    await this.#accept(note, false);
    await this.#load(ahead);
    this.#accepted = true;
    this.state.checking = undefined;
    this.#judgeAbsence();
  }

  #use({ known, key, changed }: Chosen): void {
    this.#missing.changed = changed;
    this.#key = key;
    this.#witnesses = known.witnesses
      .map(parseVkey)
      .filter((one): one is Vkey => typeof one !== 'string');
    this.state.origin = key.name;
    this.state.vkey = key.text;
    this.state.pin = { how: known.how, at: known.at };
    this.state.witnessKeys = this.#witnesses.length;
    this.#missing.witnesses = this.#witnesses;
    this.#missing.quorum = known.quorum;
    this.#judge = new CheckpointJudge({
      door: this.#door,
      memory: this.#memory,
      now: () => this.#clock.now(),
      log: this.log,
      key,
      witnesses: this.#witnesses,
      grown: (size, newSize) => this.#trail.rootAt(size, newSize),
    });
  }

  #showMemory(): void {
    const kept = this.#remembered;
    this.state.memory =
      // What this very visit saw is no memory.
      kept === undefined || kept.first.at >= this.#openedAt
        ? undefined
        : {
            firstSize: kept.first.size,
            firstAt: kept.first.at,
            lastSize: kept.last.size,
            lastAt: kept.last.at,
          };
    this.state.seen = kept?.seen ?? [];
  }

  #fetchCheckpoint(): Promise<string> {
    return this.#door.getText(`logs/${this.log}/checkpoint`, true);
  }

  // The last records before the checkpoint, folded into a tree whose root must be the signed one.
  async #load(ahead: Ahead | undefined): Promise<void> {
    try {
      await this.#loadOnce(false, ahead);
    } catch (error) {
      if (!(error instanceof Contradiction)) throw error;
      await this.#loadOnce(true);
      this.#bulletin.flicker(error.message);
    }
  }

  async #loadOnce(fresh: boolean, ahead?: Ahead): Promise<void> {
    const beginning = await readBack(
      {
        door: this.#door,
        log: this.log,
        genesis: this.#genesis(),
        bench: this.#judge!.bench,
        progress: (sentence, done, of) => this.#bulletin.checking(sentence, done, of),
      },
      this.#checkpoint!,
      fresh,
      ahead,
    );
    this.#trail.begin(beginning, this.#genesis());
    this.state.recomputedFrom = beginning.first;
    this.state.recomputed += beginning.rows.length;
    this.#bulletin.rows(beginning.rows, beginning.first, this.#trail.next, true);
  }

  #genesis(): Hash {
    return genesisHash(this.#key!.name);
  }

  // ---- checkpoints -----------------------------------------------------------------------------------------------

  /** One after the other: two checkpoints that are judged at once would race for the memory. */
  #serially<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#busy.then(work, work);
    this.#busy = result.catch(() => undefined);
    return result;
  }

  async #accept(noteText: string, again: boolean): Promise<void> {
    try {
      await this.#judgeNote(noteText);
    } catch (error) {
      if (!(error instanceof Contradiction) || again) throw error;
      // The second look, past all caches.
      await this.#accept(await this.#fetchCheckpoint(), true);
      this.#bulletin.flicker(error.message);
    }
  }

  async #judgeNote(noteText: string): Promise<void> {
    const verdict = await this.#judge!.judge(noteText);
    const now = this.#clock.now();
    switch (verdict.kind) {
      case 'older':
        this.#missing.lagging = verdict.sentence;
        return;
      case 'cosigned':
        this.#missing.lagging = undefined;
        return this.#takeCosigned(verdict.checkpoint, verdict.cosignatures, now);
      case 'newest':
        this.#remembered = verdict.remembered;
        this.state.seen = verdict.remembered.seen;
        this.state.consistentSince = Math.min(
          verdict.remembered.first.size,
          this.state.consistentSince ?? Infinity,
        );
        this.#take(verdict.checkpoint, verdict.cosignatures, now);
    }
  }

  #take(checkpoint: Checkpoint, cosignatures: Cosignature[], now: number): void {
    const before = this.#checkpoint;
    this.#checkpoint = checkpoint;
    this.#missing.confirmedAt = now;
    this.#missing.lagging = undefined;
    this.#missing.withheld = undefined;
    if (
      before === undefined ||
      before.size !== checkpoint.size ||
      this.state.checkpoint === undefined
    ) {
      this.state.checkpoint = {
        size: checkpoint.size,
        root: toHex(checkpoint.root),
        note: checkpoint.noteText,
        at: now,
      };
      this.#bulletin.step({ kind: 'checkpoint', at: now, size: checkpoint.size });
    } else {
      this.state.checkpoint = { ...this.state.checkpoint, note: checkpoint.noteText };
    }
    if (cosignatures.length > 0) this.#takeCosigned(checkpoint, cosignatures, now);
  }

  #takeCosigned(checkpoint: Checkpoint, cosignatures: Cosignature[], now: number): void {
    this.#missing.confirmedAt = now;
    if (checkpoint.size < (this.state.cosignedSize ?? 0)) return;
    this.#cosigned = checkpoint;
    this.state.cosignatures = cosignatures;
    this.state.cosignedSize = checkpoint.size;
    this.#bulletin.step({
      kind: 'cosigned',
      at: now,
      size: checkpoint.size,
      by: cosignatures.map((one) => one.name),
    });
  }

  // ---- following -------------------------------------------------------------------------------------------------

  #followed(): Followed {
    const next = (): number => this.#trail.next;
    const size = (): number | undefined => this.#checkpoint?.size;
    return {
      get next() {
        return next();
      },
      get size() {
        return size();
      },
      transport: (kind) => {
        this.state.transport = kind;
        this.#bulletin.publish();
      },
      rows: (first, records) => this.#rows(first, records),
      checkpoint: async (told) => {
        const note = told ?? (await this.#fetchCheckpoint());
        await this.#serially(() => this.#accept(note, false));
        await this.#fold();
        this.#judgeAbsence();
      },
      gap: (from, to) => this.#gap(from, to),
      stats: (sizeThere, durable, rate) => {
        this.state.durable = durable;
        const at = this.#clock.now();
        this.#bulletin.step({ kind: 'stats', at, size: sizeThere, durable, rate });
      },
    };
  }

  async #rows(first: number, records: readonly Uint8Array[]): Promise<void> {
    const { next } = this.#trail;
    if (first < next) return this.#rows(next, records.slice(next - first));
    if (first > next) return this.#gap(next, first);
    if (records.length === 0) return;
    const read = await this.#read(first, records);
    this.#trail.take(read);
    this.state.recomputed += read.rows.length;
    const now = this.#clock.now();
    if (this.state.uncovered === 0) this.#missing.uncoveredBegins(now);
    this.#bulletin.rows(read.rows, first, this.#trail.next, false);
    this.#bulletin.step({ kind: 'batch', at: now, first, count: read.rows.length });
    await this.#fold();
    if (this.#trail.pending > pendingMax) {
      // Nobody signs what comes in. Half a million hashes is what a browser should hold; begin again behind them.
      this.#accepted = false;
      throw new ApiError(200, 'NO_CHECKPOINT', 'no checkpoint covers the records that come');
    }
  }

  async #read(first: number, records: readonly Uint8Array[]): Promise<Leaves> {
    try {
      return this.#trail.read(records, first);
    } catch (error) {
      if (!(error instanceof Contradiction)) throw error;
      const page = await getRecords(this.#door, this.log, first, records.length, true);
      try {
        const read = this.#trail.read(page.records, first);
        this.#bulletin.flicker(error.message);
        return read;
      } catch (still) {
        // Another history looks like a broken chain at first. What was signed says which it is, and is evidence.
        const note = await this.#fetchCheckpoint();
        await this.#serially(() => this.#accept(note, false));
        throw still;
      }
    }
  }

  // More came than was sent here: go on behind the gap, from a tree that is proven anew.
  async #gap(from: number, to: number): Promise<void> {
    this.#bulletin.step({ kind: 'gap', at: this.#clock.now(), first: from, count: to - from });
    this.#accepted = false;
    throw new ApiError(200, 'GAP', `${thousands(to - from)} records were passed over`);
  }

  // Folds what the newest checkpoint covers into the tree, and compares the root.
  async #fold(): Promise<void> {
    const checkpoint = this.#checkpoint;
    const first = this.#trail.size;
    if (checkpoint === undefined || first === undefined) return;
    if (!this.#trail.fold(checkpoint)) {
      // One of the rows was not what was signed. Begin again past all caches: what is still wrong then is a finding.
      this.#trail.drop();
      await this.#loadOnce(true);
      this.#bulletin.flicker(
        `The records ${thousands(first)} to ${thousands(checkpoint.size - 1)} did not lead to the signed root at first.`,
      );
      return;
    }
    const before = this.state.uncovered;
    this.state.uncovered = this.#trail.pending;
    if (before > this.state.uncovered) this.#missing.uncoveredBegins(this.#clock.now());
    this.#bulletin.publish();
  }

  // ---- what is missing, and what does not fit --------------------------------------------------------------------

  // The stream says what is new; that nothing is new has to be asked for.
  async #confirmAgainAndAgain(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#clock.sleep(confirmEveryMs / 2, signal);
      if (signal.aborted) return;
      if (this.#accepted && this.#clock.now() - this.#missing.confirmedAt >= confirmEveryMs) {
        try {
          const note = await this.#fetchCheckpoint();
          await this.#serially(() => this.#accept(note, false));
          await this.#fold();
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

  async #record(contradiction: Contradiction): Promise<void> {
    const last = this.#remembered?.last;
    const same = this.state.broken.find(
      (one) => one.kind === contradiction.finding.kind && one.index === contradiction.finding.index,
    );
    if (same !== undefined) return;
    const now = this.#clock.now();
    const finding: Finding = {
      ...contradiction.finding,
      id: now * 1000 + this.state.broken.length,
      at: now,
      lastGood: last === undefined ? undefined : { size: last.size, root: last.root, at: last.at },
    };
    this.state.broken = [...this.state.broken, finding];
    this.state.checking = undefined;
    this.#bulletin.publish();
    try {
      await this.#memory.addFinding(this.#knownAs, this.state.vkey, finding);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#bulletin.flicker(`A finding could not be kept: ${error.message}.`);
    }
  }

  // ---- on request ------------------------------------------------------------------------------------------------

  /** Fetches a record and its path, and recomputes everything up to the signed root. */
  async prove(index: number): Promise<RecordProof> {
    const first = await this.#proveOnce(index, false);
    if (first.holds) return first;
    const second = await this.#proveOnce(index, true);
    if (second.holds) {
      this.#bulletin.flicker(
        `Record ${thousands(index)} did not lead to the signed root at first.`,
      );
      return second;
    }
    await this.#record(contradictionIn(second, index, this.#judge!.bench));
    return second;
  }

  async #proveOnce(index: number, fresh: boolean): Promise<RecordProof> {
    const checkpoint = await this.#checkpointWith(index);
    const parts = { door: this.#door, log: this.log, key: this.#key!, witnesses: this.#witnesses };
    return proveRecord(parts, checkpoint, index, fresh);
  }

  async #checkpointWith(index: number): Promise<Checkpoint> {
    for (let tries = 0; ; tries++) {
      // One that witnesses signed says more.
      if (this.#cosigned !== undefined && index < this.#cosigned.size) return this.#cosigned;
      if (this.#checkpoint !== undefined && index < this.#checkpoint.size) return this.#checkpoint;
      if (tries === 20 || this.#end.signal.aborted) {
        throw new ApiError(
          404,
          'NOT_COVERED',
          `no checkpoint covers a record ${thousands(index)} yet`,
        );
      }
      await this.#clock.sleep(250, this.#end.signal);
    }
  }

  /** Whether a row that the page shows is the record that is under the checkpoint: for answers of the search. */
  async cover(index: number, hash: string): Promise<boolean> {
    const held = this.recent.find((row) => row.index === index);
    const folded = this.#trail.size;
    if (
      held !== undefined &&
      folded !== undefined &&
      index < folded &&
      index >= this.state.recomputedFrom
    ) {
      return held.hash === hash;
    }
    const checkpoint = await this.#checkpointWith(index);
    const leaf = fromHex(hash)!;
    for (const fresh of [false, true]) {
      if (await isIncluded(this.#door, this.log, checkpoint, { index, leaf, fresh })) return true;
    }
    return (await this.prove(index)).row.hash === hash;
  }

  /**
   * Holds a tree that the log's key signed, and that came by another way, against the newest one that was checked here; none
   * was: undefined. Throws a Contradiction, which is a finding then, and ApiError where no proof is to be had.
   */
  async compare(checkpoint: Checkpoint): Promise<Standing | undefined> {
    const known = this.#checkpoint;
    if (known === undefined || this.#judge === undefined) return undefined;
    try {
      return await this.#judge.compare(checkpoint, known);
    } catch (error) {
      if (error instanceof Contradiction) await this.#record(error);
      throw error;
    }
  }

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
    if (this.#judge !== undefined) await this.#memory.forget(this.#knownAs, this.#judge.memoryKey);
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
    this.#checkpoint = this.#cosigned = undefined;
    this.#trail.drop();
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
