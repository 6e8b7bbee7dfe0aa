// Explore: a query, its answer over time, its facets, its rows.

import { useCallback, useEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import type { Feed } from '../feed.ts';
import type { Link } from '../link.ts';
import { narrowedBy, termOf, visibleQuery } from '../record/narrow.ts';
import { isSameQuery } from '../record/query.ts';
import type { Row } from '../record/row.ts';
import { go, readRoute, tabbed, writeRoute, type RecordTab } from '../route.ts';
import { rangeOf } from '../range.ts';
import { Search, type Facet, type Order } from '../search.ts';
import { thousands } from '../seal.ts';
import { settings } from '../settings.ts';
import { OutcomeChart } from '../parts/chart.tsx';
import { ExportMenu } from '../parts/export.tsx';
import { FacetBox } from '../parts/facet.tsx';
import { menuKeys, useRowKeys } from '../parts/hooks.ts';
import { List, type ListControl } from '../parts/list.tsx';
import { errorOf, examples } from '../parts/query.tsx';
import {
  askRow,
  columnNames,
  EventRow,
  extrasOf,
  ordinaryColumns,
  RowHead,
  type Column,
  type Filter,
} from '../parts/rows.tsx';
import { RangeMenu } from '../parts/range.tsx';
import { SavedMenu } from '../parts/saved.tsx';
import { ServerSays, Strange } from '../parts/text.tsx';
import { IsThatAll } from './is-that-all.tsx';

export interface ExploreState {
  query: string;
  from: string;
  to: string;
  order: Order;
  columns: readonly Column[];
  /** Read by this page, and not searched by the server. */
  here: boolean;
}

export function exploreState(parameters: URLSearchParams): ExploreState {
  const asked = (parameters.get('cols') ?? '').split(',');
  const wanted = columnNames.filter((one) => asked.includes(one));
  return {
    query: parameters.get('q') ?? '',
    from: parameters.get('t1') ?? '',
    to: parameters.get('t2') ?? '',
    order: parameters.get('order') === 'oldest' ? 'oldest' : 'newest',
    columns: wanted.length > 0 ? wanted : ordinaryColumns,
    here: parameters.get('by') === 'page',
  };
}

export function exploreRoute(log: string, state: ExploreState): string {
  return writeRoute(log, 'explore', {
    q: state.query,
    t1: state.from,
    t2: state.to,
    order: state.order === 'oldest' ? 'oldest' : undefined,
    cols: state.columns.join() === ordinaryColumns.join() ? undefined : state.columns.join(),
    by: state.here ? 'page' : undefined,
  });
}

// Of a row of one line, and of the line that rows of two get for columns beside the ordinary ones.
const oneLine = 30;
const extraLine = 20;
const besideRecord = ordinaryColumns.filter((one) => one !== 'service' && one !== 'delay');

// What a server says of an error is a stranger's text.
const messageMax = 1000;

interface Props {
  link: Link;
  feed: Feed;
  log: string;
  state: ExploreState;
  selected: number | undefined;
  /** Of the record beside, kept by the one that is opened next. */
  tab: RecordTab;
  rowHeight: number;
  active: boolean;
  onSeen: (facets: Facet[]) => void;
  onError: (error: { column: number | undefined; message: string } | undefined) => void;
}

/** Rows on the screen are looked up in the tree, a few at a time, when the list stands still. */
function useCover(
  search: Search | undefined,
  range: [number, number],
  rows: number,
): Map<string, boolean> {
  const covered = useRef(new Map<string, boolean>());
  const [, draw] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    let ended = false;
    const timer = setTimeout(async () => {
      for (
        let position = range[0];
        position < Math.min(range[1], range[0] + 60) && !ended;
        position++
      ) {
        const row = search?.row(position);
        if (row === undefined || covered.current.has(row.hash)) continue;
        try {
          covered.current.set(row.hash, await search!.covers(position, row));
          if (covered.current.size % 8 === 0) draw(undefined as never);
        } catch {
          break;
        }
      }
      if (!ended) draw(undefined as never);
    }, 350);
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }, [search, range[0], range[1], rows]);
  return covered.current;
}

// The canonical form that the server tells goes into the address, and so into what is shared and saved; the line keeps what
// was typed. A text that means something else stays out. Returns whether the address has it.
function keepCanonical(typed: string, told: string): boolean {
  const canonical = visibleQuery(told);
  const { log, page, parameters } = readRoute(location.hash);
  if (page !== 'explore' || parameters.get('q') !== typed || errorOf(canonical) !== undefined)
    return false;
  if (canonical === typed || !isSameQuery(typed, canonical)) return false;
  parameters.set('q', canonical);
  history.replaceState(
    history.state,
    '',
    writeRoute(log, 'explore', Object.fromEntries(parameters)),
  );
  return true;
}

function ColumnsMenu({
  chosen,
  choose,
}: {
  chosen: readonly Column[];
  choose: (columns: readonly Column[]) => void;
}): JSX.Element {
  return (
    <details class="menu">
      <summary>columns</summary>
      <fieldset>
        <legend class="off-screen">Columns</legend>
        {columnNames.map((name) => (
          <label key={name}>
            <input
              type="checkbox"
              checked={chosen.includes(name)}
              onChange={(event) =>
                choose(
                  event.currentTarget.checked
                    ? columnNames.filter((one) => one === name || chosen.includes(one))
                    : chosen.filter((one) => one !== name),
                )
              }
            />{' '}
            {name}
          </label>
        ))}
      </fieldset>
    </details>
  );
}

function Examples({ log, state }: { log: string; state: ExploreState }): JSX.Element {
  return (
    <ul>
      {examples.map((one) => (
        <li key={one}>
          <a href={exploreRoute(log, { ...state, query: one })}>
            <code>{one}</code>
          </a>
        </li>
      ))}
    </ul>
  );
}

function countWords(search: Search, range: [number, number]): string {
  const { count, exact, error } = search.state;
  if (error?.reason === 'CONTRADICTION' && search.state.by === 'page')
    return `what was read here does not fit, and reading ended there: ${error.message}`;
  if (error?.reason === 'CONTRADICTION')
    return `the answer does not fit what was asked; what does not is not shown: ${error.message}`;
  // What nobody answered is not nothing.
  if (count === 0 && error !== undefined) return 'no answer';
  if (count === 0) return search.state.running ? 'looking' : 'nothing matches';
  const { kept = count } = search.state;
  const last = Math.min(kept, range[1]);
  const counted =
    kept < count
      ? `; the newest ${thousands(kept)} can be looked at here, the others are counted`
      : '';
  return `showing ${thousands(Math.min(range[0] + 1, last))}–${thousands(last)} of ${thousands(count)} (${exact ? 'exact' : 'at least'})${counted}`;
}

export function Explore({
  link,
  feed,
  log,
  state,
  selected,
  tab,
  rowHeight,
  active,
  onSeen,
  onError,
}: Props): JSX.Element {
  const [, draw] = useReducer((n: number) => n + 1, 0);
  const [range, setRange] = useState<[number, number]>([0, 0]);
  const [cursor, setCursor] = useState(0);
  const [again, setAgain] = useState(0);
  // On a narrow screen they lie over the rows.
  const [facetsOpen, setFacetsOpen] = useState(false);
  const control = useRef<ListControl>(undefined);
  const invalid = errorOf(state.query);
  const limits = rangeOf(state.from, state.to);
  const ready = feed.trust?.checkpoint !== undefined;
  const [search, setSearch] = useState<Search>();
  // Canonical forms that the address got, and what had been typed: going back to one is no new search.
  const typed = useRef(new Map<string, string>());
  const query = typed.current.get(state.query) ?? state.query;
  useEffect(() => {
    if (invalid !== undefined || !ready) return;
    // Of what is no range nothing is asked.
    if (typeof limits === 'string') return setSearch(undefined);
    let scheduled = false;
    const changed = (): void => {
      if (scheduled) return;
      scheduled = true;
      setTimeout(() => {
        scheduled = false;
        draw(undefined as never);
      }, 60);
    };
    const { order, here } = state;
    const made = new Search(link, log, query, order, limits, here, settings.zone, changed);
    setSearch(made);
    control.current?.toTop();
    return () => made.stop();
  }, [
    link,
    log,
    query,
    state.order,
    state.from,
    state.to,
    state.here,
    settings.zone,
    ready,
    again,
    invalid === undefined,
  ]);
  // Of a query that cannot be read there is none: what the one before found is not its own.
  const answer = invalid === undefined ? search?.state : undefined;
  useEffect(
    () =>
      onError(
        answer?.error === undefined
          ? undefined
          : { column: answer.error.column, message: answer.error.message },
      ),
    [answer?.error],
  );
  useEffect(() => {
    if (answer !== undefined && answer.facets.length > 0) onSeen(answer.facets);
  }, [answer?.facets]);
  useEffect(() => {
    // With a range, or of the search before, it is the form of another query.
    if (answer === undefined || answer.canonical === '' || search?.query !== state.query) return;
    if (state.query !== '' && keepCanonical(state.query, answer.canonical))
      typed.current.set(visibleQuery(answer.canonical), state.query);
  }, [answer?.canonical, search, state.query, selected, location.hash]);
  const covered = useCover(search, range, answer?.count ?? 0);

  const set = (change: Partial<ExploreState>): void =>
    go(exploreRoute(log, { ...state, ...change }));
  const open = (row: Row): void =>
    go(
      writeRoute(
        log,
        'record',
        {
          hash: row.hash,
          from: 'explore',
          q: state.query,
          t1: state.from,
          t2: state.to,
          order: state.order === 'oldest' ? 'oldest' : undefined,
          cols: state.columns === ordinaryColumns ? undefined : state.columns.join(),
          by: state.here ? 'page' : undefined,
          ...tabbed(tab),
        },
        row.index,
      ),
    );
  const move = (by: number): void => {
    const next = Math.max(0, Math.min((answer?.count ?? 1) - 1, cursor + by));
    setCursor(next);
    control.current?.show(next);
    const row = search?.row(next);
    if (selected !== undefined && row !== undefined) open(row);
  };
  const filter: Filter = (term, exclude) => set({ query: narrowedBy(state.query, term, exclude) });
  const withRow = (take: (row: Row) => void) => () => {
    const row = search?.row(cursor);
    if (row !== undefined) take(row);
  };
  useRowKeys(active, move, withRow(open), menuKeys(withRow((row) => askRow(row, filter))));

  const times = useMemo(
    () => answer?.buckets.map((bucket) => bucket.start / 1000) ?? [],
    [answer?.buckets],
  );
  const counts = useMemo(
    () => answer?.buckets.map((bucket) => bucket.counts) ?? [],
    [answer?.buckets],
  );
  const brush = useCallback(
    (from: number, to: number) =>
      go(
        exploreRoute(log, {
          ...state,
          from: new Date(from).toISOString(),
          to: new Date(to).toISOString(),
        }),
      ),
    [log, state],
  );
  // Beside a record there is no room for all of them, nor for the day, which the record says.
  const beside = selected !== undefined && innerWidth < 1700;
  const columns = beside && state.columns === ordinaryColumns ? besideRecord : state.columns;
  const seenHere = Array.from(
    { length: Math.max(0, Math.min(range[1], answer?.count ?? 0) - range[0]) },
    (_, i) => search?.row(range[0] + i),
  ).filter((row): row is Row => row !== undefined);
  const included = seenHere.filter((row) => covered.get(row.hash) === true).length;
  const byServer = answer?.by === 'server';
  const newer =
    ready && answer !== undefined && answer.by !== 'nobody'
      ? feed.trust!.checkpoint!.size - answer.treeSize
      : 0;
  return (
    <div class={beside ? 'explore beside' : 'explore'}>
      <aside
        class={facetsOpen ? 'facets open' : 'facets'}
        id="facets"
        aria-label="Facets"
        onKeyDown={(event) => {
          if (event.key !== 'Escape' || !facetsOpen) return;
          event.stopPropagation();
          setFacetsOpen(false);
        }}
      >
        {facetsOpen && (
          <button type="button" class="facets-button" onClick={() => setFacetsOpen(false)}>
            close
          </button>
        )}
        {answer?.facets
          .filter((facet) => facet.values.length > 0)
          .map((facet) => (
            <FacetBox
              key={facet.field}
              of={search}
              facet={facet}
              total={answer.count}
              exact={answer.facetsExact}
              query={state.query}
              byServer={byServer}
              find={(text) => search!.within(facet.field, text)}
              choose={(value, exclude) => filter(termOf(facet.field, value), exclude)}
            />
          ))}
        {answer !== undefined && (
          <p class="fine">
            {byServer ? <ServerSays what="counted by the server" /> : 'counted here'}
          </p>
        )}
      </aside>
      <div class="explore-main">
        <h1 class="off-screen">Explore {log}</h1>
        {typeof limits === 'string' && (
          <p class="notice amber" role="alert" data-range="bad">
            {limits}{' '}
            <a href={exploreRoute(log, { ...state, from: '', to: '' })}>look at all times</a>
          </p>
        )}
        {times.length > 1 && (
          <OutcomeChart
            label="Matches over time"
            times={times}
            counts={counts}
            height={92}
            onBrush={brush}
          />
        )}
        {answer?.bucketsLack !== undefined && (
          <p class="fine bad" role="status" data-histogram="lacks">
            <Strange text={answer.bucketsLack} charactersMax={messageMax} />
          </p>
        )}
        <div class="explore-bar">
          <span class="count" role="status" data-count={answer?.count} data-exact={answer?.exact}>
            {invalid !== undefined ? (
              'the query cannot be read'
            ) : typeof limits === 'string' ? (
              'nothing was asked'
            ) : search === undefined ? (
              'waiting for the checkpoint'
            ) : (
              <Strange text={countWords(search, range)} charactersMax={messageMax} />
            )}
          </span>
          <span class="fine">
            {answer?.by === 'page' &&
              (answer.running
                ? `reading the log here: ${thousands(answer.scanned)} of ${thousands(answer.treeSize)}`
                : `matched here, record by record, over ${thousands(answer.scanned)}`)}
            {byServer && <ServerSays what="found by the server" />}
            {seenHere.length > 0 &&
              ` · on this screen ${included} of ${seenHere.length} included in the signed tree`}
          </span>
          {answer !== undefined && answer.doubted > 0 && (
            <span class="notice amber" data-doubted={answer.doubted}>
              {thousands(answer.doubted)} of the rows do not match by this browser's Unicode version
            </span>
          )}
          <span class="grow" />
          {newer > 0 && (
            <button type="button" class="pill" onClick={() => setAgain(again + 1)}>
              {thousands(newer)} newer records: search again
            </button>
          )}
          <button
            type="button"
            class="facets-button"
            aria-expanded={facetsOpen}
            aria-controls="facets"
            onClick={() => setFacetsOpen(!facetsOpen)}
          >
            facets
          </button>
          <RangeMenu from={state.from} to={state.to} choose={(from, to) => set({ from, to })} />
          <button
            type="button"
            onClick={() => set({ order: state.order === 'newest' ? 'oldest' : 'newest' })}
          >
            {state.order} first
          </button>
          <SavedMenu log={log} address={exploreRoute(log, state)} />
          <ColumnsMenu chosen={state.columns} choose={(columns) => set({ columns })} />
          <ExportMenu search={search} log={log} />
        </div>
        {state.query === '' && (
          <div class="examples-line">
            <span class="fine">for example</span>
            <Examples log={log} state={state} />
          </div>
        )}
        <List
          label="Records that match"
          count={answer?.kept ?? answer?.count ?? 0}
          rowHeight={
            rowHeight + (rowHeight > oneLine && extrasOf(columns).length > 0 ? extraLine : 0)
          }
          control={control}
          keyOf={(position) => search?.row(position)?.index ?? `at ${position}`}
          head={<RowHead columns={columns} />}
          onRange={(first, end) => {
            setRange([first, end]);
            search?.want(first, end);
          }}
          empty={
            typeof limits === 'string' ? (
              <p class="fine">Nothing was asked.</p>
            ) : answer?.error !== undefined ? (
              <p>
                Whether anything matches is not known:{' '}
                <Strange text={answer.error.message} charactersMax={messageMax} />.
              </p>
            ) : invalid !== undefined ? (
              <div class="examples">
                <p>The query cannot be read. Some that can:</p>
                <Examples log={log} state={state} />
              </div>
            ) : answer === undefined || answer.running ? (
              <p class="fine">Looking.</p>
            ) : state.query === '' ? (
              <p class="fine">
                {limits !== undefined
                  ? 'Nothing in this range of time.'
                  : answer.checkedSize === 0
                    ? 'This log has no records yet.'
                    : 'Nothing was found.'}
              </p>
            ) : (
              <div class="examples">
                <p>
                  Nothing matches{' '}
                  <code>
                    <Strange text={state.query} />
                  </code>
                  . Some that may:
                </p>
                <Examples log={log} state={state} />
              </div>
            )
          }
          row={(position) => {
            const row = search?.row(position);
            if (row === undefined)
              return (
                <div role="row" class="event-row waiting" aria-rowindex={position + 2}>
                  <div role="gridcell">…</div>
                </div>
              );
            return (
              <EventRow
                row={row}
                position={position}
                columns={columns}
                dated={!beside}
                selected={selected === undefined ? position === cursor : row.index === selected}
                covered={covered.get(row.hash)}
                filter={filter}
                open={(one) => {
                  setCursor(position);
                  open(one);
                }}
              />
            );
          }}
        />
        {search !== undefined && (
          <IsThatAll
            search={search}
            log={log}
            vkey={feed.trust?.vkey ?? ''}
            readHere={() => set({ here: true })}
          />
        )}
      </div>
    </div>
  );
}
