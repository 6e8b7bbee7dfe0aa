// Follows a log: by its stream, or by asking twice a second where there is none.

import { ApiError, bytesOf, countOf, getRecords, type Door, type Json } from '../api/client.ts';
import { readEvents } from '../api/events.ts';
import type { Clock } from './clock.ts';
import type { TrustState } from './protocol.ts';

const askEveryMs = 500;
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

/** Until the signal says so, or an error. */
export async function follow(
  door: Door,
  log: string,
  clock: Clock,
  signal: AbortSignal,
  followed: Followed,
): Promise<void> {
  let response: Response;
  try {
    response = await door.stream(`logs/${log}/live?from=${followed.next}`, signal, undefined);
  } catch (error) {
    // A server or a proxy without it.
    if (
      error instanceof ApiError &&
      (error.status === 404 || error.status === 405) &&
      error.reason === 'ROUTE_NOT_FOUND'
    ) {
      return poll(door, log, clock, signal, followed);
    }
    throw error;
  }
  followed.transport('stream');
  for await (const event of readEvents(response.body!)) {
    if (event !== undefined) await heard(event.name, JSON.parse(event.data) as Json, followed);
  }
  if (!signal.aborted) throw new ApiError(0, 'NO_ANSWER', 'the stream ended');
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

async function poll(
  door: Door,
  log: string,
  clock: Clock,
  signal: AbortSignal,
  followed: Followed,
): Promise<void> {
  followed.transport('polling');
  while (!signal.aborted) {
    const page = await getRecords(door, log, followed.next, askedAtOnce);
    if (page.records.length > 0) await followed.rows(followed.next, page.records);
    if (page.size !== followed.size) await followed.checkpoint(undefined);
    if (page.records.length < askedAtOnce) await clock.sleep(askEveryMs, signal);
  }
}
