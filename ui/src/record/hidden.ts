// What a query may ask of a record and a row does not keep: exact times, all texts of the details, the number of an outcome
// without a name.

import { instantOf } from './literal.ts';
import { Reader } from './row.ts';
import { outcomes } from './schema.ts';
import { walk, WireError, type WireField } from './wire.ts';

export interface Hidden {
  /** Nanoseconds since 1970; 0 when none was said. */
  occurredNs: bigint;
  /** Its name, or its number. */
  outcome: string;
  /** The event's own. */
  trace: string;
  span: string;
  /** String values of details_struct, in their order. */
  details: string[];
}

// As deep as the server looks.
const depthMax = 100;

export function hiddenOf(bytes: Uint8Array): Hidden {
  const hidden: Hidden = { occurredNs: 0n, outcome: outcomes[0], trace: '', span: '', details: [] };
  const reader = new Reader(bytes);
  for (const body of walk(bytes)) {
    if (body.number === 14) {
      for (const field of reader.inner(body))
        if (field.number === 3) hidden.occurredNs = instantOf(reader.text(field)) ?? 0n;
    } else if (body.number === 15) {
      for (const field of reader.inner(body)) readField(reader, field, hidden);
    }
  }
  return hidden;
}

function readField(reader: Reader, field: WireField, hidden: Hidden): void {
  switch (field.number) {
    case 5:
      hidden.occurredNs = timeOf(reader, field);
      break;
    case 6: {
      const number = BigInt.asIntN(32, reader.number(field));
      hidden.outcome = outcomes[Number(number)] ?? String(number);
      break;
    }
    case 9:
      hidden.trace = reader.text(field);
      break;
    case 10:
      hidden.span = reader.text(field);
      break;
    case 17:
      hidden.details = [];
      try {
        structTexts(reader, field, 0, hidden.details);
      } catch (error) {
        // What is not readable is left out.
        if (!(error instanceof WireError)) throw error;
      }
      break;
  }
}

function timeOf(reader: Reader, outer: WireField): bigint {
  let seconds = 0n;
  let nanos = 0n;
  for (const field of reader.inner(outer)) {
    if (field.number === 1) seconds = BigInt.asIntN(64, reader.number(field));
    if (field.number === 2) nanos = BigInt.asIntN(32, reader.number(field));
  }
  return seconds * 1_000_000_000n + nanos;
}

// Struct: fields (1) of key (1) and value (2); value: text (3), struct (5), list (6) of values (1).
function structTexts(reader: Reader, outer: WireField, depth: number, found: string[]): void {
  for (const pair of reader.inner(outer)) {
    if (pair.number !== 1) continue;
    for (const field of reader.inner(pair))
      if (field.number === 2) valueTexts(reader, field, depth + 1, found);
  }
}

function valueTexts(reader: Reader, outer: WireField, depth: number, found: string[]): void {
  if (depth > depthMax) return;
  for (const field of reader.inner(outer)) {
    if (field.number === 3) found.push(reader.text(field));
    else if (field.number === 5) structTexts(reader, field, depth + 1, found);
    else if (field.number === 6) {
      for (const item of reader.inner(field))
        if (item.number === 1) valueTexts(reader, item, depth + 1, found);
    }
  }
}
