// Live: events as they arrive. While somebody reads, nothing moves: new rows wait above, counted.

import { useCallback, useEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { rateSeconds, type Feed } from '../feed.ts';
import { Matches, placeOf, sampled, sampling } from '../matches.ts';
import { outcomes, type Outcome } from '../record/schema.ts';
import { matcher } from '../record/matcher.ts';
import { narrowedBy } from '../record/narrow.ts';
import { parseQuery } from '../record/query.ts';
import type { Row } from '../record/row.ts';
import { go, tabbed, writeRoute, type RecordTab } from '../route.ts';
import { thousands } from '../seal.ts';
import { OutcomeChart } from '../parts/chart.tsx';
import { menuKeys, useFeed, useNow, useRowKeys } from '../parts/hooks.ts';
import { Icon } from '../parts/icons.tsx';
import { List, type ListControl } from '../parts/list.tsx';
import { errorOf } from '../parts/query.tsx';
import { askRow, EventRow, ordinaryColumns, RowHead, type Filter } from '../parts/rows.tsx';
import { Strip } from '../parts/strip.tsx';
import { FirstEvent } from './first.tsx';

interface Props {
  feed: Feed;
  log: string;
  query: string;
  selected: number | undefined;
  /** Of the record beside, kept by the one that is opened next. */
  tab: RecordTab;
  rowHeight: number;
  active: boolean;
}

// While a filter goes through what is there already, so often the page shows how far it came.
const progressMs = 100;

function useMatches(feed: Feed, query: string): Matches {
  const [, draw] = useReducer((n: number) => n + 1, 0);
  const matches = useMemo(() => {
    const isFilter = query !== '' && errorOf(query) === undefined;
    const made = new Matches(feed, isFilter ? matcher(parseQuery(query)) : undefined);
    made.work();
    return made;
  }, [feed, query]);
  useEffect(() => {
    let timer = 0;
    let drawnAt = 0;
    const work = (): void => {
      timer = 0;
      const done = matches.work();
      if (!done) timer = window.setTimeout(work);
      const now = performance.now();
      if (!done && now - drawnAt < progressMs) return;
      drawnAt = now;
      draw(undefined as never);
    };
    const changed = (): void => {
      if (timer === 0) work();
    };
    changed();
    const end = feed.view(changed);
    return () => {
      end();
      clearTimeout(timer);
    };
  }, [matches, feed]);
  return matches;
}

interface Shown {
  readonly count: number;
  at(position: number): Row | undefined;
  /** Where a record stands; less than 0 where it does not. */
  find(index: number | undefined): number;
}

/** What the list has: the newest first, without what came since the reader began to read. */
function shownOf(matches: Matches, end: number, step: number): Shown {
  if (step > 1) {
    const rows = sampled(matches, step);
    return {
      count: rows.length,
      at: (position) => rows[position],
      find: (index) => rows.findIndex((row) => row.index === index),
    };
  }
  const { rows } = matches;
  const count = placeOf(rows, end);
  return {
    count,
    at: (position) => rows[count - 1 - position],
    find: (index) => {
      const place = index === undefined ? -1 : placeOf(rows, index);
      return rows[place]?.index === index ? count - 1 - place : -1;
    },
  };
}

function ratesOf(feed: Feed, now: number): { times: number[]; counts: Record<Outcome, number>[] } {
  const end = Math.floor(now / 5000) * 5;
  const slots = rateSeconds / 5;
  const times = Array.from({ length: slots }, (_, i) => end - (slots - 1 - i) * 5);
  const counts = times.map(() => ({ unknown: 0, success: 0, failure: 0, denied: 0 }));
  for (const one of feed.rates) {
    const slot = Math.floor((one.second - times[0]!) / 5);
    if (slot >= 0 && slot < slots)
      for (const outcome of outcomes) counts[slot]![outcome] += one.counts[outcome];
  }
  return { times, counts };
}

export function Live({ feed, log, query, selected, tab, rowHeight, active }: Props): JSX.Element {
  useFeed(feed);
  const now = useNow(1000);
  const [held, setHeld] = useState<number>();
  const [paused, setPaused] = useState(false);
  const [cursor, setCursor] = useState<number>();
  const control = useRef<ListControl>(undefined);
  const matches = useMatches(feed, query);
  const filtered = matches.rows !== feed.rows;

  // What was there when the reader began to read; rows behind it wait.
  const end = held ?? feed.next;
  const step = held === undefined ? sampling(matches.burst) : 1;
  const shown = shownOf(matches, end, step);
  const newer = filtered ? matches.rows.length - placeOf(matches.rows, end) : feed.next - end;

  const hold = useCallback(() => setHeld((before) => before ?? feed.next), [feed]);
  const release = useCallback(() => {
    setHeld(undefined);
    setPaused(false);
    control.current?.toTop();
  }, []);
  const onTop = useCallback((top: boolean) => (top ? undefined : hold()), [hold]);
  useEffect(() => {
    if (selected !== undefined && feed.next > 0) hold();
  }, [selected, hold, feed.next > 0]);

  const filter: Filter = (term, exclude) =>
    go(writeRoute(log, 'live', { q: narrowedBy(query, term, exclude) }));
  const open = (row: Row): void => {
    setCursor(row.index);
    go(
      writeRoute(
        log,
        'record',
        { hash: row.hash, from: 'live', q: query, ...tabbed(tab) },
        row.index,
      ),
    );
  };
  const move = (by: number): void => {
    hold();
    const at = shown.find(cursor ?? selected);
    const next = Math.max(0, Math.min(shown.count - 1, at < 0 ? 0 : at + by));
    const row = shown.at(next);
    if (row === undefined) return;
    setCursor(row.index);
    control.current?.show(next);
    if (selected !== undefined) open(row);
  };
  const pauseOrFollow = (): void => {
    if (held === undefined) {
      setPaused(true);
      hold();
    } else release();
  };
  const valuesOfRow = (): void => {
    hold();
    const row = shown.at(Math.max(0, shown.find(cursor ?? selected)));
    if (row !== undefined) askRow(row, filter);
  };
  useRowKeys(
    active,
    move,
    () => {
      const row = shown.at(shown.find(cursor));
      if (row !== undefined) open(row);
    },
    { p: pauseOrFollow, Home: release, ...menuKeys(valuesOfRow) },
  );

  const rates = useMemo(() => ratesOf(feed, now), [feed, now]);
  if (feed.trust?.checkpoint !== undefined && feed.rows.length === 0 && feed.next === 0)
    return <FirstEvent log={log} />;
  const counted = feed.counted;
  // Where much is new, a tint says nothing.
  const slow = feed.rate(now) < 8;
  return (
    <div class="live">
      <div class="live-main">
        <h1 class="off-screen">Live events of {log}</h1>
        <div class="live-head">
          <OutcomeChart
            label="Records in the last 5 minutes"
            times={rates.times}
            counts={rates.counts}
            height={84}
          />
          <div class="live-facts">
            <span class="figure">
              <b>{feed.rate(now).toFixed(feed.rate(now) < 10 ? 1 : 0)}</b> /s
            </span>
            <span class="fine">counted here: {thousands(counted)}</span>
            <span class="fine">{transportWords(feed)}</span>
          </div>
          <button
            type="button"
            class="pause"
            aria-pressed={held !== undefined}
            title="p"
            onClick={pauseOrFollow}
          >
            <Icon name={held === undefined ? 'pause' : 'play'} />
            <span>{held === undefined ? 'pause' : 'follow'}</span>
          </button>
        </div>
        <PillLine
          matches={matches}
          filtered={filtered}
          of={feed.rows.length}
          step={step}
          newer={held === undefined ? undefined : newer}
          paused={paused}
          release={release}
        />
        <List
          label="Events as they arrive, the newest first"
          count={shown.count}
          rowHeight={rowHeight}
          control={control}
          // By place and not by record: a row that comes changes what the lines say, and moves none of them.
          keyOf={(position) => position}
          head={<RowHead columns={ordinaryColumns} />}
          onTop={onTop}
          empty={
            <p class="fine">
              {!filtered
                ? 'Waiting for records.'
                : matches.waiting > 0
                  ? 'Looking through what is here.'
                  : 'Nothing that arrived matches this filter. What comes is still counted and checked.'}
            </p>
          }
          row={(position) => {
            const row = shown.at(position)!;
            return (
              <EventRow
                row={row}
                position={position}
                columns={ordinaryColumns}
                dated={false}
                selected={row.index === (selected ?? cursor)}
                fresh={slow && held === undefined && now - row.receivedMs < 1500}
                filter={filter}
                open={open}
              />
            );
          }}
        />
      </div>
      <Strip steps={feed.steps} trust={feed.trust} />
    </div>
  );
}

function PillLine({
  matches,
  filtered,
  of,
  step,
  newer,
  paused,
  release,
}: {
  matches: Matches;
  filtered: boolean;
  of: number;
  step: number;
  /** That wait, while somebody reads. */
  newer: number | undefined;
  paused: boolean;
  release: () => void;
}): JSX.Element {
  return (
    <div class="pill-line" role="status">
      {newer !== undefined && (
        <button type="button" class="pill" onClick={release}>
          {newer === 0 ? '↑ follow' : `↑ ${thousands(newer)} newer`}
          {newer > 0 && filtered && (newer === 1 ? ' match' : ' matches')}
          {paused ? ' · paused' : ''}
        </button>
      )}
      {step > 1 && (
        <span class="pill still">
          drawing 1 of {step}
          {filtered && ' matches'}, counting all
        </span>
      )}
      {filtered && matches.waiting > 0 && (
        <span class="pill still">
          filtering here: {thousands(of - matches.waiting)} of {thousands(of)} looked at
        </span>
      )}
      {filtered && matches.waiting === 0 && newer === undefined && (
        <span class="pill still">
          filtered here, in this browser: {thousands(matches.rows.length)} of the last{' '}
          {thousands(of)}
        </span>
      )}
    </div>
  );
}

function transportWords(feed: Feed): string {
  switch (feed.trust?.transport) {
    case 'stream':
      return 'streaming';
    case 'aside':
      return 'asking every second (another log has the stream)';
    case 'polling':
      return 'asking twice a second (no stream here)';
    default:
      return 'connecting';
  }
}
