// One log, watched: records as they come are hashed, linked, put into the tree and held against each signed checkpoint, and
// each checkpoint against what this browser remembers. One of these in the shared worker serves all tabs.
//
// The tree begins at the last records before the checkpoint: the inclusion proof of the record before them is the frontier
// of a tree whose root, with the records appended, has to be the one that was signed. From there on every record is folded
// in, so that each later checkpoint is compared with a root computed here and needs no proof from the server.
//
// A contradiction counts only when a second look past all caches finds it too. What is missing is amber, never red.

import {
  ApiError,
  bytesOf,
  countOf,
  getInclusion,
  getLog,
  getRecords,
  type Door,
  type Json,
  type LogFacts,
} from '../api/client.ts';
import { readEvents } from '../api/events.ts';
import { equal, toHex } from '../proof/bytes.ts';
import { climb, Frontier, genesisHash, type Hash } from '../proof/merkle.ts';
import {
  parseCheckpoint,
  parseVkey,
  type Checkpoint,
  type Cosignature,
  type Vkey,
} from '../proof/note.ts';
import type { Row } from '../record/row.ts';
import { absenceOf } from './absence.ts';
import { readBack } from './beginning.ts';
import { Contradiction, notInTree, thousands } from './contradiction.ts';
import { CheckpointJudge, withheldReason } from './judge.ts';
import { proveRecord } from './prove.ts';
import { hashRows, type Leaves } from './leaves.ts';
import type { KnownLog, Memory, Remembered } from './memory.ts';
import type { Finding, RecordProof, Step, Told, TrustState } from './protocol.ts';

export interface Clock {
  now(): number;
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

export const realClock: Clock = {
  now: () => Date.now(),
  sleep: (milliseconds, signal) =>
    new Promise((resolve) => {
      const timer = setTimeout(end, milliseconds);
      function end(): void {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      }
      signal.addEventListener('abort', end);
    }),
};

const recentMax = 2000;
const confirmEveryMs = 8_000;
const publishEveryMs = 250;
const pendingMax = 500_000;

export class LogWatch {
  readonly log: string;
  readonly #door: Door;
  readonly #memory: Memory;
  readonly #clock: Clock;
  readonly #knownAs: string;
  readonly #tell: (told: Told) => void;
  readonly #state: TrustState;
  #end = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #key: Vkey | undefined;
  #judge: CheckpointJudge | undefined;
  #witnesses: Vkey[] = [];
  #remembered: Remembered | undefined;
  #checkpoint: Checkpoint | undefined;
  // The newest with lines of witnesses: they follow, so it is the same tree or a smaller one.
  #cosigned: Checkpoint | undefined;
  // The tree up to the checkpoint last folded, the leaves behind it.
  #frontier: Frontier | undefined;
  #pending: Hash[] = [];
  #next = 0;
  #lastLeaf: Hash | undefined;
  #recent: Row[] = [];
  #uncoveredSince = 0;
  #confirmedAt = 0;
  #wordSince = 0;
  #lagging: string | undefined;
  #withheld: string | undefined;
  #changed: string | undefined;
  #unreachable: string | undefined;
  #busy: Promise<unknown> = Promise.resolve();
  readonly #openedAt: number;
  #toldTurn = '';
  #telling: ReturnType<typeof setTimeout> | undefined;
  #accepted = false;

  constructor(
    door: Door,
    memory: Memory,
    clock: Clock,
    base: string,
    log: string,
    tell: (told: Told) => void,
  ) {
    this.#door = door;
    this.#memory = memory;
    this.#clock = clock;
    this.#openedAt = clock.now();
    this.#tell = tell;
    this.log = log;
    this.#knownAs = `${base}\n${log}`;
    this.#state = {
      log,
      facts: undefined,
      broken: [],
      absent: undefined,
      checking: { sentence: 'asking the server for the log', done: 0, of: 1 },
      origin: '',
      vkey: '',
      pin: undefined,
      memory: undefined,
      memoryKept: memory.kept,
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
    };
  }

  get state(): TrustState {
    return this.#state;
  }

  get recent(): readonly Row[] {
    return this.#recent;
  }

  get next(): number {
    return this.#next;
  }

  /** Runs until `stop`: starts over, ever later, whenever the connection ends. */
  start(): void {
    const { signal } = this.#end;
    this.#running = Promise.all([this.#run(signal), this.#confirmAgainAndAgain(signal)]);
  }

  stop(): void {
    this.#end.abort();
  }

  async #run(signal: AbortSignal): Promise<void> {
    this.#state.broken = await this.#memory.findings(this.#knownAs);
    this.#publish();
    let failures = 0;
    while (!signal.aborted) {
      try {
        if (!this.#accepted) await this.#begin();
        this.#unreachable = undefined;
        failures = 0;
        await this.#follow(signal);
      } catch (error) {
        if (signal.aborted) return;
        await this.#failed(error);
      }
      this.#state.transport = 'none';
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
      this.#withheld = error.message;
    } else if (error instanceof ApiError && error.reason === 'GAP') {
      // Known, and soon read anew.
      return;
    } else if (error instanceof ApiError) {
      this.#unreachable =
        error.status === 0
          ? 'The server does not answer.'
          : error.status === 401
            ? 'The server asks for a token.'
            : `The server answered: ${error.message}.`;
    } else {
      this.#unreachable = `The page could not read an answer: ${error instanceof Error ? error.message : String(error)}.`;
    }
    this.#judgeAbsence();
  }

  // ---- beginning -------------------------------------------------------------------------------------------------

  async #begin(): Promise<void> {
    this.#checking('asking the server for the log', 0, 1);
    const facts = await getLog(this.#door, this.log);
    this.#state.facts = facts;
    this.#state.durable = facts.durableSize;
    await this.#chooseKey(facts);
    this.#remembered = await this.#memory.remembered(this.#judge!.memoryKey);
    this.#showMemory();
    const note = await this.#fetchCheckpoint();
    await this.#accept(note, false);
    await this.#load();
    this.#accepted = true;
    this.#state.checking = undefined;
    this.#judgeAbsence();
  }

  async #chooseKey(facts: LogFacts): Promise<void> {
    const claimed = parseVkey(facts.vkey);
    const known = await this.#memory.known(this.#knownAs);
    this.#changed = undefined;
    if (known === undefined) {
      if (typeof claimed === 'string')
        throw new ApiError(200, 'BAD_ANSWER', `the log's key cannot be read: ${claimed}`);
      await this.#memory.know({
        log: this.#knownAs,
        vkey: facts.vkey,
        how: 'first visit',
        at: this.#clock.now(),
        witnesses: [],
      });
      this.#useKey(
        {
          log: this.#knownAs,
          vkey: facts.vkey,
          how: 'first visit',
          at: this.#clock.now(),
          witnesses: [],
        },
        claimed,
      );
      return;
    }
    const kept = parseVkey(known.vkey);
    if (typeof kept === 'string')
      throw new ApiError(200, 'BAD_MEMORY', `the remembered key cannot be read: ${kept}`);
    if (known.vkey !== facts.vkey && known.how === 'first visit' && typeof claimed !== 'string') {
      this.#changed =
        claimed.name === kept.name
          ? `The log's key is not the one that this browser saw before (${kept.id} then, ${claimed.id} now).`
          : `Another log answers under this name: ${claimed.name} now, ${kept.name} when this browser was here before.`;
      this.#useKey(known, claimed);
      return;
    }
    this.#useKey(known, kept);
  }

  #useKey(known: KnownLog, key: Vkey): void {
    this.#key = key;
    this.#witnesses = known.witnesses
      .map(parseVkey)
      .filter((one): one is Vkey => typeof one !== 'string');
    this.#state.origin = key.name;
    this.#state.vkey = key.text;
    this.#state.pin = { how: known.how, at: known.at };
    this.#state.witnessKeys = this.#witnesses.length;
    this.#judge = new CheckpointJudge({
      door: this.#door,
      memory: this.#memory,
      now: () => this.#clock.now(),
      log: this.log,
      key,
      witnesses: this.#witnesses,
      grown: (size, newSize) => this.#rootAt(size, newSize),
    });
  }

  #showMemory(): void {
    const kept = this.#remembered;
    this.#state.memory =
      // What this very visit saw is no memory.
      kept === undefined || kept.first.at >= this.#openedAt
        ? undefined
        : {
            firstSize: kept.first.size,
            firstAt: kept.first.at,
            lastSize: kept.last.size,
            lastAt: kept.last.at,
          };
    this.#state.seen = kept?.seen ?? [];
  }

  #fetchCheckpoint(): Promise<string> {
    return this.#door.getText(`logs/${this.log}/checkpoint`, true);
  }

  // The last records before the checkpoint, folded into a tree whose root must be the signed one.
  async #load(): Promise<void> {
    try {
      await this.#loadOnce(false);
    } catch (error) {
      if (!(error instanceof Contradiction)) throw error;
      await this.#loadOnce(true);
      this.#flicker(error.message);
    }
  }

  async #loadOnce(fresh: boolean): Promise<void> {
    const checkpoint = this.#checkpoint!;
    const { frontier, first, rows, leaves } = await readBack(
      {
        door: this.#door,
        log: this.log,
        genesis: this.#genesis(),
        bench: this.#judge!.bench,
        progress: (sentence, done, of) => this.#checking(sentence, done, of),
      },
      checkpoint,
      fresh,
    );
    this.#frontier = frontier;
    this.#pending = [];
    this.#next = checkpoint.size;
    this.#lastLeaf = leaves[leaves.length - 1] ?? this.#genesis();
    this.#state.recomputedFrom = first;
    this.#state.recomputed += rows.length;
    this.#recent = rows;
    this.#tell({
      event: 'rows',
      log: this.log,
      rows,
      first,
      next: this.#next,
      reset: true,
      at: this.#clock.now(),
    });
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
      this.#flicker(error.message);
    }
  }

  async #judgeNote(noteText: string): Promise<void> {
    const verdict = await this.#judge!.judge(noteText);
    const now = this.#clock.now();
    switch (verdict.kind) {
      case 'older':
        this.#lagging = verdict.sentence;
        return;
      case 'cosigned':
        this.#lagging = undefined;
        return this.#takeCosigned(verdict.checkpoint, verdict.cosignatures, now);
      case 'newest':
        this.#remembered = verdict.remembered;
        this.#state.seen = verdict.remembered.seen;
        this.#state.consistentSince = Math.min(
          verdict.remembered.first.size,
          this.#state.consistentSince ?? Infinity,
        );
        this.#take(verdict.checkpoint, verdict.cosignatures, now);
    }
  }

  #take(checkpoint: Checkpoint, cosignatures: Cosignature[], now: number): void {
    const before = this.#checkpoint;
    this.#checkpoint = checkpoint;
    this.#confirmedAt = now;
    this.#lagging = undefined;
    this.#withheld = undefined;
    if (
      before === undefined ||
      before.size !== checkpoint.size ||
      this.#state.checkpoint === undefined
    ) {
      this.#state.checkpoint = {
        size: checkpoint.size,
        root: toHex(checkpoint.root),
        note: checkpoint.noteText,
        at: now,
      };
      this.#step({ kind: 'checkpoint', at: now, size: checkpoint.size });
    } else {
      this.#state.checkpoint = { ...this.#state.checkpoint, note: checkpoint.noteText };
    }
    if (cosignatures.length > 0) this.#takeCosigned(checkpoint, cosignatures, now);
  }

  #takeCosigned(checkpoint: Checkpoint, cosignatures: Cosignature[], now: number): void {
    this.#confirmedAt = now;
    if (checkpoint.size < (this.#state.cosignedSize ?? 0)) return;
    this.#cosigned = checkpoint;
    this.#state.cosignatures = cosignatures;
    this.#state.cosignedSize = checkpoint.size;
    this.#step({
      kind: 'cosigned',
      at: now,
      size: checkpoint.size,
      by: cosignatures.map((one) => one.name),
    });
  }

  #rootAt(size: number, newSize: number): { before: Hash; after: Hash } | undefined {
    const frontier = this.#frontier;
    if (
      frontier === undefined ||
      frontier.size !== size ||
      frontier.size + this.#pending.length < newSize
    )
      return undefined;
    const grown = frontier.clone();
    for (const leaf of this.#pending.slice(0, newSize - size)) grown.append(leaf);
    return { before: frontier.root(), after: grown.root() };
  }

  // ---- following -------------------------------------------------------------------------------------------------

  async #follow(signal: AbortSignal): Promise<void> {
    let response: Response;
    try {
      response = await this.#door.stream(
        `logs/${this.log}/live?from=${this.#next}`,
        signal,
        undefined,
      );
    } catch (error) {
      // A server or a proxy without it: ask again and again instead.
      if (
        error instanceof ApiError &&
        (error.status === 404 || error.status === 405) &&
        error.reason === 'ROUTE_NOT_FOUND'
      ) {
        return this.#poll(signal);
      }
      throw error;
    }
    this.#state.transport = 'stream';
    this.#publish();
    for await (const event of readEvents(response.body!)) {
      if (event !== undefined) await this.#heard(event.name, JSON.parse(event.data) as Json);
    }
    if (!signal.aborted) throw new ApiError(0, 'NO_ANSWER', 'the stream ended');
  }

  async #heard(name: string, data: Json): Promise<void> {
    switch (name) {
      case 'rows': {
        const records = (data['records'] as unknown[]).map((one) => bytesOf(one, 'records'));
        await this.#rows(countOf(data['first'], 'first'), records);
        break;
      }
      case 'checkpoint':
        await this.#serially(() => this.#accept(String(data['note']), false));
        await this.#fold();
        this.#judgeAbsence();
        break;
      case 'gap':
        await this.#gap(countOf(data['from'], 'from'), countOf(data['to'], 'to'));
        break;
      case 'stats':
        this.#state.durable = countOf(data['durableSize'] ?? data['durable'], 'durableSize');
        this.#step({
          kind: 'stats',
          at: this.#clock.now(),
          size: countOf(data['size'], 'size'),
          durable: this.#state.durable,
          rate: Number(data['rate'] ?? 0),
        });
        break;
    }
  }

  async #poll(signal: AbortSignal): Promise<void> {
    this.#state.transport = 'polling';
    this.#publish();
    while (!signal.aborted) {
      const page = await getRecords(this.#door, this.log, this.#next, 1000);
      if (page.records.length > 0) await this.#rows(this.#next, page.records);
      if (page.size !== this.#checkpoint?.size) {
        const note = await this.#fetchCheckpoint();
        await this.#serially(() => this.#accept(note, false));
        await this.#fold();
        this.#judgeAbsence();
      }
      if (page.records.length < 1000) await this.#clock.sleep(500, signal);
    }
  }

  async #rows(first: number, records: readonly Uint8Array[]): Promise<void> {
    if (first !== this.#next) {
      if (first < this.#next) return this.#rows(this.#next, records.slice(this.#next - first));
      return this.#gap(this.#next, first);
    }
    if (records.length === 0) return;
    let read: Leaves;
    try {
      read = hashRows(records, first, this.#lastLeaf);
    } catch (error) {
      if (!(error instanceof Contradiction)) throw error;
      const page = await getRecords(this.#door, this.log, first, records.length, true);
      try {
        read = hashRows(page.records, first, this.#lastLeaf);
      } catch (still) {
        // Another history looks like a broken chain at first. What was signed says which it is, and is evidence.
        const note = await this.#fetchCheckpoint();
        await this.#serially(() => this.#accept(note, false));
        throw still;
      }
      this.#flicker(error.message);
    }
    this.#next = first + read.rows.length;
    this.#lastLeaf = read.leaves[read.leaves.length - 1]!;
    this.#pending.push(...read.leaves);
    this.#state.recomputed += read.rows.length;
    this.#recent = [...this.#recent, ...read.rows].slice(-recentMax);
    const now = this.#clock.now();
    if (this.#state.uncovered === 0) this.#uncoveredSince = now;
    this.#tell({
      event: 'rows',
      log: this.log,
      rows: read.rows,
      first,
      next: this.#next,
      reset: false,
      at: now,
    });
    this.#step({ kind: 'batch', at: now, first, count: read.rows.length });
    await this.#fold();
    if (this.#pending.length > pendingMax) {
      // Nobody signs what comes in. Half a million hashes is what a browser should hold; begin again behind them.
      this.#accepted = false;
      throw new ApiError(200, 'NO_CHECKPOINT', 'no checkpoint covers the records that come');
    }
  }

  // More came than was sent here: go on behind the gap, from a tree that is proven anew.
  async #gap(from: number, to: number): Promise<void> {
    this.#step({ kind: 'gap', at: this.#clock.now(), first: from, count: to - from });
    this.#accepted = false;
    throw new ApiError(200, 'GAP', `${thousands(to - from)} records were passed over`);
  }

  // Folds what the newest checkpoint covers into the tree, and compares the root.
  async #fold(): Promise<void> {
    const checkpoint = this.#checkpoint;
    const frontier = this.#frontier;
    if (checkpoint === undefined || frontier === undefined) return;
    const covered = checkpoint.size - frontier.size;
    if (covered > this.#pending.length || covered < 0) {
      this.#uncovered();
      return;
    }
    if (covered > 0) {
      const grown = frontier.clone();
      for (let i = 0; i < covered; i++) grown.append(this.#pending[i]!);
      if (!equal(grown.root(), checkpoint.root)) {
        // One of the rows was not what was signed. Begin again past all caches: what is still wrong then is a finding.
        const first = frontier.size;
        this.#frontier = undefined;
        this.#pending = [];
        await this.#loadOnce(true);
        this.#flicker(
          `The records ${thousands(first)} to ${thousands(checkpoint.size - 1)} did not lead to the signed root at first.`,
        );
        return;
      }
      this.#frontier = grown;
      this.#pending = this.#pending.slice(covered);
    }
    this.#uncovered();
  }

  #uncovered(): void {
    const before = this.#state.uncovered;
    this.#state.uncovered = this.#pending.length;
    if (before > this.#state.uncovered) this.#uncoveredSince = this.#clock.now();
    this.#publish();
  }

  // ---- what is missing -------------------------------------------------------------------------------------------

  // The stream says what is new; that nothing is new has to be asked for.
  async #confirmAgainAndAgain(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#clock.sleep(confirmEveryMs / 2, signal);
      if (signal.aborted) return;
      if (this.#accepted && this.#clock.now() - this.#confirmedAt >= confirmEveryMs) {
        try {
          const note = await this.#fetchCheckpoint();
          await this.#serially(() => this.#accept(note, false));
          await this.#fold();
          this.#unreachable = undefined;
        } catch (error) {
          await this.#failed(error);
        }
      }
      this.#judgeAbsence();
    }
  }

  #judgeAbsence(): void {
    const now = this.#clock.now();
    const found = absenceOf({
      now,
      unreachable: this.#unreachable,
      begun: this.#accepted,
      withheld: this.#withheld,
      changed: this.#changed,
      lagging: this.#lagging,
      confirmedAt: this.#confirmedAt,
      uncovered: this.#state.uncovered,
      uncoveredSince: this.#uncoveredSince,
      witnessKeys: this.#witnesses.length,
      cosignatures: this.#state.cosignatures,
    });
    const before = this.#state.absent;
    if (found === undefined) this.#state.absent = undefined;
    else if (before?.word !== found.word) {
      this.#wordSince = found.since ?? now;
      this.#state.absent = { word: found.word, sentence: found.sentence, since: this.#wordSince };
    } else {
      this.#state.absent = { word: found.word, sentence: found.sentence, since: this.#wordSince };
    }
    if (this.#state.checking !== undefined && this.#unreachable !== undefined)
      this.#state.checking = undefined;
    this.#publish();
  }

  async #record(contradiction: Contradiction): Promise<void> {
    const last = this.#remembered?.last;
    const same = this.#state.broken.find(
      (one) => one.kind === contradiction.finding.kind && one.index === contradiction.finding.index,
    );
    if (same !== undefined) return;
    const now = this.#clock.now();
    const finding: Finding = {
      ...contradiction.finding,
      id: now * 1000 + this.#state.broken.length,
      at: now,
      lastGood: last === undefined ? undefined : { size: last.size, root: last.root, at: last.at },
    };
    this.#state.broken = [...this.#state.broken, finding];
    this.#state.checking = undefined;
    await this.#memory.addFinding(this.#knownAs, finding);
    this.#publish();
  }

  #flicker(sentence: string): void {
    this.#state.flickers = [
      ...this.#state.flickers.slice(-19),
      { at: this.#clock.now(), sentence },
    ];
  }

  #checking(sentence: string, done: number, of: number): void {
    this.#state.checking = { sentence, done, of };
    this.#publish();
  }

  #step(step: Step): void {
    this.#tell({ event: 'step', log: this.log, step });
  }

  // At 20 batches a second the state would cost more than the rows. What turns the seal is told at once.
  #publish(): void {
    const { broken, absent, checking, checkpoint } = this.#state;
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
    this.#tell({ event: 'trust', log: this.log, state: this.#state });
  }

  // ---- on request ------------------------------------------------------------------------------------------------

  /** Fetches a record and its path, and recomputes everything up to the signed root. */
  async prove(index: number): Promise<RecordProof> {
    const first = await this.#proveOnce(index, false);
    if (first.holds) return first;
    const second = await this.#proveOnce(index, true);
    if (second.holds) {
      this.#flicker(`Record ${thousands(index)} did not lead to the signed root at first.`);
      return second;
    }
    const top = second.rungs[second.rungs.length - 1]?.result ?? second.row.hash;
    const checkpoint = parseCheckpoint(second.note) as Checkpoint;
    const shown = {
      index,
      record: second.row.bytes,
      path: second.path.map(hexBytes),
      top: second.rungs.length === 0 && second.size > 1 ? undefined : hexBytes(top),
    };
    await this.#record(notInTree(this.#judge!.bench, checkpoint, shown));
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
    const held = this.#recent.find((row) => row.index === index);
    const frontier = this.#frontier;
    if (
      held !== undefined &&
      frontier !== undefined &&
      index < frontier.size &&
      index >= this.#state.recomputedFrom
    ) {
      return held.hash === hash;
    }
    const checkpoint = await this.#checkpointWith(index);
    for (const fresh of [false, true]) {
      const path = await getInclusion(this.#door, this.log, index, checkpoint.size, fresh);
      const rungs = climb(BigInt(index), BigInt(checkpoint.size), hexBytes(hash), path);
      const top =
        rungs === undefined ? undefined : (rungs[rungs.length - 1]?.result ?? hexBytes(hash));
      if (top !== undefined && equal(top, checkpoint.root)) return true;
    }
    return (await this.prove(index)).row.hash === hash;
  }

  async pin(vkey: string, how: 'link' | 'by hand'): Promise<void> {
    const before = await this.#memory.known(this.#knownAs);
    if (before !== undefined && before.vkey === vkey && before.how !== 'first visit') return;
    await this.#memory.know({
      log: this.#knownAs,
      vkey,
      how,
      at: this.#clock.now(),
      witnesses: before?.witnesses ?? [],
    });
    await this.#restart();
  }

  async policy(vkey: string | undefined, witnesses: readonly string[]): Promise<void> {
    const before = await this.#memory.known(this.#knownAs);
    await this.#memory.know({
      log: this.#knownAs,
      vkey: vkey ?? before?.vkey ?? this.#state.vkey,
      how: vkey === undefined ? (before?.how ?? 'first visit') : 'by hand',
      at: this.#clock.now(),
      witnesses: [...witnesses],
    });
    await this.#restart();
  }

  /** Another log stands under this name, and the reader takes it for what it is. */
  async acceptChange(): Promise<void> {
    const vkey = this.#state.facts?.vkey;
    if (vkey === undefined) return;
    await this.#memory.know({
      log: this.#knownAs,
      vkey,
      how: 'first visit',
      at: this.#clock.now(),
      witnesses: [],
    });
    await this.#restart();
  }

  async forget(): Promise<void> {
    if (this.#judge !== undefined) await this.#memory.forget(this.#knownAs, this.#judge!.memoryKey);
    this.#state.broken = [];
    this.#state.flickers = [];
    await this.#restart();
  }

  /** Ends what runs, waits until it has ended, and begins anew with what is remembered now. */
  async #restart(): Promise<void> {
    this.#end.abort();
    await this.#running;
    this.#end = new AbortController();
    this.#accepted = false;
    this.#checkpoint = this.#cosigned = undefined;
    this.#frontier = undefined;
    this.#pending = [];
    this.#lagging = this.#withheld = this.#changed = this.#unreachable = undefined;
    this.#confirmedAt = 0;
    Object.assign(this.#state, {
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

function hexBytes(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
