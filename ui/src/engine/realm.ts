// The logs that are followed with one token, and the tabs that look at them. What came by a token is told only to tabs that
// gave the same one: each has a realm of its own. The browser's one stream is one for all of them.

import { HttpDoor } from '../api/client.ts';
import { realClock } from './clock.ts';
import { markOf } from './findings.ts';
import { openMemory, type Memory } from './memory.ts';
import type { Told } from './protocol.ts';
import { Seat, type Turn } from './seat.ts';
import { getTerms, ViewMemory, type Terms } from './view.ts';
import { askFirst, LogWatch } from './watch.ts';

export interface Tab {
  postMessage(message: Told): void;
}

interface Watched {
  readonly watch: LogWatch;
  readonly tabs: Set<Tab>;
  /** Ends when nobody has looked at it or asked about it for a while. */
  idle: ReturnType<typeof setTimeout> | undefined;
}

interface Ground {
  readonly memory: Memory;
  readonly terms: Terms | undefined;
}

// A log nobody looks at is left after a while: going from page to page must not end its stream.
export const idleMs = 30_000;

const seat = new Seat();

interface Heard {
  readonly log: string;
  readonly what: 'found' | 'forgotten';
}

export class Realm {
  readonly door: HttpDoor;
  readonly inView: boolean;
  readonly #watched = new Map<string, Watched>();
  readonly #opening = new Map<string, Promise<Watched>>();
  // What each tab looks at, also before it is opened.
  readonly #wanted = new Map<Tab, Set<string>>();
  // To other realms, and to the workers of other tabs where each has its own.
  readonly #findings: BroadcastChannel;
  readonly #mark: string;
  #ended = false;
  #ground: Promise<Ground> | undefined;

  constructor(base: string, token: string | undefined, inView: boolean) {
    this.door = new HttpDoor(base, () => token);
    this.inView = inView;
    this.#mark = markOf(token ?? '');
    this.#findings = new BroadcastChannel(`graven-findings ${base}`);
    this.#findings.onmessage = ({ data }: MessageEvent<Heard>) => {
      void this.followed(data.log)?.heard(data.what);
    };
  }

  /** No tab has its token any more. What is followed still ends when it is idle. */
  end(): void {
    this.#ended = true;
    this.#findings.close();
  }

  /** That of a log that is followed already; nothing is begun. */
  followed(log: string): LogWatch | undefined {
    return this.#watched.get(log)?.watch;
  }

  async watchOf(log: string): Promise<LogWatch> {
    const entry = await this.#opened(log);
    this.#rest(log, entry);
    return entry.watch;
  }

  async watch(tab: Tab, log: string): Promise<void> {
    const wanted = this.#wanted.get(tab) ?? new Set();
    this.#wanted.set(tab, wanted.add(log));
    const { watch, tabs } = await this.#opened(log);
    // Gone while it was opened: then it is left when it is idle.
    if (this.#wanted.get(tab)?.has(log) !== true) return;
    tabs.add(tab);
    seat.take(watch);
    tab.postMessage({ event: 'trust', log, state: watch.state });
    const rows = [...watch.recent];
    if (rows.length === 0) return;
    const first = rows[0]!.index;
    const at = Date.now();
    tab.postMessage({ event: 'rows', log, rows, first, next: watch.next, reset: true, at });
  }

  /** The tab is the one in front now. */
  look(log: string): void {
    const watch = this.followed(log);
    if (watch !== undefined) seat.take(watch);
  }

  unwatch(tab: Tab, log: string): void {
    this.#wanted.get(tab)?.delete(log);
    const entry = this.#watched.get(log);
    if (entry === undefined || !entry.tabs.delete(tab)) return;
    if (entry.tabs.size === 0) seat.yield(entry.watch);
    this.#rest(log, entry);
  }

  /** The tab is another realm's from now on, or is closed. */
  leave(tab: Tab): void {
    for (const log of this.#wanted.get(tab) ?? []) this.unwatch(tab, log);
    this.#wanted.delete(tab);
  }

  // From now on it is left after a while, unless a tab looks at it then.
  #rest(log: string, entry: Watched): void {
    clearTimeout(entry.idle);
    entry.idle = setTimeout(() => {
      if (entry.tabs.size > 0 || this.#watched.get(log) !== entry) return;
      this.#watched.delete(log);
      seat.leave(entry.watch);
      entry.watch.stop();
    }, idleMs);
  }

  /** Which of these logs did not fit, as far as this browser knows: for a page that shows them all. */
  async brokenOf(logs: readonly { log: string; vkey: string }[]): Promise<string[]> {
    const { memory } = await this.#standing();
    const found: string[] = [];
    for (const { log, vkey } of logs) {
      if ((await memory.findings(`${this.door.base}\n${log}`, vkey)).length > 0) found.push(log);
    }
    return found;
  }

  #opened(log: string): Promise<Watched> {
    const before = this.#watched.get(log);
    if (before !== undefined) return Promise.resolve(before);
    let made = this.#opening.get(log);
    if (made === undefined) {
      made = this.#open(log).finally(() => this.#opening.delete(log));
      this.#opening.set(log, made);
    }
    return made;
  }

  async #open(log: string): Promise<Watched> {
    const { door } = this;
    const first = askFirst(door, log);
    const { memory, terms } = await this.#standing();
    const tabs = new Set<Tab>();
    const tell = (told: Told): void => tabs.forEach((tab) => tab.postMessage(told));
    const circle = {
      by: this.#mark,
      told: (log: string, what: Heard['what']): void => {
        if (!this.#ended) this.#findings.postMessage({ log, what });
      },
    };
    const turn = (): Turn => seat.turnOf(watch);
    const watch: LogWatch = new LogWatch(
      door,
      memory,
      realClock,
      door.base,
      log,
      tell,
      terms,
      circle,
      turn,
    );
    const entry: Watched = { watch, tabs, idle: undefined };
    this.#watched.set(log, entry);
    this.#rest(log, entry);
    // What is asked about a log that no tab shows follows it too, behind those that are looked at.
    seat.append(watch);
    watch.start(first);
    return entry;
  }

  /** What is remembered, and where. A view that does not answer is asked again and again. */
  #standing(): Promise<Ground> {
    this.#ground ??= this.#standOn().catch(async () => {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      this.#ground = undefined;
      return this.#standing();
    });
    return this.#ground;
  }

  async #standOn(): Promise<Ground> {
    if (!this.inView) return { memory: await openMemory(), terms: undefined };
    const terms = await getTerms(this.door);
    return { memory: new ViewMemory(this.door, terms.policy), terms };
  }
}
