// The page's side of the worker: calls with answers, and what it tells unasked.

import { ApiError } from './api/client.ts';
import type { Call, Told } from './engine/protocol.ts';
import { scriptUrl } from './trusted.ts';
import workerUrl from './engine/worker.ts?worker&url';

type Event = Extract<Told, { event: string }>;
type Answer = Extract<Told, { answer: number }>;

interface Waiting {
  call: Call;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

const tokenKey = 'graven-token';

export class Link {
  readonly base = new URL('.', document.baseURI).href;
  /** Served by `graven view`, which puts its mark where a server's page says "server". */
  readonly view =
    document.querySelector<HTMLMetaElement>('meta[name=graven-host]')?.content === 'view';
  /** False: each tab has a stream of its own, because this browser has no shared workers. */
  shared: boolean;
  #port: { postMessage(message: unknown): void };
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Set<(event: Event) => void>();
  #last = 0;

  constructor() {
    this.shared = typeof SharedWorker !== 'undefined';
    this.#port = this.shared ? this.#openShared() : this.#openOwn();
    this.hello();
    // A page out of the browser's cache has no stream any more.
    addEventListener('pageshow', (event) => event.persisted && location.reload());
    addEventListener('pagehide', () => void this.ask({ call: 'bye' }));
    this.#live();
  }

  // A tab that is ended at once says nothing; but its locks are free then. Without TLS there are none.
  #live(): void {
    const lock = `graven-tab ${Math.random()}`;
    void navigator.locks?.request(lock, () => {
      void this.ask({ call: 'lives', lock });
      return new Promise(() => undefined);
    });
  }

  #openShared(): MessagePort {
    const worker = new SharedWorker(scriptUrl(workerUrl), { type: 'module', name: 'graven' });
    worker.port.onmessage = (event: MessageEvent<Told>) => this.#receive(event.data);
    // A browser that has them and does not start one: this tab checks for itself then.
    worker.onerror = () => {
      if (!this.shared) return;
      this.shared = false;
      this.#port = this.#openOwn();
      for (const [id, { call }] of this.#waiting) this.#port.postMessage({ ...call, id });
    };
    worker.port.start();
    return worker.port;
  }

  #openOwn(): Worker {
    const worker = new Worker(scriptUrl(workerUrl), { type: 'module', name: 'graven' });
    worker.onmessage = (event: MessageEvent<Told>) => this.#receive(event.data);
    return worker;
  }

  get token(): string {
    try {
      return sessionStorage.getItem(tokenKey) ?? '';
    } catch {
      return '';
    }
  }

  /** Kept for this tab only, and given to the worker. */
  set token(token: string) {
    try {
      sessionStorage.setItem(tokenKey, token);
    } catch {
      // Then it holds until the page is left.
    }
    this.hello();
  }

  hello(): void {
    void this.ask({
      call: 'hello',
      base: this.base,
      view: this.view,
      token: this.token === '' ? undefined : this.token,
    });
  }

  ask<T>(call: Call): Promise<T> {
    const id = ++this.#last;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { call, resolve: resolve as (value: unknown) => void, reject });
      this.#port.postMessage({ ...call, id });
    });
  }

  listen(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #receive(told: Told): void {
    if ('event' in told) {
      for (const listener of this.#listeners) listener(told);
      return;
    }
    this.#answer(told);
  }

  #answer({ answer, value, error }: Answer): void {
    const waiting = this.#waiting.get(answer);
    this.#waiting.delete(answer);
    if (error === undefined) waiting?.resolve(value);
    else
      waiting?.reject(
        new ApiError(error.status, error.reason, error.message, error.field, error.column),
      );
  }
}
