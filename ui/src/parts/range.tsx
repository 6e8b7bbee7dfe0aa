// The time range of a search, always in absolute times: a link means tomorrow what it means today.

import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { rangeOf } from '../range.ts';
import { settings } from '../settings.ts';
import { timeIn } from '../time.ts';
import { dayTime } from './text.tsx';

const lengths: readonly [string, number][] = [
  ['last 15 minutes', 900_000],
  ['last hour', 3_600_000],
  ['last 24 hours', 86_400_000],
  ['last 7 days', 604_800_000],
  ['last 30 days', 2_592_000_000],
];

/** What an input of type datetime-local holds, in the zone of the page. */
const fieldOf = (iso: string): string =>
  Number.isNaN(Date.parse(iso)) ? '' : dayTime(Date.parse(iso)).slice(0, 19).replace(' ', 'T');

function isoOf(field: string): string {
  const time = timeIn(field, settings.zone);
  return Number.isNaN(time) ? '' : new Date(time).toISOString();
}

interface Props {
  from: string;
  to: string;
  choose: (from: string, to: string) => void;
}

export function RangeMenu({ from, to, choose }: Props): JSX.Element {
  const [own, setOwn] = useState<[string, string]>();
  const [low, high] = own ?? [fieldOf(from), fieldOf(to)];
  const set = typeof rangeOf(from, to) === 'object';
  const done = (event: Event, low: string, high: string): void => {
    (event.currentTarget as HTMLElement).closest('details')!.open = false;
    setOwn(undefined);
    choose(low, high);
  };
  return (
    <details class="menu range">
      <summary>
        {set
          ? `${dayTime(Date.parse(from)).slice(0, 19)} – ${dayTime(Date.parse(to)).slice(0, 19)}`
          : 'all times'}
      </summary>
      <div>
        {set && (
          <button type="button" onClick={(event) => done(event, '', '')}>
            all times
          </button>
        )}
        {lengths.map(([name, length]) => (
          <button
            key={name}
            type="button"
            onClick={(event) =>
              done(event, new Date(Date.now() - length).toISOString(), new Date().toISOString())
            }
          >
            {name}
          </button>
        ))}
        <label>
          from{' '}
          <input
            type="datetime-local"
            step="1"
            value={low}
            onInput={(event) => setOwn([event.currentTarget.value, high])}
          />
        </label>
        <label>
          to{' '}
          <input
            type="datetime-local"
            step="1"
            value={high}
            onInput={(event) => setOwn([low, event.currentTarget.value])}
          />
        </label>
        <button
          type="button"
          class="primary"
          disabled={isoOf(low) === '' || isoOf(high) === ''}
          onClick={(event) => done(event, isoOf(low), isoOf(high))}
        >
          use
        </button>
      </div>
    </details>
  );
}
