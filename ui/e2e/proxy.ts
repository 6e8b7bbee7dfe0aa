// What stands between browser and server in the tests: it hands out the built page, passes everything else on, and lies where
// it is told to. The lies are those of a server that was taken over.

import {
  createServer,
  request,
  type IncomingMessage,
  type ServerResponse,
  type Server as HttpServer,
} from 'node:http';
import { existsSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { dist } from './serving.ts';

const types: Record<string, string> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript',
  css: 'text/css',
};

export interface Lies {
  /** Changes an answer of JSON or text; undefined leaves it. `fresh`: asked for past all caches. */
  answer?: (path: string, body: string, fresh: boolean) => string | undefined;
  /** Changes the data of an event of the stream, or all of it; null drops it. */
  event?: (
    name: string,
    data: string,
  ) => string | { name: string; data: string } | null | undefined;
  /** Holds an answer back until this is done. */
  late?: (path: string) => Promise<unknown> | undefined;
  /** Answers with this status instead. */
  refuse?: (path: string) => number | undefined;
  /** And says this of it. */
  refusal?: string;
}

/** What a cache on the way would pass on and not answer by itself. */
const isFresh = (incoming: IncomingMessage): boolean =>
  /no-cache|no-store/.test(incoming.headers['cache-control'] ?? '');

export class Proxy {
  upstream: URL;
  lies: Lies = {};
  /** How often a lie was told: a test of a lie that was not told shows nothing. */
  told = 0;
  readonly requests: string[] = [];
  readonly #server: HttpServer;
  readonly #prefix: string;
  #open = new Set<IncomingMessage>();
  /** The most streams that were open at once. */
  streamsMost = 0;

  private constructor(upstream: URL, prefix: string) {
    this.upstream = upstream;
    this.#prefix = prefix;
    this.#server = createServer((incoming, outgoing) => this.#serve(incoming, outgoing));
  }

  static async start(upstream: URL, prefix = ''): Promise<Proxy> {
    const proxy = new Proxy(upstream, prefix);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${this.#prefix}/`;
  }

  get streams(): number {
    return this.#open.size;
  }

  /** Ends the streams that are open, as a restart would. */
  cut(): void {
    for (const one of this.#open) one.destroy();
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const whole = incoming.url ?? '/';
    if (!whole.startsWith(this.#prefix + '/')) {
      outgoing.writeHead(404).end();
      return;
    }
    const path = whole.slice(this.#prefix.length);
    this.requests.push(path);
    if (path === '/' || path.startsWith('/assets/')) return this.#file(path, outgoing);
    const late = this.lies.late?.(path);
    if (late === undefined) return this.#pass(path, incoming, outgoing);
    void late.then(() => this.#pass(path, incoming, outgoing));
  }

  #pass(path: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
    const status = this.lies.refuse?.(path);
    if (status !== undefined) {
      this.told++;
      outgoing
        .writeHead(status, { 'content-type': 'application/json' })
        .end(
          '{"code":"UNAVAILABLE","reason":"' +
            (status === 404 ? 'ROUTE_NOT_FOUND' : 'REFUSED') +
            `","message":${JSON.stringify(this.lies.refusal ?? 'not now')}}`,
        );
      return;
    }
    const headers = { ...incoming.headers, host: this.upstream.host };
    delete headers.origin;
    delete headers['accept-encoding'];
    const passed = request(
      new URL(path, this.upstream),
      { method: incoming.method ?? 'GET', headers },
      (answer) => this.#answer(path, isFresh(incoming), answer, outgoing),
    );
    passed.on('error', () => outgoing.destroy());
    outgoing.on('close', () => passed.destroy());
    incoming.pipe(passed);
  }

  #file(path: string, outgoing: ServerResponse): void {
    const file = dist + (path === '/' ? 'index.html' : path.slice(1).replaceAll('..', ''));
    if (!existsSync(file)) {
      outgoing.writeHead(404).end();
      return;
    }
    outgoing
      .writeHead(200, {
        'content-type': types[file.split('.').pop()!] ?? 'application/octet-stream',
      })
      .end(readFileSync(file));
  }

  #answer(path: string, fresh: boolean, answer: IncomingMessage, outgoing: ServerResponse): void {
    const headers = { ...answer.headers };
    delete headers['content-length'];
    delete headers['transfer-encoding'];
    if (headers['content-type']?.startsWith('text/event-stream')) {
      outgoing.writeHead(answer.statusCode ?? 502, headers);
      outgoing.flushHeaders();
      return this.#stream(answer, outgoing);
    }
    const parts: Buffer[] = [];
    answer.on('data', (part: Buffer) => parts.push(part));
    answer.on('end', () => {
      const body = Buffer.concat(parts);
      const changed = this.lies.answer?.(path, body.toString('utf8'), fresh);
      if (changed !== undefined) this.told++;
      if (!outgoing.headersSent)
        outgoing
          .writeHead(changed === undefined ? (answer.statusCode ?? 502) : 200, headers)
          .end(changed ?? body);
    });
  }

  #stream(answer: IncomingMessage, outgoing: ServerResponse): void {
    this.#open.add(answer);
    this.streamsMost = Math.max(this.streamsMost, this.#open.size);
    let rest = '';
    answer.on('data', (part: Buffer) => {
      rest += part.toString('utf8');
      const events = rest.split('\n\n');
      rest = events.pop()!;
      for (const event of events) {
        const name = /^event: ?(.*)$/m.exec(event)?.[1] ?? '';
        const data = /^data: ?(.*)$/m.exec(event)?.[1] ?? '';
        const changed = name === '' ? undefined : this.lies.event?.(name, data);
        if (changed !== undefined) this.told++;
        if (changed === null) continue;
        const told = typeof changed === 'string' ? { name, data: changed } : changed;
        outgoing.write(
          (told === undefined ? event : `event: ${told.name}\ndata: ${told.data}`) + '\n\n',
        );
      }
    });
    answer.on('close', () => {
      this.#open.delete(answer);
      outgoing.end();
    });
  }
}

/** Flips one bit in the middle of the text values of a record in base64: still a record, and another one. */
export function flipRecord(base64: string): string {
  const bytes = Buffer.from(base64, 'base64');
  // The last letter of the action or of whatever stands near the end; letters stay letters.
  for (let at = bytes.length - 12; at > 40; at--) {
    const byte = bytes[at]!;
    if (byte >= 0x62 && byte <= 0x78) {
      bytes[at] = byte ^ 1;
      return bytes.toString('base64');
    }
  }
  throw new Error('nothing to flip');
}

/** The lie that a record has other bytes, however it is asked for. */
export const changeRecord =
  (index: number) =>
  (path: string, body: string): string | undefined => {
    if (!new RegExp(`^/logs/default/records(/${index}$|\\?)`).test(path)) return undefined;
    const answer = JSON.parse(body) as { record?: string; records?: { record: string }[] };
    if (answer.record !== undefined) answer.record = flipRecord(answer.record);
    else {
      const first = Number(/first=(\d+)/.exec(path)![1]);
      const one = answer.records?.[index - first];
      if (one === undefined) return undefined;
      one.record = flipRecord(one.record);
    }
    return JSON.stringify(answer);
  };
