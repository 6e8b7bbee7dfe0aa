// The protobuf wire format, read and never interpreted: where each field of a message begins and ends.

/** Bytes that are no protobuf message. */
export class WireError extends Error {}

export interface WireField {
  readonly number: number;
  /** 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes. */
  readonly type: number;
  /** Where the tag begins. */
  readonly start: number;
  /** Where the value begins: behind tag and length. */
  readonly valueStart: number;
  readonly end: number;
}

export function readVarint(bytes: Uint8Array, at: number): { value: bigint; end: number } {
  let value = 0n;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) throw new WireError(`a number is cut off at byte ${at}`);
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) {
      if (value >= 1n << 64n) break;
      return { value, end: at + i + 1 };
    }
  }
  throw new WireError(`a number at byte ${at} is longer than 64 bits`);
}

// Most varints are tags and lengths of a byte or two; bigints for all of them would cost half the time of decoding.
function readSmall(bytes: Uint8Array, at: number): { value: number; end: number } {
  let value = 0;
  let scale = 1;
  for (let i = 0; i < 5; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) throw new WireError(`a number is cut off at byte ${at}`);
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, end: at + i + 1 };
    scale *= 128;
  }
  throw new WireError(`a tag or length at byte ${at} is longer than 32 bits`);
}

/** The fields of the message in [start, end) of `bytes`, in order. Throws WireError. */
export function* walk(bytes: Uint8Array, start = 0, end = bytes.length): Generator<WireField> {
  let at = start;
  while (at < end) {
    const tag = readSmall(bytes, at);
    const number = Math.floor(tag.value / 8);
    const type = tag.value % 8;
    if (number < 1 || number > 536_870_911)
      throw new WireError(`no field has the number ${number}`);
    let valueStart = tag.end;
    let valueEnd: number;
    switch (type) {
      case 0:
        valueEnd = readVarint(bytes, valueStart).end;
        break;
      case 1:
        valueEnd = valueStart + 8;
        break;
      case 2: {
        const length = readSmall(bytes, valueStart);
        valueStart = length.end;
        valueEnd = valueStart + length.value;
        break;
      }
      case 5:
        valueEnd = valueStart + 4;
        break;
      default:
        throw new WireError(`field ${number} at byte ${at} is a group or of an unknown type`);
    }
    if (valueEnd > end) throw new WireError(`field ${number} at byte ${at} is cut off`);
    yield { number, type, start: at, valueStart, end: valueEnd };
    at = valueEnd;
  }
}

export function writeVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  while (value >= 0x80) {
    bytes.push((value % 128) | 0x80);
    value = Math.floor(value / 128);
  }
  bytes.push(value);
  return new Uint8Array(bytes);
}
