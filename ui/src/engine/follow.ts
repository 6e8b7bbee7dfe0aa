// Follows a log: by the browser's one stream while that is this log's, and by asking every second while another log has it;
// twice a second where a server has no stream.

import { ApiError, bytesOf, countOf, getRecords, type Door, type Json } from '../api/client.ts';
import { readEvents } from '../api/events.ts';
import type { Clock } from './clock.ts';
import type { TrustState } from './protocol.ts';
import { either, type Turn } from './seat.ts';

const askEveryMs = 500;
const askAsideEveryMs = 1000;
const askedAtOnce = 1000;

export interface Followed {
  /** Index of the record that is to come next. */
  readonly next: number;
  /** Size of the newest checkpoint. */
  readonly size: number | undefined;
  transport(kind: TrustState['transport']): void;
  rows(first: number, records: readonly Uint8Array[]): Promise<void>;
  /** A checkpoint, or undefined: there is a newer one to ask for. */
  checkpoint(note: string | undefined): Promise<void>;
  gap(from: number, to: number): Promise<void>;
  stats(size: number, durable: number, rate: number): void;
}

interface Following {
  readonly door: Door;
  readonly log: string;
  readonly clock: Clock;
  readonly followed: Followed;
}

const isEndOfRequest = (error: unknown): boolean =>
  error instanceof ApiError
    ? error.reason === 'NO_ANSWER'
    : error instanceof Error && error.name === 'AbortError';

/** Until the signal says so, or an error. `turn` says whose the stream is now. */
export async function follow(
  following: Following,
  turn: () => Turn,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const { mine, ends } = turn();
    const ended = either(signal, ends);
    try {
      if (!mine) await ask(following, 'aside', ended.signal);
      else if (!(await listen(following, ended.signal)))
        await ask(following, 'polling', ended.signal);
    } catch (error) {
      // Only the request ended, because the stream is another's now; what had come of it was taken.
      if (signal.aborted || !ends.aborted || !isEndOfRequest(error)) throw error;
    } finally {
      ended.abort();
    }
  }
}

/** False: this server, or a proxy, has no stream. */
async function listen({ door, log, followed }: Following, signal: AbortSignal): Promise<boolean> {
  let response: Response;
  try {
    response = await door.stream(`logs/${log}/live?from=${followed.next}`, signal, undefined);
  } catch (error) {
    if (
      error instanceof ApiError &&
      (error.status === 404 || error.status === 405) &&
      error.reason === 'ROUTE_NOT_FOUND'
    )
      return false;
    throw error;
  }
  followed.transport('stream');
  for await (const event of readEvents(response.body!)) {
    if (event !== undefined) await heard(event.name, JSON.parse(event.data) as Json, followed);
    if (signal.aborted) return true;
  }
  if (!signal.aborted) throw new ApiError(0, 'NO_ANSWER', 'the stream ended');
  return true;
}

async function heard(name: string, data: Json, followed: Followed): Promise<void> {
  switch (name) {
    case 'rows': {
      const records = (data['records'] as unknown[]).map((one) => bytesOf(one, 'records'));
      return followed.rows(countOf(data['first'], 'first'), records);
    }
    case 'checkpoint':
      return followed.checkpoint(String(data['note']));
    case 'gap':
      return followed.gap(countOf(data['from'], 'from'), countOf(data['to'], 'to'));
    case 'stats':
      return followed.stats(
        countOf(data['size'], 'size'),
        countOf(data['durableSize'] ?? data['durable'], 'durableSize'),
        Number(data['rate'] ?? 0),
      );
  }
}

async function ask(
  { door, log, clock, followed }: Following,
  why: 'aside' | 'polling',
  signal: AbortSignal,
): Promise<void> {
  followed.transport(why);
  const everyMs = why === 'aside' ? askAsideEveryMs : askEveryMs;
  while (!signal.aborted) {
    const page = await getRecords(door, log, followed.next, askedAtOnce);
    if (page.records.length > 0) await followed.rows(followed.next, page.records);
    if (page.size !== followed.size) await followed.checkpoint(undefined);
    if (page.records.length < askedAtOnce) await clock.sleep(everyMs, signal);
  }
}
