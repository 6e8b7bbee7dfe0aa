// What the server counts of a search: its word, which nothing here can recompute without reading the whole log.

import { ApiError, countOf, type HttpDoor, type Json } from './api/client.ts';
import type { Range } from './range.ts';
import { outcomes } from './record/schema.ts';
import type { SearchState } from './search.ts';
import { bucketCount, facetFields, facetTop, noRows, withinTop, type Facet } from './tally.ts';
import { daysBetween, type Zone } from './time.ts';

// Of these many days each gets a bar. More would not go into the line of a request.
const dayMs = 86_400_000;
const daysMin = 14;
const daysMax = 100;

export class ServerSums {
  readonly #door: HttpDoor;
  readonly #log: string;
  readonly #query: string;
  readonly #range: Range | undefined;
  readonly #zone: Zone;

  constructor(door: HttpDoor, log: string, query: string, range: Range | undefined, zone: Zone) {
    this.#door = door;
    this.#log = log;
    this.#query = query;
    this.#range = range;
    this.#zone = zone;
  }

  #address(parameters: Record<string, string>): string {
    return new URLSearchParams({ q: this.#query, ...parameters }).toString();
  }

  /** How many matches in each stretch of time. Never fails: rows without a histogram are still rows. */
  async histogram(
    size: string,
  ): Promise<Pick<SearchState, 'buckets' | 'bucketMs' | 'bucketsLack'>> {
    try {
      const ask = (range: { from: number; to: number } | undefined): Promise<Json> => {
        const times: Record<string, string> =
          range === undefined
            ? {}
            : { from: new Date(range.from).toISOString(), to: new Date(range.to).toISOString() };
        return this.#door.getJson(
          `logs/${this.#log}/histogram?${this.#address({ ...times, buckets: String(bucketCount), by: 'outcome', size })}`,
          true,
        );
      };
      let answer = await ask(this.#range);
      if (this.#range === undefined && Number(answer['bucketNs']) < 1e9) {
        // All within a minute, or even a millisecond: then the minute around it, second by second.
        const from =
          Math.floor((timeOfAnswer(answer['from']) + timeOfAnswer(answer['to'])) / 2000) * 1000 -
          30_000;
        if (!Number.isNaN(from)) answer = await ask({ from, to: from + 60_000 });
      }
      answer = (await this.#byDays(answer, size)) ?? answer;
      const list = answer['buckets'];
      if (!Array.isArray(list)) throw new ApiError(200, 'BAD_ANSWER', 'the answer has no buckets');
      const buckets = (list as Json[]).map((one) => {
        const counts = noRows();
        for (const [name, value] of Object.entries((one['counts'] ?? {}) as Json)) {
          const outcome =
            outcomes.find((known) => known === name.toLowerCase().replace(/^outcome_/, '')) ??
            'unknown';
          counts[outcome] += Number(value);
        }
        return { start: timeOfAnswer(one['start']), counts };
      });
      const bucketsLack =
        answer['exact'] === true ? undefined : 'partial: the server did not count all of it';
      const bucketMs = Number(answer['bucketNs'] ?? 0) / 1e6;
      return { buckets, bucketMs, bucketsLack };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return { buckets: [], bucketMs: 0, bucketsLack: `no histogram: ${why}` };
    }
  }

  // Weeks are seen day by day, as days are where the reader is, and not in stretches that cut through them.
  async #byDays(answer: Json, size: string): Promise<Json | undefined> {
    const [from, to] = [timeOfAnswer(answer['from']), timeOfAnswer(answer['to'])];
    const days = (to - from) / dayMs;
    if (Number.isNaN(days) || days < daysMin || days > daysMax) return undefined;
    const at = daysBetween(from - dayMs, to + dayMs, this.#zone)
      .map((day) => `${new Date(day).toISOString().slice(0, 16)}Z`)
      .join();
    return this.#door
      .getJson(`logs/${this.#log}/histogram?${this.#address({ at, by: 'outcome', size })}`, true)
      .catch(() => undefined);
  }

  /** Of all values of a field, those that contain `text`, whatever the case of its ASCII letters. */
  async within(field: string, text: string, size: string): Promise<Facet> {
    const query = this.#address({
      top: String(withinTop),
      size,
      field,
      contains: text,
    });
    const answer = await this.#door.getJson(`logs/${this.#log}/facets?${query}`, true);
    const list = answer['facets'];
    if (!Array.isArray(list) || list.length !== 1)
      throw new ApiError(200, 'BAD_ANSWER', 'the answer has no values of the field');
    return facetOfAnswer(list[0] as Json);
  }

  /** The most frequent values of the fields; undefined: the server did not say. */
  async facets(
    size: string,
  ): Promise<{ facets: Facet[]; exact: boolean; matches: number } | undefined> {
    try {
      const query = this.#address({ top: String(facetTop), size, field: facetFields.join() });
      const answer = await this.#door.getJson(`logs/${this.#log}/facets?${query}`, true);
      const list = answer['facets'];
      if (!Array.isArray(list)) return undefined;
      return {
        facets: (list as Json[]).map(facetOfAnswer),
        exact: answer['exact'] === true,
        matches: countOf(answer['matches'], 'matches'),
      };
    } catch {
      return undefined;
    }
  }
}

// RFC 3339, or nanoseconds since 1970.
function timeOfAnswer(value: unknown): number {
  const text = String(value);
  return /^\d+$/.test(text) ? Number(BigInt(text) / 1_000_000n) : Date.parse(text);
}

const facetOfAnswer = (one: Json): Facet => ({
  field: String(one['field']),
  values: ((one['values'] ?? []) as Json[]).map((pair) => ({
    value: String(pair['value']),
    count: Number(pair['count']),
  })),
  others: Number(one['others'] ?? 0),
});
