// What a tab holds of the log that it shows: the newest rows, how fast they come, the state of trust. Views are told at most
// once a frame, however much arrives.

import type { Step, TrustState } from './engine/protocol.ts';
import type { Link } from './link.ts';
import { addLink, keepLinks, listenLinks, otherLinks, type OtherLink } from './links.ts';
import { outcomes, type Outcome } from './record/schema.ts';
import { bytesOf, newestRows, type Row } from './record/row.ts';

export const rowsMax = 50_000;
// Records may have 65,000 bytes each: fifty thousand of those would be all of a browser's memory.
const rowBytesMax = 48 << 20;
export const rateSeconds = 300;
const stepsMax = 240;
const drawEveryMs = 140;

export interface RateSecond {
  second: number;
  counts: Record<Outcome, number>;
}

export class Feed {
  readonly log: string;
  rows: Row[] = [];
  next = 0;
  trust: TrustState | undefined;
  /** Links that named another record than the one that is in the signed tree. */
  links: OtherLink[];
  steps: Step[] = [];
  rates: RateSecond[] = [];
  /** Records seen since this tab opened the log. */
  counted = 0;
  /** How often the rows were exchanged for others. */
  resets = 0;
  /** Rows of the largest batch within the last seconds: what one frame would have to draw. */
  burst = 0;
  version = 0;
  readonly #link: Link;
  #bytes = 0;
  readonly #views = new Set<() => void>();
  readonly #unlisten: () => void;
  #scheduled = false;
  #burstAt = 0;

  constructor(link: Link, log: string) {
    this.#link = link;
    this.log = log;
    this.links = otherLinks(log);
    const unlistenLinks = listenLinks(log, () => this.#setLinks(otherLinks(log)));
    const unlisten = link.listen((event) => {
      if (event.log !== log) return;
      if (event.event === 'rows') this.#take(event.rows, event.next, event.reset, event.at);
      else if (event.event === 'trust') this.trust = { ...event.state, links: this.links };
      else this.#step(event.step);
      this.#changed();
    });
    this.#unlisten = () => {
      unlistenLinks();
      unlisten();
    };
    void link.ask({ call: 'watch', log });
  }

  /** The browser's one stream is for the log that is looked at. */
  looked(): void {
    void this.#link.ask({ call: 'look', log: this.log });
  }

  close(): void {
    this.#unlisten();
    this.#views.clear();
    void this.#link.ask({ call: 'unwatch', log: this.log });
  }

  /** A link named another record; the one that is shown is included. */
  keepLink(link: OtherLink): void {
    this.#setLinks(addLink(this.log, this.links, link));
  }

  forgetLinks(): void {
    keepLinks(this.log, []);
    this.#setLinks([]);
  }

  #setLinks(links: OtherLink[]): void {
    this.links = links;
    if (this.trust !== undefined) this.trust = { ...this.trust, links };
    this.#changed();
  }

  view(changed: () => void): () => void {
    this.#views.add(changed);
    return () => this.#views.delete(changed);
  }

  #step(step: Step): void {
    this.steps.push(step);
    if (this.steps.length > stepsMax) this.steps = this.steps.slice(-stepsMax / 2);
  }

  #take(rows: readonly Row[], next: number, reset: boolean, at: number): void {
    for (const row of rows) this.#bytes += row.bytes.length;
    if (reset) {
      this.resets++;
      this.rows = [...rows];
      this.#bytes = bytesOf(rows);
    } else {
      for (const row of rows) this.rows.push(row);
      // Cut seldom: each cut copies what stays.
      if (this.rows.length > rowsMax * 1.1 || this.#bytes > rowBytesMax * 1.1) {
        this.rows = newestRows(this.rows, rowsMax, rowBytesMax);
        this.#bytes = bytesOf(this.rows);
      }
      this.counted += rows.length;
      this.#rate(rows, at);
    }
    this.next = next;
  }

  #rate(rows: readonly Row[], at: number): void {
    const second = Math.floor(at / 1000);
    let last = this.rates[this.rates.length - 1];
    if (last === undefined || last.second !== second) {
      last = { second, counts: { unknown: 0, success: 0, failure: 0, denied: 0 } };
      this.rates.push(last);
      while (this.rates.length > 0 && this.rates[0]!.second <= second - rateSeconds)
        this.rates.shift();
    }
    for (const row of rows) last.counts[row.outcome]++;
    if (rows.length >= this.burst || at - this.#burstAt > 2000) {
      this.burst = rows.length;
      this.#burstAt = at;
    }
  }

  /** Records a second over the last seconds. */
  rate(now: number): number {
    const from = Math.floor(now / 1000) - 5;
    let sum = 0;
    for (const one of this.rates) {
      if (one.second >= from && one.second < from + 5)
        for (const outcome of outcomes) sum += one.counts[outcome];
    }
    return sum / 5;
  }

  #changed(): void {
    this.version++;
    if (this.#scheduled) return;
    this.#scheduled = true;
    const tell = (): void => {
      this.#scheduled = false;
      for (const view of this.#views) view();
    };
    // A hidden tab draws nothing; its frames do not come.
    if (document.hidden) setTimeout(tell, 1000);
    // More than an eye can follow: seven pictures a second are as good as sixty.
    else if (this.burst > 60) setTimeout(() => requestAnimationFrame(tell), drawEveryMs);
    else requestAnimationFrame(tell);
  }
}
