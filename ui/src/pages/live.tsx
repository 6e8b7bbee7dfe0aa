// Live: events as they arrive. While somebody reads, nothing moves: new rows wait above, counted.

import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { rateSeconds, type Feed } from '../feed.ts';
import { outcomes, type Outcome } from '../record/schema.ts';
import { matcher } from '../record/matcher.ts';
import { narrowed } from '../record/narrow.ts';
import { parseQuery } from '../record/query.ts';
import type { Row } from '../record/row.ts';
import { go, tabbed, writeRoute, type RecordTab } from '../route.ts';
import { thousands } from '../seal.ts';
import { OutcomeChart } from '../parts/chart.tsx';
import { useFeed, useNow, useRowKeys } from '../parts/hooks.ts';
import { Icon } from '../parts/icons.tsx';
import { List, type ListControl } from '../parts/list.tsx';
import { errorOf } from '../parts/query.tsx';
import { EventRow, ordinaryColumns, RowHead } from '../parts/rows.tsx';
import { Strip } from '../parts/strip.tsx';
import { FirstEvent } from './first.tsx';

const drawnPerFrameMax = 60;

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

/** How many rows stand for one drawn: 1, 2, 4 ... so that a frame draws 60 at most. */
export function sampling(burst: number): number {
  let step = 1;
  while (burst / step > drawnPerFrameMax) step *= 2;
  return step;
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
  const invalid = errorOf(query) !== undefined;
  const matches = useMemo(
    () => (invalid || query === '' ? undefined : matcher(parseQuery(query))),
    [query, invalid],
  );

  // What was there when the reader began to read; rows behind it wait.
  const end = held ?? feed.next;
  const step = held === undefined ? sampling(feed.burst) : 1;
  const rows = useMemo(() => {
    const shown: Row[] = [];
    for (let i = feed.rows.length - 1; i >= 0; i--) {
      const row = feed.rows[i]!;
      if (row.index >= end || (matches !== undefined && !matches(row))) continue;
      if (step > 1 && row.index % step !== 0) continue;
      shown.push(row);
      // A list that runs shows its beginning only; whoever scrolls holds it, and has all.
      if (step > 1 && shown.length >= 400) break;
    }
    return shown;
  }, [feed.version, end, matches, step]);
  const newer = feed.next - end;

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
    const at = rows.findIndex((row) => row.index === (cursor ?? selected));
    const next = Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + by));
    const row = rows[next];
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
  useRowKeys(
    active,
    move,
    () => {
      const row = rows.find((one) => one.index === cursor);
      if (row !== undefined) open(row);
    },
    { p: pauseOrFollow, Home: release },
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
        <div class="pill-line" role="status">
          {held !== undefined && (
            <button type="button" class="pill" onClick={release}>
              {newer === 0 ? '↑ follow' : `↑ ${thousands(newer)} newer`}
              {paused ? ' · paused' : ''}
            </button>
          )}
          {held === undefined && step > 1 && (
            <span class="pill still">drawing 1 of {step}, counting all</span>
          )}
          {matches !== undefined && held === undefined && (
            <span class="pill still">
              filtered here, in this browser: {thousands(rows.length)} of the last{' '}
              {thousands(feed.rows.length)}
            </span>
          )}
        </div>
        <List
          label="Events as they arrive, the newest first"
          count={rows.length}
          rowHeight={rowHeight}
          control={control}
          // By place and not by record: a row that comes changes what the lines say, and moves none of them.
          keyOf={(position) => position}
          head={<RowHead columns={ordinaryColumns} />}
          onTop={onTop}
          empty={
            <p class="fine">
              {matches === undefined
                ? 'Waiting for records.'
                : 'Nothing that arrived matches this filter. What comes is still counted and checked.'}
            </p>
          }
          row={(position) => {
            const row = rows[position]!;
            return (
              <EventRow
                row={row}
                columns={ordinaryColumns}
                dated={false}
                selected={row.index === (selected ?? cursor)}
                fresh={slow && held === undefined && now - row.receivedMs < 1500}
                filter={(field, value, exclude) =>
                  go(writeRoute(log, 'live', { q: narrowed(query, field, value, exclude) }))
                }
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

function transportWords(feed: Feed): string {
  switch (feed.trust?.transport) {
    case 'stream':
      return 'streaming';
    case 'polling':
      return 'asking twice a second (no stream here)';
    default:
      return 'connecting';
  }
}
