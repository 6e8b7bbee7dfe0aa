// The messages of graven.v1 and the well-known ones inside them, as the page reads them: names and kinds of fields.

export type Kind =
  | 'text'
  | 'bytes'
  | 'hash'
  | 'uint64'
  | 'int64'
  | 'int32'
  | 'bool'
  | 'fixed64'
  | 'double'
  | 'nanoseconds'
  | 'enum'
  | 'message';

export interface FieldRule {
  readonly name: string;
  readonly kind: Kind;
  readonly message?: MessageRule;
  readonly values?: readonly string[];
  readonly repeated?: boolean;
}

export interface MessageRule {
  readonly name: string;
  readonly fields: Readonly<Record<number, FieldRule>>;
}

export const outcomes = ['unknown', 'success', 'failure', 'denied'] as const;
export type Outcome = (typeof outcomes)[number];

const text = (name: string): FieldRule => ({ name, kind: 'text' });
const inner = (name: string, message: MessageRule, repeated = false): FieldRule => ({
  name,
  kind: 'message',
  message,
  repeated,
});

const timestamp: MessageRule = {
  name: 'google.protobuf.Timestamp',
  fields: { 1: { name: 'seconds', kind: 'int64' }, 2: { name: 'nanos', kind: 'int32' } },
};
const any: MessageRule = {
  name: 'google.protobuf.Any',
  fields: { 1: text('type_url'), 2: { name: 'value', kind: 'bytes' } },
};

// Struct, Value and ListValue hold each other, so their tables are filled after they exist.
const structFields: Record<number, FieldRule> = {};
const entryFields: Record<number, FieldRule> = {};
const valueFields: Record<number, FieldRule> = {};
const listFields: Record<number, FieldRule> = {};
export const struct: MessageRule = { name: 'google.protobuf.Struct', fields: structFields };
const structEntry: MessageRule = {
  name: 'google.protobuf.Struct.FieldsEntry',
  fields: entryFields,
};
export const value: MessageRule = { name: 'google.protobuf.Value', fields: valueFields };
const listValue: MessageRule = { name: 'google.protobuf.ListValue', fields: listFields };
structFields[1] = inner('fields', structEntry, true);
entryFields[1] = text('key');
entryFields[2] = inner('value', value);
valueFields[1] = { name: 'null_value', kind: 'enum', values: ['null'] };
valueFields[2] = { name: 'number_value', kind: 'double' };
valueFields[3] = text('string_value');
valueFields[4] = { name: 'bool_value', kind: 'bool' };
valueFields[5] = inner('struct_value', struct);
valueFields[6] = inner('list_value', listValue);
listFields[1] = inner('values', value, true);

const actor: MessageRule = {
  name: 'graven.v1.Actor',
  fields: { 1: text('id'), 2: text('type'), 3: text('name') },
};
const target: MessageRule = {
  name: 'graven.v1.Target',
  fields: { 1: text('type'), 2: text('id'), 3: text('name') },
};
const source: MessageRule = {
  name: 'graven.v1.Source',
  fields: { 1: text('service'), 2: text('ip'), 3: text('user_agent') },
};
const producer: MessageRule = {
  name: 'graven.v1.Producer',
  fields: {
    1: text('id'),
    2: { name: 'epoch', kind: 'uint64' },
    3: { name: 'sequence', kind: 'uint64' },
    4: { name: 'kind', kind: 'enum', values: ['event', 'open', 'heartbeat', 'close'] },
  },
};
const label: MessageRule = {
  name: 'graven.v1.Label',
  fields: { 1: text('key'), 2: text('value') },
};

export const event: MessageRule = {
  name: 'graven.v1.Event',
  fields: {
    1: text('event_id'),
    2: inner('actor', actor),
    3: text('action'),
    4: inner('targets', target, true),
    5: inner('occurred_at', timestamp),
    6: { name: 'outcome', kind: 'enum', values: outcomes },
    7: text('outcome_reason'),
    8: inner('source', source),
    9: text('trace_id'),
    10: text('span_id'),
    11: text('parent_span_id'),
    12: text('request_id'),
    13: text('session_id'),
    14: text('correlation_id'),
    15: inner('producer', producer),
    16: inner('labels', label, true),
    17: inner('details_struct', struct),
    18: inner('details_any', any),
  },
};

export const entry: MessageRule = {
  name: 'graven.v1.Entry',
  fields: {
    1: text('event_id'),
    2: text('actor'),
    3: text('timestamp'),
    4: text('action'),
    5: text('hash'),
  },
};

export const record: MessageRule = {
  name: 'graven.v1.Record',
  fields: {
    1: { name: 'index', kind: 'uint64' },
    2: { name: 'received_at', kind: 'nanoseconds' },
    3: { name: 'previous_hash', kind: 'hash' },
    4: text('written_by'),
    5: text('assigned_event_id'),
    6: text('traceparent'),
    14: inner('entry', entry),
    15: inner('event', event),
  },
};
