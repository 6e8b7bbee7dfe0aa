// Times and addresses as a query has them. What is none is undefined.

/** Nanoseconds since 1970, low <= x < high. */
export interface Stretch {
  low: bigint;
  high: bigint;
}

const second = 1_000_000_000n;
const timeMin = -62_135_596_800n * second;
const timeMax = 253_402_300_799n * second;

function daysOf(year: number, month: number, day: number): number | undefined {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const fits =
    date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return fits ? date.getTime() / 86_400_000 : undefined;
}

/** RFC 3339, to the nanosecond. */
export function instantOf(text: string): bigint | undefined {
  const parts =
    /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/.exec(
      text,
    );
  if (parts === null) return undefined;
  const number = (at: number): number => Number(parts[at] ?? '0');
  const days = daysOf(number(1), number(2), number(3));
  const [hour, minute, seconds] = [number(4), number(5), number(6)];
  if (days === undefined || hour > 23 || minute > 59 || seconds > 60) return undefined;
  if (number(9) > 23 || number(10) > 59) return undefined;
  const zone = (number(9) * 3600 + number(10) * 60) * (parts[8] === '-' ? -1 : 1);
  const whole = days * 86_400 + hour * 3600 + minute * 60 + seconds - zone;
  // A leap second follows the last second of a month.
  if (seconds === 60 && (whole % 86_400 !== 0 || new Date(whole * 1000).getUTCDate() !== 1))
    return undefined;
  const instant = BigInt(whole) * second;
  if (instant < timeMin || instant > timeMax) return undefined;
  return instant + BigInt((parts[7] ?? '').padEnd(9, '0'));
}

/** A year, a month, a day, a minute, a second or a part of one; with an offset, or UTC. */
export function stretchOf(text: string): Stretch | undefined {
  const zone = /(?:[Zz]|[+-]..:..)$/.exec(text)?.[0] ?? '';
  const time = text.slice(0, text.length - zone.length);
  const offset = zone === '' ? 'Z' : zone;
  const calendar = /^(\d{4})(?:-(\d{2}))?$/.exec(time);
  if (calendar !== null) {
    const year = Number(calendar[1]);
    const month = Number(calendar[2] ?? '1');
    const start = (y: number, m: number): bigint | undefined =>
      instantOf(`${String(y).padStart(4, '0')}-${String(m).padStart(2, '0')}-01T00:00:00${offset}`);
    const low = start(year, month);
    const high =
      calendar[2] === undefined || month === 12 ? start(year + 1, 1) : start(year, month + 1);
    return low === undefined || high === undefined ? undefined : { low, high };
  }
  let whole = time;
  let step = second;
  if (time.length === 10) {
    whole += 'T00:00:00';
    step *= 86_400n;
  } else if (time.length === 16) {
    whole += ':00';
    step *= 60n;
  } else if (time.includes('.')) {
    step /= 10n ** BigInt(time.length - time.indexOf('.') - 1);
  }
  const low = instantOf(whole + offset);
  // Its end must be sayable too.
  if (low === undefined || low + step >= timeMax + second) return undefined;
  return { low, high: low + step };
}

/** 128 bits; IPv4 is ::ffff:a.b.c.d. */
export interface Network {
  address: bigint;
  bits: number;
}

const mapped = 0xffffn << 32n;
const isByte = (text: string): boolean => /^(0|[1-9]\d{0,2})$/.test(text) && Number(text) <= 255;

function fourOf(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every(isByte)) return undefined;
  return parts.reduce((all, part) => (all << 8n) | BigInt(part), 0n);
}

/** In any spelling. */
export function addressOf(text: string): bigint | undefined {
  const four = fourOf(text);
  if (four !== undefined) return mapped | four;
  if (text.length > 45 || !text.includes(':')) return undefined;
  let groups = text;
  const tail = /^(.*:)([^:]*\.[^:]*)$/.exec(text);
  if (tail !== null) {
    const last = fourOf(tail[2]!);
    if (last === undefined) return undefined;
    groups = `${tail[1]!}${(last >> 16n).toString(16)}:${(last & 0xffffn).toString(16)}`;
  }
  const halves = groups.split('::');
  if (halves.length > 2) return undefined;
  const lists = halves.map((half) => (half === '' ? [] : half.split(':')));
  const count = lists.reduce((sum, list) => sum + list.length, 0);
  if (halves.length === 2 ? count > 7 : count !== 8) return undefined;
  const all = [...lists[0]!, ...new Array<string>(8 - count).fill('0'), ...(lists[1] ?? [])];
  if (!all.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return all.reduce((sum, group) => (sum << 16n) | BigInt(parseInt(group, 16)), 0n);
}

/** An address, or one with "/" and the bits that count. */
export function networkOf(text: string): Network | undefined {
  const slash = text.indexOf('/');
  const head = slash < 0 ? text : text.slice(0, slash);
  const address = addressOf(head);
  if (address === undefined) return undefined;
  if (slash < 0) return { address, bits: 128 };
  const isFour = !head.includes(':');
  const bits = decimalOf(text.slice(slash + 1));
  if (bits === undefined || bits > (isFour ? 32n : 128n)) return undefined;
  const counted = Number(bits) + (isFour ? 96 : 0);
  const rest = BigInt(128 - counted);
  return { address: (address >> rest) << rest, bits: counted };
}

export function isWithin(network: Network, address: bigint): boolean {
  return (network.address ^ address) >> BigInt(128 - network.bits) === 0n;
}

/** A number below 2^64, without a zero in front. */
export function decimalOf(text: string): bigint | undefined {
  if (!/^(0|[1-9]\d{0,19})$/.test(text)) return undefined;
  const value = BigInt(text);
  return value < 1n << 64n ? value : undefined;
}
