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

// Beyond this a Date is no date.
const msMax = 8.64e15;
const farMs = msMax - 172_800_000;

/** What its clocks are ahead of UTC at a time, in milliseconds. */
export function offsetMs(ms: number, zone: Zone): number {
  if (zone === utc || !(Math.abs(ms) <= msMax)) return 0;
  if (zone === '') return -new Date(ms).getTimezoneOffset() * 60_000;
  let own = offsetsOf.get(zone);
  if (own === undefined) {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      era: 'short',
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
    // What clocks show at the very ends is no date any more; two days before it is as good.
    const at = Math.max(-farMs, Math.min(farMs, quarter * quarterMs));
    const part = Object.fromEntries(
      own.format.formatToParts(at).map((one) => [one.type, one.value]),
    );
    const of = (name: string): number => Number(part[name]);
    // Date.UTC takes the year 50 for 1950; and before the year 1 stands the year 1 BC.
    const year = part['era']!.startsWith('B') ? 1 - of('year') : of('year');
    const shown = new Date(0);
    shown.setUTCFullYear(year, of('month') - 1, of('day'));
    shown.setUTCHours(of('hour'), of('minute'), of('second'));
    offset = shown.getTime() - at;
    if (own.known.size > 20_000) own.known.clear();
    own.known.set(quarter, offset);
  }
  return offset;
}

/** Day and clock of the zone; both empty of what is no time. A year beyond 9999 has a sign and six digits. */
function shownIn(ms: number, zone: Zone): [string, string] {
  const shown = new Date(ms + offsetMs(ms, zone));
  if (Number.isNaN(shown.getTime())) return ['', ''];
  const [day, clock] = shown.toISOString().split('T');
  return [day!, clock!.slice(0, -1)];
}

/** 2026-03-05 10:00:00.000 */
export const dayTimeIn = (ms: number, zone: Zone): string => shownIn(ms, zone).join(' ').trim();

export const clockTimeIn = (ms: number, zone: Zone): string => shownIn(ms, zone)[1];

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
    const at = new Date(day * dayMs);
    if (Number.isNaN(at.getTime())) return days;
    const begin = timeIn(at.toISOString().slice(0, -1), zone);
    // Also where it is no time any more.
    if (!(begin <= to)) return days;
    if (begin >= from) days.push(begin);
  }
}

/** Of a tick: 03-05 where days are that far apart or one begins, else 14:03 or 14:03:20. */
export function tickText(ms: number, apartSeconds: number, zone: Zone): string {
  const [day, clock] = shownIn(ms, zone);
  if (apartSeconds >= 86_400) return day.slice(-5);
  if (apartSeconds >= 60) return clock.startsWith('00:00:00') ? day.slice(-5) : clock.slice(0, 5);
  return apartSeconds >= 1 ? clock.slice(0, 8) : clock.slice(3, 10);
}

/** "120 ms", "3.0 s", "2 d": short, for columns. */
export function lengthText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.floor(ms / 3_600_000)} h`;
  return `${Math.floor(ms / 86_400_000)} d`;
}

/** How long after it happened it came. Clocks differ: a negative time is shown as what it is. */
export function delayText(occurredMs: number | undefined, receivedMs: number): string {
  if (occurredMs === undefined) return '';
  const delay = receivedMs - occurredMs;
  return delay <= -1 ? `−${lengthText(-delay)}` : lengthText(Math.max(0, delay));
}
