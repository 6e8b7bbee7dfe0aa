// A record's bytes as a tree in which every byte belongs to a field: what the record page and the hex view show.
// Unknown fields stand in it like all others; an Any is its type and its bytes, for the page has no descriptors.

import { fromUtf8, toHex } from '../proof/bytes.ts';
import {
  record as recordRule,
  struct,
  type FieldRule,
  type Kind,
  type MessageRule,
} from './schema.ts';
import { readVarint, walk, WireError, type WireField } from './wire.ts';

export interface TreeNode {
  readonly number: number;
  /** Undefined: this page does not know the field. */
  readonly name: string | undefined;
  /** From the record down: event.targets[1].id. Unknown fields by their number: event.[99]. */
  readonly path: string;
  readonly kind: Kind | 'unknown';
  readonly start: number;
  readonly valueStart: number;
  readonly end: number;
  /** The value in words; of a message its type. */
  readonly shown: string;
  /** What is wrong with the value, e.g. text that is no UTF-8. */
  readonly flaw?: string;
  readonly children: readonly TreeNode[];
}

const depthMax = 100;

/** Throws WireError when the bytes are no message. */
export function recordTree(bytes: Uint8Array): TreeNode[] {
  return messageTree(bytes, 0, bytes.length, recordRule, '', 0);
}

function messageTree(
  bytes: Uint8Array,
  start: number,
  end: number,
  rule: MessageRule,
  path: string,
  depth: number,
): TreeNode[] {
  if (depth > depthMax) throw new WireError(`messages nest more than ${depthMax} levels deep`);
  const nodes: TreeNode[] = [];
  const seen = new Map<number, number>();
  for (const field of walk(bytes, start, end)) {
    const known = rule.fields[field.number];
    const position = seen.get(field.number) ?? 0;
    seen.set(field.number, position + 1);
    let own = known?.name ?? `[${field.number}]`;
    if (known?.repeated) own += `[${position}]`;
    nodes.push(fieldNode(bytes, field, known, path === '' ? own : `${path}.${own}`, depth));
  }
  return nodes;
}

function fieldNode(
  bytes: Uint8Array,
  field: WireField,
  rule: FieldRule | undefined,
  path: string,
  depth: number,
): TreeNode {
  const place = {
    number: field.number,
    path,
    start: field.start,
    valueStart: field.valueStart,
    end: field.end,
  };
  const raw = bytes.subarray(field.valueStart, field.end);
  if (rule === undefined || !typeFits(rule.kind, field.type)) {
    const flaw = rule === undefined ? undefined : 'not of the type that this field has';
    return {
      ...place,
      name: rule?.name,
      kind: 'unknown',
      shown: unknownValue(bytes, field),
      children: [],
      ...(flaw === undefined ? {} : { flaw }),
    };
  }
  if (rule.kind === 'message') {
    const children = messageTree(
      bytes,
      field.valueStart,
      field.end,
      rule.message!,
      path,
      depth + 1,
    );
    return { ...place, name: rule.name, kind: 'message', shown: rule.message!.name, children };
  }
  if (rule.kind === 'text') {
    const text = fromUtf8(raw);
    return text === undefined
      ? {
          ...place,
          name: rule.name,
          kind: 'text',
          shown: toHex(raw),
          flaw: 'not UTF-8',
          children: [],
        }
      : { ...place, name: rule.name, kind: 'text', shown: text, children: [] };
  }
  return {
    ...place,
    name: rule.name,
    kind: rule.kind,
    shown: scalar(bytes, field, rule),
    children: [],
  };
}

function typeFits(kind: Kind, type: number): boolean {
  switch (kind) {
    case 'text':
    case 'bytes':
    case 'hash':
    case 'message':
      return type === 2;
    case 'fixed64':
    case 'nanoseconds':
    case 'double':
      return type === 1;
    default:
      return type === 0;
  }
}

function scalar(bytes: Uint8Array, field: WireField, rule: FieldRule): string {
  const raw = bytes.subarray(field.valueStart, field.end);
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  switch (rule.kind) {
    case 'nanoseconds':
    case 'fixed64':
      return view.getBigUint64(0, true).toString();
    case 'double':
      return String(view.getFloat64(0, true));
    case 'bytes':
    case 'hash':
      return toHex(raw);
    case 'bool':
      return readVarint(bytes, field.valueStart).value === 0n ? 'false' : 'true';
    case 'enum': {
      const number = readVarint(bytes, field.valueStart).value;
      return (
        rule.values?.[Number(number)] ??
        `${BigInt.asIntN(32, number)} (a value that this page does not know)`
      );
    }
    case 'int64':
    case 'int32':
      return BigInt.asIntN(64, readVarint(bytes, field.valueStart).value).toString();
    default:
      return readVarint(bytes, field.valueStart).value.toString();
  }
}

function unknownValue(bytes: Uint8Array, field: WireField): string {
  const raw = bytes.subarray(field.valueStart, field.end);
  if (field.type === 0) return readVarint(bytes, field.valueStart).value.toString();
  return toHex(raw);
}

/** Details as a plain value: for the JSON view and the tree of details. Numbers and texts as they are. */
export type Plain = null | boolean | number | string | Plain[] | { [key: string]: Plain };

export function plainStruct(node: TreeNode): Plain {
  const result: { [key: string]: Plain } = Object.create(null) as { [key: string]: Plain };
  for (const pair of node.children) {
    const key = pair.children.find((child) => child.number === 1)?.shown ?? '';
    const value = pair.children.find((child) => child.number === 2);
    result[key] = value === undefined ? null : plainValue(value);
  }
  return result;
}

function plainValue(node: TreeNode): Plain {
  const set = node.children[0];
  if (set === undefined) return null;
  switch (set.number) {
    case 2:
      return Number(set.shown);
    case 3:
      return set.shown;
    case 4:
      return set.shown === 'true';
    case 5:
      return plainStruct(set);
    case 6:
      return set.children.map(plainValue);
    default:
      return null;
  }
}

const jsonName = (name: string): string =>
  name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** The tree as JSON for people: proto3's names, times in words. Unknown fields under their number. */
export function plainMessage(nodes: readonly TreeNode[], rule: MessageRule = recordRule): Plain {
  const result: { [key: string]: Plain } = {};
  for (const node of nodes) {
    const known = rule.fields[node.number];
    const name = node.name === undefined ? `#${node.number}` : jsonName(node.name);
    const value = plainField(node, known);
    if (known?.repeated) {
      const list = (result[name] ??= []) as Plain[];
      list.push(value);
    } else if (known === undefined && name in result) {
      // Nothing says that it may stand but once, and none of it may be passed over.
      result[name] = [result[name]!, value].flat();
    } else {
      result[name] = value;
    }
  }
  return result;
}

function plainField(node: TreeNode, rule: FieldRule | undefined): Plain {
  if (node.kind !== 'message' || rule?.message === undefined)
    return node.kind === 'bool' ? node.shown === 'true' : node.shown;
  if (rule.message === struct) return plainStruct(node);
  if (rule.message.name === 'google.protobuf.Timestamp') return timestampText(node);
  return plainMessage(node.children, rule.message);
}

/** A Timestamp node as RFC 3339 in UTC with as many digits as it has. */
export function timestampText(node: TreeNode): string {
  const seconds = node.children.find((child) => child.number === 1)?.shown ?? '0';
  const nanos = node.children.find((child) => child.number === 2)?.shown ?? '0';
  const time = new Date(Number(seconds) * 1000);
  if (Number.isNaN(time.getTime())) return `${seconds}.${nanos} s`;
  const fraction = nanos === '0' ? '' : '.' + nanos.padStart(9, '0').replace(/0+$/, '');
  return time.toISOString().replace('.000Z', `${fraction}Z`);
}
