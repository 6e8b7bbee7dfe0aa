// What this browser remembers of a log: the largest tree it saw, by origin and key; which key belongs to a log; what did
// not fit. Raised in one transaction, so that two tabs cannot lower it, and an older answer is no rollback.

import type { Quorum } from './policy.ts';
import type { Finding, SeenCheckpoint } from './protocol.ts';

export interface Remembered {
  /** origin, line feed, vkey. */
  key: string;
  first: { size: number; root: string; at: number };
  last: { size: number; root: string; at: number; note: string };
  seen: SeenCheckpoint[];
}

export interface KnownLog {
  /** Address of the page, line feed, name of the log. */
  log: string;
  vkey: string;
  how: 'link' | 'by hand' | 'first visit' | 'policy';
  at: number;
  /** Keys of witnesses from a policy. */
  witnesses: string[];
  /** Which of them have to have signed; none is asked for without it. */
  quorum?: Quorum | undefined;
}

export interface Memory {
  /** False where the browser keeps nothing: then every visit is the first. */
  readonly kept: boolean;
  remembered(key: string): Promise<Remembered | undefined>;
  /** Puts `next` in place of what is there, if that is still `expected` (by size and root). */
  raise(key: string, expected: Remembered | undefined, next: Remembered): Promise<boolean>;
  known(log: string): Promise<KnownLog | undefined>;
  know(log: KnownLog): Promise<void>;
  /** Of that name here; a view also knows those of the key at other addresses. */
  findings(log: string, vkey: string): Promise<Finding[]>;
  addFinding(log: string, vkey: string, finding: Finding): Promise<void>;
  forget(log: string, key: string): Promise<void>;
}

const seenMax = 400;

/** The time line, thinned from the old end: every second of the older half goes when there are too many. */
export function withSeen(seen: readonly SeenCheckpoint[], one: SeenCheckpoint): SeenCheckpoint[] {
  const last = seen[seen.length - 1];
  if (last !== undefined && last.size === one.size && last.root === one.root) {
    return [
      ...seen.slice(0, -1),
      { ...one, witnesses: Math.max(last.witnesses, one.witnesses), at: last.at },
    ];
  }
  const all = [...seen, one];
  if (all.length <= seenMax) return all;
  return all.filter((_, i) => i === 0 || i >= seenMax / 2 || i % 2 === 0);
}

export const sameTree = (a: Remembered | undefined, b: Remembered | undefined): boolean =>
  a === b ||
  (a !== undefined &&
    b !== undefined &&
    a.last.size === b.last.size &&
    a.last.root === b.last.root);

/** For tests, and for browsers that keep nothing. */
export class ShortMemory implements Memory {
  readonly kept: boolean = false;
  readonly #remembered = new Map<string, Remembered>();
  readonly #known = new Map<string, KnownLog>();
  readonly #findings = new Map<string, Finding[]>();

  remembered(key: string): Promise<Remembered | undefined> {
    return Promise.resolve(this.#remembered.get(key));
  }

  raise(key: string, expected: Remembered | undefined, next: Remembered): Promise<boolean> {
    if (!sameTree(this.#remembered.get(key), expected)) return Promise.resolve(false);
    this.#remembered.set(key, next);
    return Promise.resolve(true);
  }

  known(log: string): Promise<KnownLog | undefined> {
    return Promise.resolve(this.#known.get(log));
  }

  know(log: KnownLog): Promise<void> {
    this.#known.set(log.log, log);
    return Promise.resolve();
  }

  findings(log: string): Promise<Finding[]> {
    return Promise.resolve(this.#findings.get(log) ?? []);
  }

  addFinding(log: string, _vkey: string, finding: Finding): Promise<void> {
    this.#findings.set(log, [...(this.#findings.get(log) ?? []), finding]);
    return Promise.resolve();
  }

  forget(log: string, key: string): Promise<void> {
    this.#remembered.delete(key);
    this.#known.delete(log);
    this.#findings.delete(log);
    return Promise.resolve();
  }
}

interface KeptFinding extends Finding {
  log: string;
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () =>
      reject(request.error ?? new Error('the browser could not read its memory'));
  });
}

function finished(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () =>
      reject(transaction.error ?? new Error('not kept'));
  });
}

class KeptMemory implements Memory {
  readonly kept = true;
  readonly #base: IDBDatabase;

  constructor(base: IDBDatabase) {
    this.#base = base;
  }

  #write(stores: string[]): IDBTransaction {
    return this.#base.transaction(stores, 'readwrite', { durability: 'strict' });
  }

  remembered(key: string): Promise<Remembered | undefined> {
    return done(
      this.#base.transaction('memory').objectStore('memory').get(key) as IDBRequest<
        Remembered | undefined
      >,
    );
  }

  async raise(key: string, expected: Remembered | undefined, next: Remembered): Promise<boolean> {
    const transaction = this.#write(['memory']);
    const end = finished(transaction);
    const store = transaction.objectStore('memory');
    const now = await done(store.get(key) as IDBRequest<Remembered | undefined>);
    const fits = sameTree(now, expected);
    if (fits) store.put(next);
    await end;
    return fits;
  }

  known(log: string): Promise<KnownLog | undefined> {
    return done(
      this.#base.transaction('known').objectStore('known').get(log) as IDBRequest<
        KnownLog | undefined
      >,
    );
  }

  async know(log: KnownLog): Promise<void> {
    const transaction = this.#write(['known']);
    transaction.objectStore('known').put(log);
    await finished(transaction);
  }

  async findings(log: string): Promise<Finding[]> {
    const all = await done(
      this.#base.transaction('findings').objectStore('findings').getAll() as IDBRequest<
        KeptFinding[]
      >,
    );
    return all.filter((one) => one.log === log);
  }

  async addFinding(log: string, _vkey: string, finding: Finding): Promise<void> {
    const transaction = this.#write(['findings']);
    transaction.objectStore('findings').put({ ...finding, log });
    await finished(transaction);
  }

  async forget(log: string, key: string): Promise<void> {
    const transaction = this.#write(['memory', 'known', 'findings']);
    const end = finished(transaction);
    transaction.objectStore('memory').delete(key);
    transaction.objectStore('known').delete(log);
    const findings = transaction.objectStore('findings');
    for (const one of await done(findings.getAll() as IDBRequest<KeptFinding[]>)) {
      if (one.log === log) findings.delete(one.id);
    }
    await end;
  }
}

export async function openMemory(): Promise<Memory> {
  try {
    const request = indexedDB.open('graven', 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('memory', { keyPath: 'key' });
      request.result.createObjectStore('known', { keyPath: 'log' });
      request.result.createObjectStore('findings', { keyPath: 'id' });
    };
    return new KeptMemory(await done(request));
  } catch {
    return new ShortMemory();
  }
}
