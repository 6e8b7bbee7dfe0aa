// A log read here: from the last record of the tree that was checked back. Each page links to the one after it, and the
// last record is looked up in the signed tree: so what was read is the whole log, and nothing was left out of it.

import { ApiError, getRecords, type HttpDoor } from './api/client.ts';
import type { Linked } from './engine/protocol.ts';
import type { Link } from './link.ts';
import { thousands } from './numbers.ts';
import type { Row } from './record/row.ts';

const readRecords = 1000;

export interface Read {
  readonly rows: readonly Row[];
  /** The index of the first of them: what lies below has not been read yet. */
  readonly first: number;
}

export class Reading {
  readonly #link: Link;
  readonly #door: HttpDoor;
  readonly #log: string;
  readonly #size: number;

  /** Of the first `size` records of the log. */
  constructor(link: Link, door: HttpDoor, log: string, size: number) {
    this.#link = link;
    this.#door = door;
    this.#log = log;
    this.#size = size;
  }

  /** Stretch by stretch, the newest first; the rows of one in their order. */
  async *back(signal: AbortSignal): AsyncGenerator<Read> {
    let next: string | undefined;
    for (let end = this.#size; end > 0 && !signal.aborted;) {
      const first = Math.max(0, end - readRecords);
      const { rows, link } = await this.#linked(first, end, next);
      next = link;
      end = first;
      yield { rows, first };
    }
  }

  // What does not fit is read once more, past all caches, before it counts.
  async #linked(first: number, end: number, next: string | undefined): Promise<Linked> {
    const read = async (again: boolean): Promise<Linked> => {
      const records = await this.#read(first, end, again);
      return this.#link.ask<Linked>({ call: 'chain', log: this.#log, first, records, next, again });
    };
    try {
      return await read(false);
    } catch (error) {
      if (!(error instanceof ApiError) || error.reason !== 'MISFIT') throw error;
      return read(true);
    }
  }

  async #read(first: number, end: number, fresh: boolean): Promise<Uint8Array[]> {
    const records: Uint8Array[] = [];
    while (first + records.length < end) {
      const at = first + records.length;
      const page = await getRecords(this.#door, this.#log, at, end - at, fresh);
      if (page.records.length === 0)
        throw new ApiError(
          200,
          'WITHHELD',
          `the server does not show record ${thousands(at)}, and the tree that was checked here has ${thousands(this.#size)}`,
        );
      records.push(...page.records.slice(0, end - at));
    }
    return records;
  }
}
