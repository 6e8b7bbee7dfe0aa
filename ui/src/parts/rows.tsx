// A record as one row, the same in Live and Explore. A click on a value filters by it, with Alt it leaves it out; anywhere
// else opens the record. The menu of a row has all of its values.

import type { JSX } from 'preact';
import { thousands } from '../numbers.ts';
import { choicesOf, targetTerm, termOf } from '../record/narrow.ts';
import { targetWords, type Row } from '../record/row.ts';
import { plainText } from '../record/safety.ts';
import { delayText } from '../time.ts';
import { clockTime, dayTime, OutcomeMark, Strange } from './text.tsx';
import { askValues, menuOn } from './values.tsx';

export const columnNames = [
  'time',
  'outcome',
  'actor',
  'action',
  'target',
  'service',
  'delay',
  'index',
  'ip',
  'written by',
  'reason',
  'trace',
  'session',
  'labels',
] as const;
export type Column = (typeof columnNames)[number];
export const ordinaryColumns: readonly Column[] = [
  'time',
  'outcome',
  'actor',
  'action',
  'target',
  'service',
  'delay',
];

const widths: Record<Column, string> = {
  time: 'var(--time-width)',
  outcome: '84px',
  actor: 'minmax(90px, 1.1fr)',
  action: 'minmax(110px, 1.3fr)',
  target: 'minmax(110px, 1.5fr)',
  service: 'minmax(70px, 0.8fr)',
  delay: '62px',
  index: '84px',
  ip: '120px',
  'written by': 'minmax(80px, 0.8fr)',
  reason: 'minmax(100px, 1fr)',
  trace: '120px',
  session: '120px',
  labels: 'minmax(120px, 1.2fr)',
};

export const gridOf = (columns: readonly Column[]): string =>
  columns.map((column) => widths[column]).join(' ');

/** With one more condition, or one that excludes. */
export type Filter = (term: string, exclude: boolean) => void;

function Value({
  term,
  shown,
  filter,
}: {
  term: string;
  shown: string;
  filter: Filter;
}): JSX.Element {
  return (
    <button
      type="button"
      class="value"
      tabIndex={-1}
      data-term={term}
      title={`${plainText(shown.slice(0, 300))}\nclick: only these · Alt: without these · right-click: more`}
      onClick={(event) => {
        event.stopPropagation();
        filter(term, event.altKey);
      }}
    >
      <Strange text={shown} />
    </button>
  );
}

function FieldValue({
  field,
  value,
  filter,
  shown = value,
}: {
  field: string;
  value: string;
  filter: Filter;
  shown?: string;
}): JSX.Element {
  if (value === '') return <span class="nothing">–</span>;
  return <Value term={termOf(field, value)} shown={shown} filter={filter} />;
}

/** All that a record has to be filtered by. */
export function askRow(row: Row, filter: Filter, term?: string): void {
  const title = `Values of record ${thousands(row.index)}`;
  askValues({ title, choices: choicesOf(row), term, choose: filter });
}

function cell(column: Column, row: Row, filter: Filter, dated: boolean): JSX.Element {
  switch (column) {
    case 'time':
      return (
        <time dateTime={new Date(row.receivedMs).toISOString()} title={dayTime(row.receivedMs)}>
          {dated ? dayTime(row.receivedMs) : clockTime(row.receivedMs)}
        </time>
      );
    case 'outcome':
      return <OutcomeMark outcome={row.outcome} />;
    case 'actor':
      return (
        <FieldValue
          field="actor.id"
          value={row.actorId}
          filter={filter}
          {...(row.actorName === '' ? {} : { shown: `${row.actorName} · ${row.actorId}` })}
        />
      );
    case 'action':
      return <FieldValue field="action" value={row.action} filter={filter} />;
    case 'target': {
      const first = row.targets[0];
      if (first === undefined || targetWords(first) === '') return <span class="nothing">–</span>;
      return (
        <>
          <Value term={targetTerm(first)} shown={targetWords(first)} filter={filter} />
          {row.targets.length > 1 && <span class="more"> +{row.targets.length - 1}</span>}
        </>
      );
    }
    case 'service':
      return <FieldValue field="service" value={row.service} filter={filter} />;
    case 'delay':
      return <span class="number">{delayText(row.occurredMs, row.receivedMs)}</span>;
    case 'index':
      return <span class="number">{thousands(row.index)}</span>;
    case 'ip':
      return <FieldValue field="ip" value={row.ip} filter={filter} />;
    case 'written by':
      return <FieldValue field="written_by" value={row.writtenBy} filter={filter} />;
    case 'reason':
      return <Strange text={row.reason} />;
    case 'trace':
      return <FieldValue field="trace" value={row.traceId} filter={filter} />;
    case 'session':
      return <FieldValue field="session" value={row.sessionId} filter={filter} />;
    case 'labels':
      return <Strange text={row.labels.map(([key, value]) => `${key}=${value}`).join(' ')} />;
  }
}

/** Those beside the ordinary ones; they come after them. */
export const extrasOf = (columns: readonly Column[]): readonly Column[] =>
  columns.filter((one) => !ordinaryColumns.includes(one));

/** What a phone shows in a line below, as far as there is any. */
function Cells({
  columns,
  one,
}: {
  columns: readonly Column[];
  one: (column: Column) => JSX.Element;
}): JSX.Element {
  const extras = extrasOf(columns);
  return (
    <>
      {columns.filter((column) => ordinaryColumns.includes(column)).map(one)}
      {extras.length > 0 && (
        <div class="extras" role="presentation">
          {extras.map(one)}
        </div>
      )}
    </>
  );
}

export function RowHead({ columns }: { columns: readonly Column[] }): JSX.Element {
  return (
    <div
      class="event-row head"
      role="row"
      aria-rowindex={1}
      style={{ '--columns': gridOf(columns) }}
    >
      <Cells
        columns={columns}
        one={(column) => (
          <div key={column} role="columnheader" class={`cell ${column.replace(' ', '-')}`}>
            {column}
          </div>
        )}
      />
    </div>
  );
}

interface RowProps {
  row: Row;
  /** From the top of its list. */
  position: number;
  columns: readonly Column[];
  selected: boolean;
  fresh?: boolean;
  dated: boolean;
  covered?: boolean | undefined;
  filter: Filter;
  open: (row: Row) => void;
}

export function EventRow({
  row,
  position,
  columns,
  selected,
  fresh = false,
  dated,
  covered,
  filter,
  open,
}: RowProps): JSX.Element {
  return (
    <div
      role="row"
      class={`event-row ${row.outcome}${selected ? ' selected' : ''}${fresh ? ' fresh' : ''}`}
      // The head is the first.
      aria-rowindex={position + 2}
      aria-selected={selected}
      data-index={row.index}
      data-covered={covered === undefined ? undefined : String(covered)}
      style={{ '--columns': gridOf(columns) }}
      onClick={() => open(row)}
      {...menuOn((from) =>
        askRow(row, filter, from.closest<HTMLElement>('[data-term]')?.dataset['term']),
      )}
    >
      <Cells
        columns={columns}
        one={(column) => (
          <div
            key={column}
            role="gridcell"
            class={`cell ${column.replace(' ', '-')}`}
            data-name={column}
          >
            {cell(column, row, filter, dated)}
          </div>
        )}
      />
    </div>
  );
}
