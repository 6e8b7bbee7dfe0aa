// The frame: rail, top bar, the page of the address, and a record beside it.

import { useEffect, useMemo, useReducer, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { HttpDoor, listLogs } from './api/client.ts';
import { Feed } from './feed.ts';
import type { Link } from './link.ts';
import { DropExplain } from './pages/drop.tsx';
import { Explore, exploreRoute, exploreState } from './pages/explore.tsx';
import { Live } from './pages/live.tsx';
import { Logs } from './pages/logs.tsx';
import { RecordPage } from './pages/record.tsx';
import { Trust } from './pages/trust.tsx';
import { Boundary } from './parts/boundary.tsx';
import { Chosen, LogSwitch } from './parts/chosen.tsx';
import { CommandsDialog } from './parts/commands.tsx';
import { Help } from './parts/help.tsx';
import { useDrop, useKeys, useMenus, useRoute, useTrust } from './parts/hooks.ts';
import { Icon } from './parts/icons.tsx';
import { QueryBox } from './parts/query.tsx';
import { pages, Rail } from './parts/rail.tsx';
import { SealButton, SealShape, useTabSeal } from './parts/seal.tsx';
import { Strange } from './parts/text.tsx';
import { TokenForm } from './parts/token.tsx';
import { useValues, ValuesDialog } from './parts/values.tsx';
import { parseVkey } from './proof/note.ts';
import { visibleQuery } from './record/narrow.ts';
import { askForPlace } from './place.ts';
import { go, recordTab, withTab, writeRoute, type Route } from './route.ts';
import { rangeOf, withRange } from './range.ts';
import type { Facet } from './search.ts';
import { settings } from './settings.ts';
import type { Row } from './record/row.ts';

/** Values of a field, from facets if there are some, else from the newest rows. */
function seenValues(feed: Feed | undefined, facets: Facet[], field: string): string[] {
  const facet = facets.find((one) => one.field === field || one.field === `${field}.id`);
  if (facet !== undefined) return facet.values.map((one) => one.value);
  const read: Record<string, (row: Row) => string> = {
    actor: (row) => row.actorId,
    'actor.id': (row) => row.actorId,
    'actor.type': (row) => row.actorType,
    action: (row) => row.action,
    outcome: (row) => row.outcome,
    service: (row) => row.service,
    ip: (row) => row.ip,
    'target.type': (row) => row.targets[0]?.type ?? '',
    'target.id': (row) => row.targets[0]?.id ?? '',
    target: (row) => row.targets[0]?.id ?? '',
    written_by: (row) => row.writtenBy,
  };
  const own = read[field];
  if (own === undefined || feed === undefined) return [];
  const counts = new Map<string, number>();
  for (const row of feed.rows.slice(-2000)) counts.set(own(row), (counts.get(own(row)) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]).map(([value]) => value);
}

function useWide(): boolean {
  const query = useMemo(() => matchMedia('print, (min-width: 720px)'), []);
  const [wide, setWide] = useState(query.matches);
  useEffect(() => {
    const changed = (): void => setWide(query.matches);
    query.addEventListener('change', changed);
    return () => query.removeEventListener('change', changed);
  }, [query]);
  return wide;
}

/** The same place with other parameters; nothing to go back to. */
function change(route: Route, parameters: Record<string, string>): void {
  const index = route.page === 'record' ? route.index : undefined;
  go(writeRoute(route.log, route.page, parameters, index), true);
}

// A key in the fragment pins: it came with the link, and not from the server.
function takePin(link: Link, route: Route): void {
  const pin = route.parameters.get('pin');
  if (pin === null || route.log === '') return;
  if (typeof parseVkey(pin) !== 'string')
    void link.ask({ call: 'pin', log: route.log, vkey: pin, how: 'link' }).catch(() => undefined);
  change(route, Object.fromEntries([...route.parameters].filter(([name]) => name !== 'pin')));
}

// A query can turn the line that it stands in around: in the address, too, it looks like what it is.
function showQuery(route: Route): void {
  const query = route.parameters.get('q') ?? '';
  const visible = visibleQuery(query);
  if (visible !== query) change(route, { ...Object.fromEntries(route.parameters), q: visible });
}

export function App({ link }: { link: Link }): JSX.Element {
  const route = useRoute();
  useMenus();
  const wide = useWide();
  const [feed, setFeed] = useState<Feed>();
  const [help, setHelp] = useState(false);
  const [commands, setCommands] = useState(false);
  const [values, closeValues] = useValues();
  const [dropped, setDropped] = useState<{ file: File; log: string; taken: boolean }>();
  const [facets, setFacets] = useState<Facet[]>([]);
  const [queryError, setQueryError] = useState<{ column: number | undefined; message: string }>();
  const [, draw] = useReducer((n: number) => n + 1, 0);
  useEffect(() => settings.listen(() => draw(undefined as never)) as () => void, []);

  useEffect(() => {
    if (route.log === '') return setFeed(undefined);
    const made = new Feed(link, route.log);
    setFeed(made);
    takePin(link, route);
    const looked = (): void => {
      if (!document.hidden) made.looked();
    };
    window.addEventListener('focus', looked);
    document.addEventListener('visibilitychange', looked);
    return () => {
      window.removeEventListener('focus', looked);
      document.removeEventListener('visibilitychange', looked);
      made.close();
    };
  }, [link, route.log]);
  useEffect(() => takePin(link, route), [route]);
  useEffect(() => showQuery(route), [route]);
  // The only log is the one that is meant; with several, the reader chooses.
  useEffect(() => {
    if (route.log !== '' || location.hash !== '') return;
    listLogs(new HttpDoor(link.base, () => link.token)).then(
      (logs) => {
        const own = logs.filter((log) => !log.name.startsWith('_'));
        if (own.length === 1 && location.hash === '') go(writeRoute(own[0]!.name, 'live'), true);
      },
      () => undefined,
    );
  }, [link, route.log]);
  useEffect(() => void askForPlace(new HttpDoor(link.base, () => link.token)), [link]);
  useTrust(feed);
  const [someBroken, setSomeBroken] = useState(false);
  useTabSeal(feed?.trust, route.log === '' ? 'Logs' : route.log, route.log === '' && someBroken);

  const keys = Object.fromEntries(
    pages.map(({ page, key }) => [key, () => go(writeRoute(route.log, page))]),
  );
  useKeys({
    ...keys,
    '/': (event) => {
      event.preventDefault();
      document.getElementById('query')?.focus();
    },
    '?': () => setHelp(true),
    c: () => setCommands(true),
  });

  // Whatever is dropped, wherever: Trust says what it is, or the page of all logs, where no log is asked about it.
  useDrop((file) => {
    setDropped({ file, log: route.log, taken: false });
    if (route.log !== '') go(writeRoute(route.log, 'trust'));
  });

  // Under the log that it was dropped on, and once.
  const fresh = dropped?.log === route.log && !dropped.taken ? dropped.file : undefined;
  const taken = (): void => setDropped((one) => one && { ...one, taken: true });

  const inRecord = route.page === 'record';
  const under = inRecord
    ? route.parameters.get('from') === 'explore'
      ? 'explore'
      : 'live'
    : route.page;
  const state = useMemo(() => exploreState(route.parameters), [route.parameters.toString()]);
  const query = route.parameters.get('q') ?? '';
  const asked = rangeOf(state.from, state.to);
  const limits = typeof asked === 'string' ? undefined : asked;
  const back =
    under === 'explore'
      ? exploreRoute(route.log, state)
      : writeRoute(route.log, 'live', { q: query });
  const rowHeight = wide ? 30 : 52;
  const refused = feed?.trust?.absent?.sentence.includes('asks for a token') === true;
  const noLog = feed?.trust?.absent?.word === 'no such log';
  const nothing = refused || noLog;
  const selected = inRecord ? route.index : undefined;
  const tab = recordTab(route.parameters);
  const trust = feed?.trust;
  return (
    <div
      class={`frame ${inRecord ? 'with-record' : ''} ${trust !== undefined && trust.broken.length > 0 ? 'is-broken' : ''}`}
    >
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          document.getElementById('main')?.focus();
        }}
      >
        to the content
      </a>
      <Rail route={route} commands={() => setCommands(true)} />
      <header class="topbar">
        {route.log !== '' && <LogSwitch link={link} log={route.log} />}
        {route.log !== '' && under !== 'trust' ? (
          <QueryBox
            value={visibleQuery(query)}
            seen={(field) => seenValues(feed, facets, field)}
            error={under === 'explore' ? queryError : undefined}
            onQuery={(typed) => {
              const next = visibleQuery(typed);
              go(
                under === 'explore'
                  ? exploreRoute(route.log, { ...state, query: next })
                  : writeRoute(route.log, 'live', { q: next }),
              );
            }}
          />
        ) : (
          <span class="grow" />
        )}
        <button
          type="button"
          class="quiet same"
          aria-label="Commands that give the same"
          title="Commands that give the same (c)"
          onClick={() => setCommands(true)}
        >
          <Icon name="command" />
        </button>
        <Chosen />
        {route.log !== '' && <SealButton trust={trust} log={route.log} />}
      </header>
      {trust !== undefined && trust.broken.length > 0 && (
        <div class="alarm" role="alert">
          <SealShape kind="broken" size={18} /> <b>Does not fit.</b>{' '}
          <Strange text={trust.broken[0]!.sentence} charactersMax={500} />{' '}
          <a href={writeRoute(route.log, 'trust')}>what to do</a>
        </div>
      )}
      <Boundary
        tag="main"
        of={location.hash}
        id="main"
        tabIndex={-1}
        class={`content ${under === 'live' || under === 'explore' ? 'still' : ''}`}
      >
        {route.wrong !== undefined && (
          <p class="notice amber" role="alert" data-address="wrong">
            {route.wrong}
          </p>
        )}
        {noLog && (
          <div class="page-text" role="alert" data-log="none">
            <h1>No such log</h1>
            <p>
              This server has no log <code>{route.log}</code>, or shows it to others.{' '}
              <a href="#/logs">Logs that it shows</a>
            </p>
          </div>
        )}
        {route.page === 'logs' && (
          <>
            <Logs link={link} onBroken={setSomeBroken} />
            {dropped?.log === '' && (
              <div class="page-text">
                <DropExplain link={link} log="" dropped={fresh} taken={taken} />
              </div>
            )}
          </>
        )}
        {refused && <TokenForm link={link} restart={() => location.reload()} />}
        {!nothing && feed !== undefined && feed.log === route.log && under === 'live' && (
          <Live
            key={feed.log}
            feed={feed}
            log={route.log}
            query={query}
            selected={selected}
            tab={tab}
            rowHeight={rowHeight}
            active={!help && !commands && values === undefined}
          />
        )}
        {!nothing && feed !== undefined && feed.log === route.log && under === 'explore' && (
          <Explore
            key={feed.log}
            link={link}
            feed={feed}
            log={route.log}
            state={state}
            selected={selected}
            tab={tab}
            rowHeight={rowHeight}
            active={!help && !commands && values === undefined}
            onSeen={setFacets}
            onError={setQueryError}
          />
        )}
        {!refused && feed !== undefined && feed.log === route.log && under === 'trust' && (
          <Trust
            key={feed.log}
            link={link}
            feed={feed}
            log={route.log}
            dropped={fresh}
            taken={taken}
          />
        )}
      </Boundary>
      {inRecord && feed !== undefined && (
        <Boundary tag="aside" of={location.hash} class="drawer" aria-label="Record">
          <RecordPage
            key={feed.log}
            link={link}
            feed={feed}
            log={route.log}
            index={route.index}
            parameters={route.parameters}
            back={back}
            tab={tab}
            onTab={(chosen) => go(withTab(route, chosen), true)}
          />
        </Boundary>
      )}
      {values !== undefined && <ValuesDialog asked={values} close={closeValues} />}
      {help && <Help close={() => setHelp(false)} />}
      {commands && (
        <CommandsDialog
          shown={{
            log: route.log,
            page: route.page,
            index: inRecord ? route.index : 0,
            query: under === 'explore' ? withRange(query, limits) : query,
            order: state.order,
            vkey: trust?.vkey ?? '',
          }}
          close={() => setCommands(false)}
        />
      )}
    </div>
  );
}
