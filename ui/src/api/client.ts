// The server's HTTP door as the page uses it: one request, its JSON, and what went wrong in one kind of error.

import { fromBase64, parseCount } from '../proof/bytes.ts';
import { logName } from '../route.ts';

/** What the server answered instead, or that it did not answer (status 0). */
export class ApiError extends Error {
  readonly status: number;
  readonly reason: string;
  readonly field: string;
  readonly column: number | undefined;

  constructor(status: number, reason: string, message: string, field = '', column?: number) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.field = field;
    this.column = column;
  }
}

export interface LogFacts {
  name: string;
  origin: string;
  vkey: string;
  publishedSize: number;
  durableSize: number;
  cosignedSize: number | undefined;
  createdAt: string;
  duplicateWindow: string;
  genesisHash: string;
  state: string;
  stateReason: string;
  lastReceivedAt: string | undefined;
}

export type Json = Record<string, unknown>;

export interface Door {
  getText(path: string, fresh?: boolean): Promise<string>;
  getJson(path: string, fresh?: boolean): Promise<Json>;
  /** Server-sent events until the signal aborts or the stream ends. */
  stream(path: string, signal: AbortSignal, lastId: string | undefined): Promise<Response>;
}

export class HttpDoor implements Door {
  readonly base: string;
  readonly #token: () => string | undefined;
  /** By how much the server's clock is ahead of this one, in milliseconds, give or take a second; unknown at first. */
  clockAheadMs: number | undefined;

  /** `base` is where the page lies, with its last slash: a path prefix in front of it is kept. */
  constructor(base: string, token: () => string | undefined) {
    this.base = base;
    this.#token = token;
  }

  #headers(more: Record<string, string> = {}): Record<string, string> {
    const token = this.#token();
    return token === undefined || token === ''
      ? more
      : { ...more, authorization: `Bearer ${token}` };
  }

  async #get(path: string, fresh: boolean, timeoutMs = 20_000): Promise<Response> {
    const ended = new AbortController();
    const timer = setTimeout(() => ended.abort(), timeoutMs);
    const sent = Date.now();
    try {
      const response = await fetch(this.base + path, {
        headers: this.#headers(),
        cache: fresh ? 'no-store' : 'default',
        signal: ended.signal,
        redirect: 'error',
      });
      // Whole seconds, so the middle of one. What a cache kept says nothing of now.
      const there = Date.parse(response.headers.get('date') ?? '') + 500;
      if (fresh && !Number.isNaN(there)) this.clockAheadMs = there - (sent + Date.now()) / 2;
      if (!response.ok) throw await errorOf(response);
      return response;
    } catch (error) {
      if (error instanceof ApiError) throw error;
      throw new ApiError(0, 'NO_ANSWER', 'the server does not answer');
    } finally {
      clearTimeout(timer);
    }
  }

  /** Only `graven view` takes any: the page never writes to a log. */
  async post(path: string, body: unknown): Promise<Json> {
    const ended = new AbortController();
    const timer = setTimeout(() => ended.abort(), 20_000);
    let response: Response;
    try {
      response = await fetch(this.base + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        cache: 'no-store',
        signal: ended.signal,
        redirect: 'error',
      });
    } catch {
      throw new ApiError(0, 'NO_ANSWER', 'graven view does not answer');
    } finally {
      clearTimeout(timer);
    }
    if (!response.ok) throw await errorOf(response);
    return (await response.json()) as Json;
  }

  async getText(path: string, fresh = false): Promise<string> {
    return this.#text(await this.#get(path, fresh));
  }

  /** A signed statement, and the key that the server says it signs them with; empty when it says none. */
  async getStatement(path: string): Promise<{ text: string; key: string }> {
    const response = await this.#get(path, true, 65_000);
    return {
      text: await this.#text(response),
      key: response.headers.get('graven-answer-key') ?? '',
    };
  }

  async #text(response: Response): Promise<string> {
    try {
      // Not response.text(): it would turn bytes that are no UTF-8 into others in silence.
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
        await response.arrayBuffer(),
      );
    } catch {
      throw new ApiError(response.status, 'NOT_TEXT', 'the answer is not text, or was cut off');
    }
  }

  async getJson(path: string, fresh = false): Promise<Json> {
    const text = await this.getText(path, fresh);
    try {
      const value: unknown = JSON.parse(text);
      if (typeof value === 'object' && value !== null && !Array.isArray(value))
        return value as Json;
    } catch {
      // Said below.
    }
    throw new ApiError(200, 'NOT_JSON', 'the answer is not a JSON object');
  }

  async stream(path: string, signal: AbortSignal, lastId: string | undefined): Promise<Response> {
    const headers = this.#headers({
      accept: 'text/event-stream',
      ...(lastId === undefined ? {} : { 'last-event-id': lastId }),
    });
    let response: Response;
    try {
      response = await fetch(this.base + path, {
        headers,
        cache: 'no-store',
        signal,
        redirect: 'error',
      });
    } catch {
      throw new ApiError(0, 'NO_ANSWER', 'the server does not answer');
    }
    if (!response.ok) throw await errorOf(response);
    return response;
  }
}

async function errorOf(response: Response): Promise<ApiError> {
  try {
    const body = (await response.json()) as Json;
    // Of `graven view`: the server behind it does not answer, which is no answer of the server.
    if (body['reason'] === 'SERVER_UNREACHABLE')
      return new ApiError(0, 'SERVER_UNREACHABLE', String(body['message']));
    // Errors of a query say it in their text.
    const column = /\bcolumn (\d+): /.exec(String(body['message'] ?? ''))?.[1];
    return new ApiError(
      response.status,
      String(body['reason'] ?? body['code'] ?? ''),
      String(body['message'] ?? response.statusText).replace(/^query: column \d+: /, ''),
      String(body['field'] ?? ''),
      column === undefined ? undefined : Number(column),
    );
  } catch {
    return new ApiError(response.status, '', `the server answered ${response.status}`);
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

export function countOf(value: unknown, name: string): number {
  const count = parseCount(value);
  if (count === undefined)
    throw new ApiError(200, 'BAD_ANSWER', `the answer's ${name} is not a number`);
  return count;
}

export function bytesOf(value: unknown, name: string): Uint8Array<ArrayBuffer> {
  const bytes = typeof value === 'string' ? fromBase64(value) : undefined;
  if (bytes === undefined)
    throw new ApiError(200, 'BAD_ANSWER', `the answer's ${name} is not base64`);
  return bytes;
}

export function hashesOf(value: unknown): Uint8Array[] {
  if (!Array.isArray(value) || value.length > 130)
    throw new ApiError(200, 'BAD_ANSWER', "the answer's hashes are no list");
  return value.map((one) => bytesOf(one, 'hashes'));
}

export function logFacts(json: Json): LogFacts {
  const name = textOf(json['name']);
  // It goes into addresses and commands.
  if (!logName.test(name))
    throw new ApiError(200, 'BAD_ANSWER', 'the answer names a log by a name that no log can have');
  return {
    name,
    origin: textOf(json['origin']),
    vkey: textOf(json['vkey']),
    publishedSize: countOf(json['publishedSize'], 'publishedSize'),
    durableSize: countOf(json['durableSize'], 'durableSize'),
    cosignedSize:
      json['cosignedSize'] === undefined
        ? undefined
        : countOf(json['cosignedSize'], 'cosignedSize'),
    createdAt: textOf(json['createdAt']),
    duplicateWindow: textOf(json['duplicateWindow']),
    genesisHash: textOf(json['genesisHash']),
    state: textOf(json['state']),
    stateReason: textOf(json['stateReason']),
    lastReceivedAt: typeof json['lastReceivedAt'] === 'string' ? json['lastReceivedAt'] : undefined,
  };
}

export async function listLogs(door: Door): Promise<LogFacts[]> {
  const logs: LogFacts[] = [];
  let token = '';
  do {
    const page = await door.getJson(
      token === '' ? 'logs' : `logs?page_token=${encodeURIComponent(token)}`,
      true,
    );
    const list = page['logs'];
    if (Array.isArray(list)) logs.push(...list.map((one) => logFacts(one as Json)));
    token = textOf(page['nextPageToken']);
  } while (token !== '' && logs.length < 10_000);
  return logs;
}

export async function getLog(door: Door, log: string): Promise<LogFacts> {
  return logFacts(await door.getJson(`logs/${log}`, true));
}

/** The exact bytes of records at consecutive indexes, as many as the server puts on one page. */
export async function getRecords(
  door: Door,
  log: string,
  first: number,
  count: number,
  fresh = false,
): Promise<{ records: Uint8Array<ArrayBuffer>[]; next: number; size: number }> {
  const page = await door.getJson(
    `logs/${log}/records?first=${first}&count=${count}&parsed=false`,
    fresh,
  );
  const list = page['records'];
  if (!Array.isArray(list))
    throw new ApiError(200, 'BAD_ANSWER', "the answer's records are no list");
  return {
    records: list.map((one) => bytesOf((one as Json)['record'], 'record')),
    next: countOf(page['nextIndex'], 'nextIndex'),
    size: countOf(page['publishedSize'], 'publishedSize'),
  };
}

export async function getRecord(
  door: Door,
  log: string,
  index: number,
  fresh = false,
): Promise<Uint8Array<ArrayBuffer>> {
  return bytesOf((await door.getJson(`logs/${log}/records/${index}`, fresh))['record'], 'record');
}

export async function getInclusion(
  door: Door,
  log: string,
  index: number,
  size: number,
  fresh = false,
): Promise<Uint8Array[]> {
  return hashesOf(
    (await door.getJson(`logs/${log}/proofs/inclusion?index=${index}&tree_size=${size}`, fresh))[
      'hashes'
    ],
  );
}

export async function getConsistency(
  door: Door,
  log: string,
  old: number,
  size: number,
  fresh = false,
): Promise<Uint8Array[]> {
  return hashesOf(
    (await door.getJson(`logs/${log}/proofs/consistency?old_size=${old}&new_size=${size}`, fresh))[
      'hashes'
    ],
  );
}
