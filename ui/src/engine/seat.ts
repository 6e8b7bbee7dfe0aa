// The one stream that a browser holds, whatever logs its tabs show: over HTTP/1.1 it has six connections for a server, and
// one stream for each log would keep the seventh tab from loading. The log that was looked at last has it; the others ask.

/** A stretch of time in which the stream is somebody's, or is not. */
export interface Turn {
  readonly mine: boolean;
  /** Aborts when the stream goes to another. */
  readonly ends: AbortSignal;
}

export class Seat {
  // By when each was looked at, the latest last.
  #order: object[] = [];
  #turn = new AbortController();

  turnOf(who: object): Turn {
    return { mine: this.#order[this.#order.length - 1] === who, ends: this.#turn.signal };
  }

  take(who: object): void {
    this.#change([...this.#order.filter((one) => one !== who), who]);
  }

  /** Of one that nobody looks at yet: it has the stream only where no other has. */
  append(who: object): void {
    this.#change([who, ...this.#order]);
  }

  /** Nobody looks at it any more: another one has the stream, if there is one. */
  yield(who: object): void {
    if (this.#order.length > 1) this.leave(who);
  }

  leave(who: object): void {
    this.#change(this.#order.filter((one) => one !== who));
  }

  #change(order: object[]): void {
    const before = this.#order[this.#order.length - 1];
    this.#order = order;
    if (before === order[order.length - 1]) return;
    this.#turn.abort();
    this.#turn = new AbortController();
  }
}

/** Aborts with either of the two. To be aborted when it is not needed any more: then it listens to neither. */
export function either(one: AbortSignal, other: AbortSignal): AbortController {
  const both = new AbortController();
  for (const signal of [one, other]) {
    if (signal.aborted) both.abort();
    else signal.addEventListener('abort', () => both.abort(), { signal: both.signal });
  }
  return both;
}
