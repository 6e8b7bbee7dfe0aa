// The newest tree of a log that its key signed and that was checked here: what the records that come are held against, and
// what every question about a record is answered by. It is raised only by checkpoints that fit what is remembered.

import { ApiError, getRecords, type Door } from '../api/client.ts';
import { toHex } from '../proof/bytes.ts';
import { genesisHash, type Hash } from '../proof/merkle.ts';
import { parseVkey, type Checkpoint, type Cosignature, type Vkey } from '../proof/note.ts';
import type { Chosen } from './acquaintance.ts';
import { readBack, type Ahead, type Beginning } from './beginning.ts';
import type { Bulletin } from './bulletin.ts';
import type { Clock } from './clock.ts';
import { Contradiction, thousands, type Bench } from './contradiction.ts';
import { CheckpointJudge, type Standing } from './judge.ts';
import type { Leaves } from './leaves.ts';
import type { Memory, Remembered } from './memory.ts';
import type { Missing } from './missing.ts';
import { contradictionIn, proveRecord } from './prove.ts';
import type { Finding, TrustState } from './protocol.ts';
import { Trail } from './trail.ts';

interface Parts {
  readonly door: Door;
  readonly memory: Memory;
  readonly clock: Clock;
  readonly log: string;
  readonly bulletin: Bulletin;
  readonly missing: Missing;
}

/** The log's key and those of its witnesses, and who judges by them. */
interface Bar {
  readonly key: Vkey;
  readonly witnesses: readonly Vkey[];
  readonly judge: CheckpointJudge;
}

export class SignedTree {
  /** The records that were hashed here, from some before the checkpoint on. */
  readonly trail = new Trail();
  readonly #parts: Parts;
  readonly #openedAt: number;
  #busy: Promise<unknown> = Promise.resolve();
  #bar: Bar | undefined;
  #remembered: Remembered | undefined;
  #checkpoint: Checkpoint | undefined;
  // The newest with lines of witnesses: they follow, so it is the same tree or a smaller one.
  #cosigned: Checkpoint | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#openedAt = parts.clock.now();
  }

  /** The newest that was checked. */
  get checkpoint(): Checkpoint | undefined {
    return this.#checkpoint;
  }

  get key(): Vkey {
    return this.#bar!.key;
  }

  get witnesses(): readonly Vkey[] {
    return this.#bar!.witnesses;
  }

  get bench(): Bench {
    return this.#bar!.judge.bench;
  }

  /** Where the memory keeps what was seen of it; undefined before the key is known. */
  get memoryKey(): string | undefined {
    return this.#bar?.judge.memoryKey;
  }

  /** The last agreement, for a finding. */
  get lastGood(): Finding['lastGood'] {
    const last = this.#remembered?.last;
    return last && { size: last.size, root: last.root, at: last.at };
  }

  get #state(): TrustState {
    return this.#parts.bulletin.state;
  }

  get #genesis(): Hash {
    return genesisHash(this.key.name);
  }

  /** From now on it is judged by this key. */
  judgeBy({ known, key, changed }: Chosen): void {
    const { door, memory, clock, log, missing } = this.#parts;
    const witnesses = known.witnesses
      .map(parseVkey)
      .filter((one): one is Vkey => typeof one !== 'string');
    const judge = new CheckpointJudge({
      door,
      memory,
      now: () => clock.now(),
      log,
      key,
      witnesses,
      grown: (size, newSize) => this.trail.rootAt(size, newSize),
    });
    this.#bar = { key, witnesses, judge };
    Object.assign(missing, { changed, witnesses, quorum: known.quorum });
    this.#state.origin = key.name;
    this.#state.vkey = key.text;
    this.#state.pin = { how: known.how, at: known.at };
    this.#state.witnessKeys = witnesses.length;
  }

  /** What earlier visits saw. */
  async recall(): Promise<void> {
    const kept = await this.#parts.memory.remembered(this.#bar!.judge.memoryKey);
    this.#remembered = kept;
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

  /** As if nothing had been checked. */
  forget(): void {
    this.#checkpoint = this.#cosigned = undefined;
    this.trail.drop();
  }

  // ---- checkpoints -----------------------------------------------------------------------------------------------

  /** Asks for the newest checkpoint, and takes it. Throws as `take` does. */
  async renew(): Promise<void> {
    await this.take(await this.#fetch());
  }

  /**
   * Judges a checkpoint and, if it is the newest, goes on from it. Throws Contradiction when it does not fit and neither does
   * what a second look past all caches shows; ApiError where something that is needed cannot be had.
   */
  take(noteText: string): Promise<void> {
    // One after the other: two that are judged at once would race for the memory.
    const result = this.#busy.then(() => this.#takeOrLookAgain(noteText));
    this.#busy = result.catch(() => undefined);
    return result;
  }

  #fetch(): Promise<string> {
    return this.#parts.door.getText(`logs/${this.#parts.log}/checkpoint`, true);
  }

  async #takeOrLookAgain(noteText: string): Promise<void> {
    try {
      await this.#judge(noteText);
    } catch (error) {
      if (!(error instanceof Contradiction)) throw error;
      await this.#judge(await this.#fetch());
      this.#parts.bulletin.flicker(error.message);
    }
  }

  async #judge(noteText: string): Promise<void> {
    const verdict = await this.#bar!.judge.judge(noteText);
    const { missing } = this.#parts;
    switch (verdict.kind) {
      case 'older':
        missing.lagging = verdict.sentence;
        return;
      case 'cosigned':
        missing.lagging = undefined;
        return this.#takeCosigned(verdict.checkpoint, verdict.cosignatures);
      case 'newest':
        this.#remembered = verdict.remembered;
        this.#state.seen = verdict.remembered.seen;
        this.#state.consistentSince = Math.min(
          verdict.remembered.first.size,
          this.#state.consistentSince ?? Infinity,
        );
        this.#takeNewest(verdict.checkpoint, verdict.cosignatures);
    }
  }

  #takeNewest(checkpoint: Checkpoint, cosignatures: Cosignature[]): void {
    const { missing, clock, bulletin } = this.#parts;
    const at = clock.now();
    const before = this.#checkpoint;
    const shown = this.#state.checkpoint;
    this.#checkpoint = checkpoint;
    missing.confirmedAt = at;
    missing.lagging = missing.withheld = undefined;
    const { size, noteText: note } = checkpoint;
    if (before?.size !== size || shown === undefined) {
      this.#state.checkpoint = { size, root: toHex(checkpoint.root), note, at };
      bulletin.step({ kind: 'checkpoint', at, size });
    } else {
      this.#state.checkpoint = { ...shown, note };
    }
    if (cosignatures.length > 0) this.#takeCosigned(checkpoint, cosignatures);
  }

  #takeCosigned(checkpoint: Checkpoint, cosignatures: Cosignature[]): void {
    const { missing, clock, bulletin } = this.#parts;
    const at = clock.now();
    missing.confirmedAt = at;
    const { size } = checkpoint;
    if (size < (this.#state.cosignedSize ?? 0)) return;
    this.#cosigned = checkpoint;
    this.#state.cosignatures = cosignatures;
    this.#state.cosignedSize = size;
    bulletin.step({ kind: 'cosigned', at, size, by: cosignatures.map((one) => one.name) });
  }

  // ---- records ---------------------------------------------------------------------------------------------------

  /** The last records before the checkpoint, folded into a tree whose root must be the signed one. Throws as `take` does. */
  async load(ahead?: Ahead): Promise<void> {
    try {
      this.#begin(await this.#readBack(false, ahead));
    } catch (error) {
      if (!(error instanceof Contradiction)) throw error;
      this.#begin(await this.#readAgain());
      this.#parts.bulletin.flicker(error.message);
    }
  }

  /** Past all caches: what is wrong now is a finding. */
  #readAgain(): Promise<Beginning> {
    return this.#readBack(true).catch(async (error: unknown) => {
      throw await this.#proven(error);
    });
  }

  // A link that is broken cannot be put into a file of evidence; the record that is not in the signed tree can.
  async #proven(error: unknown): Promise<unknown> {
    if (!(error instanceof Contradiction)) return error;
    const { evidence, index } = error.finding;
    if (evidence !== undefined || index === undefined) return error;
    const { door, log } = this.#parts;
    const parts = { door, log, key: this.key, witnesses: this.witnesses };
    for (const one of [index, index - 1]) {
      const checkpoint = one < 0 ? undefined : this.covering(one);
      if (checkpoint === undefined) continue;
      try {
        const proof = await proveRecord(parts, checkpoint, one, true);
        if (!proof.holds) return contradictionIn(proof, one, this.bench);
      } catch (failed) {
        // Not to be had: it stays what it is.
        if (!(failed instanceof ApiError)) throw failed;
      }
    }
    return error;
  }

  #readBack(fresh: boolean, ahead?: Ahead): Promise<Beginning> {
    const { door, log, bulletin } = this.#parts;
    const parts = {
      door,
      log,
      genesis: this.#genesis,
      bench: this.bench,
      progress: (sentence: string, done: number, of: number) =>
        bulletin.checking(sentence, done, of),
    };
    return readBack(parts, this.#checkpoint!, fresh, ahead);
  }

  #begin(beginning: Beginning): void {
    this.trail.begin(beginning, this.#genesis);
    this.#state.recomputedFrom = beginning.first;
    this.#state.recomputed += beginning.rows.length;
    this.#parts.bulletin.rows(beginning.rows, beginning.first, this.trail.next, true);
  }

  /** Records that come next, hashed and linked to those before. Throws as `take` does. */
  async read(first: number, records: readonly Uint8Array[]): Promise<Leaves> {
    try {
      return this.trail.read(records, first);
    } catch (error) {
      if (!(error instanceof Contradiction)) throw error;
      const { door, log, bulletin } = this.#parts;
      const page = await getRecords(door, log, first, records.length, true);
      try {
        const read = this.trail.read(page.records, first);
        bulletin.flicker(error.message);
        return read;
      } catch (still) {
        // Another history looks like a broken chain at first. What was signed says which it is, and is evidence.
        await this.renew();
        throw await this.#proven(still);
      }
    }
  }

  /** Puts what the newest checkpoint covers into the tree, and compares the root. Throws as `take` does. */
  async fold(): Promise<void> {
    const checkpoint = this.#checkpoint;
    const first = this.trail.size;
    if (checkpoint === undefined || first === undefined) return;
    const { bulletin, missing, clock } = this.#parts;
    if (!this.trail.fold(checkpoint)) {
      // One of the rows was not what was signed. Begin again past all caches: what is still wrong then is a finding.
      this.trail.drop();
      this.#begin(await this.#readAgain());
      bulletin.flicker(
        `The records ${thousands(first)} to ${thousands(checkpoint.size - 1)} did not lead to the signed root at first.`,
      );
      return;
    }
    const before = this.#state.uncovered;
    this.#state.uncovered = this.trail.pending;
    if (before > this.#state.uncovered) missing.uncoveredBegins(clock.now());
    bulletin.publish();
  }

  // ---- what it says of others ------------------------------------------------------------------------------------

  /** A checkpoint that covers the record; one that witnesses signed, where there is one, for it says more. */
  covering(index: number): Checkpoint | undefined {
    return [this.#cosigned, this.#checkpoint].find((one) => one !== undefined && index < one.size);
  }

  /** The hash of a record that was folded into it here; undefined for all others. */
  heldHash(index: number): string | undefined {
    const folded = this.trail.size;
    if (folded === undefined || index >= folded || index < this.#state.recomputedFrom)
      return undefined;
    return this.trail.recent.find((row) => row.index === index)?.hash;
  }

  /** How a tree that came by another way stands to it; undefined when none was checked yet. Throws Contradiction, ApiError. */
  async compare(checkpoint: Checkpoint): Promise<Standing | undefined> {
    if (this.#checkpoint === undefined) return undefined;
    return this.#bar?.judge.compare(checkpoint, this.#checkpoint);
  }
}
