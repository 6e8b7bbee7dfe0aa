// Explore: a query, its answer over time, its facets, its rows.

import { useCallback, useEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { ApiError } from '../api/client.ts';
import type { Feed } from '../feed.ts';
import type { Link } from '../link.ts';
import { csvColumns, csvLine, jsonLine } from '../record/export.ts';
import { narrowed } from '../record/query.ts';
import type { Row } from '../record/row.ts';
import { plainText } from '../record/safety.ts';
import { go, writeRoute } from '../route.ts';
import { Search, type Facet, type Order } from '../search.ts';
import { thousands } from '../seal.ts';
import { OutcomeChart } from '../parts/chart.tsx';
import { useKeys } from '../parts/hooks.ts';
import { List, type ListControl } from '../parts/list.tsx';
import { errorOf, examples } from '../parts/query.tsx';
import { columnNames, EventRow, ordinaryColumns, RowHead, type Column } from '../parts/rows.tsx';
import { RangeMenu } from '../parts/range.tsx';
import { saveBlob, saveText } from '../parts/save.ts';
import { SavedMenu } from '../parts/saved.tsx';
import { Command, Copy, OutcomeMark, ServerSays, Strange } from '../parts/text.tsx';

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
  const wanted = (parameters.get('cols') ?? '')
    .split(',')
    .filter((one): one is Column => (columnNames as readonly string[]).includes(one));
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

interface Props {
  link: Link;
  feed: Feed;
  log: string;
  state: ExploreState;
  selected: number | undefined;
  rowHeight: number;
  active: boolean;
  onSeen: (facets: Facet[]) => void;
  onError: (error: { column: number | undefined; message: string } | undefined) => void;
}

function FacetBox({
  facet,
  total,
  exact,
  query,
  choose,
  byServer,
}: {
  facet: Facet;
  total: number;
  exact: boolean;
  query: string;
  choose: (value: string, exclude: boolean) => void;
  byServer: boolean;
}): JSX.Element {
  const [within, setWithin] = useState('');
  const shown = facet.values.filter((one) =>
    one.value.toLowerCase().includes(within.toLowerCase()),
  );
  const most = Math.max(1, ...facet.values.map((one) => one.count));
  return (
    <section class="facet" aria-label={facet.field}>
      <h3>
        {facet.field}
        {!exact && <small title="Not all records are counted yet"> partial</small>}
      </h3>
      {facet.values.length >= 8 && (
        <input
          type="search"
          aria-label={`Search in ${facet.field}`}
          placeholder="within the top 10"
          value={within}
          onInput={(event) => setWithin(event.currentTarget.value)}
        />
      )}
      <ul>
        {shown.map((one) => (
          <li key={one.value}>
            <button
              type="button"
              class={query.includes(one.value) ? 'on' : ''}
              title={`${plainText(one.value.slice(0, 300))}\n${thousands(one.count)} of ${thousands(total)}${byServer ? ', the server says' : ', counted here'}\nclick: only these · Alt: without these`}
              onClick={(event) => choose(one.value, event.altKey)}
            >
              <span class="bar" style={{ width: `${(one.count / most) * 100}%` }} />
              <span class="facet-value">
                {facet.field === 'outcome' ? (
                  <OutcomeMark outcome={one.value as never} />
                ) : (
                  <Strange text={one.value} />
                )}
              </span>
              <span class="number">{thousands(one.count)}</span>
            </button>
          </li>
        ))}
        {facet.others > 0 && <li class="fine others">{thousands(facet.others)} others</li>}
      </ul>
    </section>
  );
}

function commands(log: string, search: Search): [string, string][] {
  const query = search.query.replaceAll("'", "'\\''");
  const host = location.hostname;
  const address = new URL(
    `logs/${log}/search?${new URLSearchParams({ q: search.query, order: search.order })}`,
    document.baseURI,
  ).href;
  return [
    ['graven', `graven search '${query}' --log ${log} --${search.order} --server ${host}:7465`],
    ['curl', `curl -s '${address.replaceAll("'", '%27')}'`],
    [
      'grpcurl',
      `grpcurl ${location.protocol === 'https:' ? '' : '-plaintext '}-d '${JSON.stringify({ log, query: search.query }).replaceAll("'", "'\\''")}' ${host}:7465 graven.v1.AuditLogService/Search`,
    ],
  ];
}

interface Exporting {
  kind: 'jsonl' | 'csv';
  done: number;
  stop: AbortController;
}

function useExport(
  search: Search | undefined,
  log: string,
): [Exporting | undefined, (kind: 'jsonl' | 'csv') => void] {
  const [running, setRunning] = useState<Exporting>();
  const start = (kind: 'jsonl' | 'csv'): void => {
    if (search === undefined) return;
    const stop = new AbortController();
    setRunning({ kind, done: 0, stop });
    void (async () => {
      const parts: string[] = kind === 'csv' ? [csvColumns.join(',') + '\r\n'] : [];
      let done = 0;
      for await (const rows of search.all(stop.signal)) {
        parts.push(rows.map(kind === 'csv' ? csvLine : jsonLine).join(''));
        done += rows.length;
        setRunning({ kind, done, stop });
      }
      // What was cancelled is not saved: half an export looks like a whole one.
      if (!stop.signal.aborted)
        saveBlob(
          `${log}.${kind}`,
          new Blob(parts, {
            type: kind === 'csv' ? 'text/csv;charset=utf-8' : 'application/jsonl',
          }),
        );
      setRunning(undefined);
    })().catch(() => setRunning(undefined));
  };
  return [running, start];
}

function IsThatAll({
  search,
  log,
  readHere,
}: {
  search: Search;
  log: string;
  readHere: () => void;
}): JSX.Element {
  const [statement, setStatement] = useState<string>();
  const { state } = search;
  return (
    <details class="how">
      <summary>Is that all?</summary>
      {state.by === 'page' ? (
        <p>
          {state.exact
            ? `Yes, up to size ${thousands(state.treeSize)}: this page read all ${thousands(state.scanned)} records, each links to the one before it, the last one is in the signed tree, and each was matched here.`
            : `Not known yet: this page has read ${thousands(state.scanned)} of ${thousands(state.treeSize)} records.`}
        </p>
      ) : (
        <>
          <p>
            The server says so{state.exact ? '' : ', and not yet of the whole log'}. Whoever needs
            more than its word reads all {thousands(state.treeSize)} records and matches each of
            them: this page can do that here; what it finds then is checked like everything else
            that it reads.
          </p>
          <p class="row">
            <button type="button" class="primary" onClick={readHere}>
              read the whole log here
            </button>
            <button
              type="button"
              onClick={() => {
                search.statement().then(setStatement, (error: unknown) => {
                  const none = error instanceof ApiError && error.reason === 'ROUTE_NOT_FOUND';
                  setStatement(
                    none
                      ? 'This server gives no signed statements.'
                      : `Not to be had: ${error instanceof Error ? error.message : String(error)}.`,
                  );
                });
              }}
            >
              the server's signed statement
            </button>
            {statement !== undefined && (
              <>
                <Copy text={statement} />
                <button type="button" onClick={() => saveText(`${log}-answer.txt`, statement)}>
                  save
                </button>
              </>
            )}
          </p>
          {statement !== undefined && (
            <pre class="note" tabIndex={0}>
              {statement}
            </pre>
          )}
        </>
      )}
      {commands(log, search).map(([name, text]) => (
        <Command key={name} label={name} text={text} />
      ))}
    </details>
  );
}

/** Rows on the screen are looked up in the tree, a few at a time, when the list stands still. */
function useCover(
  link: Link,
  log: string,
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
          covered.current.set(
            row.hash,
            await link.ask<boolean>({ call: 'cover', log, index: row.index, hash: row.hash }),
          );
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
  }, [link, log, search, range[0], range[1], rows]);
  return covered.current;
}

function countWords(search: Search, range: [number, number]): string {
  const { count, exact } = search.state;
  if (count === 0) return search.state.running ? 'looking' : 'nothing matches';
  const last = Math.min(count, range[1]);
  return `showing ${thousands(Math.min(range[0] + 1, last))}–${thousands(last)} of ${thousands(count)} (${exact ? 'exact' : 'at least'})`;
}

export function Explore({
  link,
  feed,
  log,
  state,
  selected,
  rowHeight,
  active,
  onSeen,
  onError,
}: Props): JSX.Element {
  const [, draw] = useReducer((n: number) => n + 1, 0);
  const [range, setRange] = useState<[number, number]>([0, 0]);
  const [cursor, setCursor] = useState(0);
  const [again, setAgain] = useState(0);
  const control = useRef<ListControl>(undefined);
  const invalid = errorOf(state.query);
  const ready = feed.trust?.checkpoint !== undefined;
  const [search, setSearch] = useState<Search>();
  useEffect(() => {
    if (invalid !== undefined || !ready) return;
    const from = Date.parse(state.from);
    const to = Date.parse(state.to);
    const limits = Number.isNaN(from) || Number.isNaN(to) ? undefined : { from, to };
    let scheduled = false;
    const made = new Search(link, log, state.query, state.order, limits, state.here, () => {
      if (scheduled) return;
      scheduled = true;
      setTimeout(() => {
        scheduled = false;
        draw(undefined as never);
      }, 60);
    });
    setSearch(made);
    control.current?.toTop();
    return () => made.stop();
  }, [
    link,
    log,
    state.query,
    state.order,
    state.from,
    state.to,
    state.here,
    ready,
    again,
    invalid === undefined,
  ]);
  const answer = search?.state;
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
  const covered = useCover(link, log, search, range, answer?.count ?? 0);
  const [exporting, startExport] = useExport(search, log);

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
  useKeys(
    active
      ? {
          j: () => move(1),
          k: () => move(-1),
          ArrowDown: (event) => {
            event.preventDefault();
            move(1);
          },
          ArrowUp: (event) => {
            event.preventDefault();
            move(-1);
          },
          Enter: () => {
            const row = search?.row(cursor);
            if (row !== undefined) open(row);
          },
        }
      : {},
  );

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
  const seenHere = Array.from(
    { length: Math.max(0, Math.min(range[1], answer?.count ?? 0) - range[0]) },
    (_, i) => search?.row(range[0] + i),
  ).filter((row): row is Row => row !== undefined);
  const included = seenHere.filter((row) => covered.get(row.hash) === true).length;
  const byServer = answer?.by === 'server';
  const newer =
    ready && answer !== undefined && answer.treeSize > 0
      ? feed.trust!.checkpoint!.size - answer.treeSize
      : 0;
  return (
    <div class="explore">
      <aside class="facets" aria-label="Facets">
        {answer?.facets
          .filter((facet) => facet.values.length > 0)
          .map((facet) => (
            <FacetBox
              key={facet.field}
              facet={facet}
              total={answer.count}
              exact={answer.facetsExact}
              query={state.query}
              byServer={byServer}
              choose={(value, exclude) =>
                set({ query: narrowed(state.query, facet.field, value, exclude) })
              }
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
        {times.length > 1 && (
          <OutcomeChart
            label="Matches over time"
            times={times}
            counts={counts}
            height={92}
            onBrush={brush}
          />
        )}
        <div class="explore-bar">
          <span class="count" role="status" data-count={answer?.count} data-exact={answer?.exact}>
            {search === undefined
              ? invalid === undefined
                ? 'waiting for the checkpoint'
                : 'the query cannot be read'
              : countWords(search, range)}
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
          <span class="grow" />
          {newer > 0 && (
            <button type="button" class="pill" onClick={() => setAgain(again + 1)}>
              {thousands(newer)} newer records: search again
            </button>
          )}
          <RangeMenu from={state.from} to={state.to} choose={(from, to) => set({ from, to })} />
          <button
            type="button"
            onClick={() => set({ order: state.order === 'newest' ? 'oldest' : 'newest' })}
          >
            {state.order} first
          </button>
          <SavedMenu log={log} />
          <details class="menu">
            <summary>columns</summary>
            <fieldset>
              <legend class="off-screen">Columns</legend>
              {columnNames.map((name) => (
                <label key={name}>
                  <input
                    type="checkbox"
                    checked={state.columns.includes(name)}
                    onChange={(event) =>
                      set({
                        columns: event.currentTarget.checked
                          ? columnNames.filter((one) => one === name || state.columns.includes(one))
                          : state.columns.filter((one) => one !== name),
                      })
                    }
                  />{' '}
                  {name}
                </label>
              ))}
            </fieldset>
          </details>
          {exporting === undefined ? (
            <details class="menu">
              <summary>export</summary>
              <div>
                <button type="button" onClick={() => startExport('jsonl')}>
                  JSON Lines
                </button>
                <button type="button" onClick={() => startExport('csv')}>
                  CSV
                </button>
              </div>
            </details>
          ) : (
            <span class="exporting" role="status">
              <progress
                max={Math.max(1, answer?.count ?? 1)}
                value={exporting.done}
                aria-label="Export"
              />{' '}
              {thousands(exporting.done)}{' '}
              <button type="button" onClick={() => exporting.stop.abort()}>
                cancel
              </button>
            </span>
          )}
        </div>
        <List
          label="Records that match"
          count={answer?.count ?? 0}
          rowHeight={rowHeight}
          control={control}
          keyOf={(position) => search?.row(position)?.index ?? `at ${position}`}
          head={<RowHead columns={state.columns} />}
          onRange={(first, end) => {
            setRange([first, end]);
            search?.want(first, end);
          }}
          empty={
            answer?.running === true ? (
              <p class="fine">Looking.</p>
            ) : state.query === '' ? (
              <p class="fine">This log has no records yet.</p>
            ) : (
              <div class="examples">
                <p>
                  Nothing matches <code>{state.query}</code>. Some that may:
                </p>
                <ul>
                  {examples.map((one) => (
                    <li key={one}>
                      <a href={exploreRoute(log, { ...state, query: one })}>
                        <code>{one}</code>
                      </a>
                    </li>
                  ))}
                </ul>
              </div>
            )
          }
          row={(position) => {
            const row = search?.row(position);
            if (row === undefined)
              return (
                <div role="row" class="event-row waiting">
                  <div role="gridcell">…</div>
                </div>
              );
            return (
              <EventRow
                row={row}
                columns={state.columns}
                dated
                selected={selected === undefined ? position === cursor : row.index === selected}
                covered={covered.get(row.hash)}
                filter={(field, value, exclude) =>
                  set({ query: narrowed(state.query, field, value, exclude) })
                }
                open={(one) => {
                  setCursor(position);
                  open(one);
                }}
              />
            );
          }}
        />
        {search !== undefined && (
          <IsThatAll search={search} log={log} readHere={() => set({ here: true })} />
        )}
      </div>
    </div>
  );
}
