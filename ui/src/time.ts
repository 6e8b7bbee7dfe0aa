// Times as they are shown, in the zone that the reader chose: the browser's own, UTC, or any other by its name.

const two = (value: number): string => String(value).padStart(2, '0');

/** Of settings: '' is the browser's own. */
export type Zone = string;
export const utc: Zone = 'UTC';

interface Offsets {
  readonly format: Intl.DateTimeFormat;
  /** Of quarters of an hour: no zone changes within one. */
  readonly known: Map<number, number>;
}

const quarterMs = 900_000;
const offsetsOf = new Map<Zone, Offsets>();

/** Whether this browser knows a zone of this name. */
export function isZone(zone: Zone): boolean {
  if (zone === '' || zone === utc) return true;
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/** What its clocks are ahead of UTC at a time, in milliseconds. */
export function offsetMs(ms: number, zone: Zone): number {
  if (zone === utc || Number.isNaN(ms)) return 0;
  if (zone === '') return -new Date(ms).getTimezoneOffset() * 60_000;
  let own = offsetsOf.get(zone);
  if (own === undefined) {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    offsetsOf.set(zone, (own = { format, known: new Map() }));
  }
  const quarter = Math.floor(ms / quarterMs);
  let offset = own.known.get(quarter);
  if (offset === undefined) {
    const at = quarter * quarterMs;
    const part = Object.fromEntries(
      own.format.formatToParts(at).map((one) => [one.type, Number(one.value)]),
    );
    offset =
      Date.UTC(
        part['year']!,
        part['month']! - 1,
        part['day'],
        part['hour'],
        part['minute'],
        part['second'],
      ) - at;
    if (own.known.size > 20_000) own.known.clear();
    own.known.set(quarter, offset);
  }
  return offset;
}

/** A date whose UTC fields are what the clocks of the zone show. */
const shifted = (ms: number, zone: Zone): Date => new Date(ms + offsetMs(ms, zone));

/** 2026-03-05 10:00:00.000 */
export const dayTimeIn = (ms: number, zone: Zone): string =>
  Number.isNaN(ms) ? '' : shifted(ms, zone).toISOString().slice(0, 23).replace('T', ' ');

export const clockTimeIn = (ms: number, zone: Zone): string => dayTimeIn(ms, zone).slice(11);

/** "UTC", or "+02:00" and the name of the zone that is not the browser's own. */
export function zoneWords(ms: number, zone: Zone): string {
  if (zone === utc) return 'UTC';
  const minutes = Math.round(offsetMs(ms, zone) / 60_000);
  const far = Math.abs(minutes);
  const offset = `${minutes < 0 ? '-' : '+'}${two(Math.floor(far / 60))}:${two(far % 60)}`;
  return zone === '' ? offset : `${offset} ${zone}`;
}

/** The time at which clocks of the zone show `text` ("2026-03-05T10:00"); of two such times the first. */
export function timeIn(text: string, zone: Zone): number {
  const shown = Date.parse(`${text}Z`);
  const first = shown - offsetMs(shown - offsetMs(shown, zone), zone);
  // An hour that a zone leaves out is no time there; the one that stands for it is as good.
  const earlier = shown - offsetMs(first - 3_600_000, zone);
  return earlier < first && dayTimeIn(earlier, zone) === dayTimeIn(first, zone) ? earlier : first;
}

const dayMs = 86_400_000;

/** Where days of the zone begin, within [from, to]. */
export function daysBetween(from: number, to: number, zone: Zone): number[] {
  const days: number[] = [];
  for (let day = Math.floor((from + offsetMs(from, zone)) / dayMs); ; day++) {
    const begin = timeIn(new Date(day * dayMs).toISOString().slice(0, 19), zone);
    if (begin > to) return days;
    if (begin >= from) days.push(begin);
  }
}

/** Of a tick: 03-05 where days are that far apart or one begins, else 14:03 or 14:03:20. */
export function tickText(ms: number, apartSeconds: number, zone: Zone): string {
  const text = dayTimeIn(ms, zone);
  if (apartSeconds >= 86_400) return text.slice(5, 10);
  if (apartSeconds >= 60)
    return text.slice(11, 19) === '00:00:00' ? text.slice(5, 10) : text.slice(11, 16);
  return apartSeconds >= 1 ? text.slice(11, 19) : text.slice(14, 21);
}
