// What came before and after a record, for the same actor, target, trace or session.

import { useEffect, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { ApiError, HttpDoor } from '../api/client.ts';
import { askFound } from '../found.ts';
import type { Link } from '../link.ts';
import { useLatest } from '../parts/hooks.ts';
import { OutcomeMark, ServerSays, Strange, WholeText, dayTime } from '../parts/text.tsx';
import { targetTerm, termOf } from '../record/narrow.ts';
import { targetWords, type Row } from '../record/row.ts';
import { go, recordRoute, writeRoute } from '../route.ts';
import { thousands } from '../seal.ts';

const each = 5;

// An answer may end before it has looked everywhere. So often it is asked on by itself.
const askedOnMax = 20;
// As buttons; the other targets are in a menu.
const targetsShown = 3;

interface Way {
  /** In addresses: the same one of another record. */
  name: string;
  words: string;
  term: string;
}

/** The ways in which a record is tied to others; each target is one. */
export function waysOf(row: Row): Way[] {
  const ids = row.targets.filter((target) => target.id !== '');
  const same = (name: string, field: string, value: string): Way[] =>
    value === '' ? [] : [{ name, words: `same ${name}`, term: termOf(field, value) }];
  const targets = ids.map((target, i) => ({
    name: i === 0 ? 'target' : `target-${i + 1}`,
    words: ids.length === 1 ? 'same target' : `target ${targetWords(target)}`,
    term: targetTerm(target),
  }));
  const ways = [
    ...same('actor', 'actor.id', row.actorId),
    ...targets,
    ...same('trace', 'trace', row.traceId),
    ...same('session', 'session', row.sessionId),
    ...same('request', 'request', row.requestId),
  ];
  return ways.filter((way, at) => ways.findIndex((other) => other.term === way.term) === at);
}

/** What was found on one side, and where to look on: empty when all of it was looked through, or enough is found. */
interface Side {
  rows: Row[];
  cursor: string;
}

const noSide: Side = { rows: [], cursor: '' };

async function lookOn(
  link: Link,
  log: string,
  query: string,
  order: 'newest' | 'oldest',
  before: Side,
): Promise<Side> {
  const door = new HttpDoor(link.base, () => link.token);
  const rows = [...before.rows];
  let { cursor } = before;
  for (let asked = 0; asked < askedOnMax; asked++) {
    const parameters = new URLSearchParams({ q: query, order, limit: String(each - rows.length) });
    if (cursor !== '') parameters.set('cursor', cursor);
    const last = rows[rows.length - 1]?.index;
    const sought = { query, order, treeSize: undefined, before: last, behind: undefined };
    const found = await askFound({ link, door, log }, parameters, sought);
    rows.push(...found.rows);
    cursor = rows.length < each ? String(found.answer['nextCursor'] ?? '') : '';
    if (cursor === '') break;
  }
  return { rows, cursor };
}

export function Around({
  link,
  log,
  row,
  parameters,
}: {
  link: Link;
  log: string;
  row: Row;
  /** Of the address: what the record was come by. */
  parameters: URLSearchParams;
}): JSX.Element {
  const ways = waysOf(row);
  const asked = parameters.get('way');
  const [found, setFound] = useState<{ before: Side; after: Side }>();
  const [looking, setLooking] = useState(false);
  const [error, setError] = useState('');
  const way = ways.find((one) => one.name === asked) ?? ways[0];
  const ask = useLatest([link, log, row.hash, way?.term]);
  const look = (term: string, from: { before: Side; after: Side } | undefined): void => {
    const isWanted = ask();
    setError('');
    setLooking(true);
    const side = (old: Side | undefined, range: string, order: 'newest' | 'oldest') =>
      old !== undefined && old.cursor === ''
        ? Promise.resolve(old)
        : lookOn(link, log, `${term} ${range}`, order, old ?? noSide);
    Promise.all([
      row.index === 0
        ? Promise.resolve(noSide)
        : side(from?.before, `index:<=${row.index - 1}`, 'newest'),
      side(from?.after, `index:>=${row.index + 1}`, 'oldest'),
    ])
      .then(
        ([before, after]) => isWanted() && setFound({ before, after }),
        (failed: unknown) =>
          isWanted() && setError(failed instanceof ApiError ? failed.message : String(failed)),
      )
      .finally(() => isWanted() && setLooking(false));
  };
  useEffect(() => {
    setFound(undefined);
    if (way !== undefined) look(way.term, undefined);
  }, [link, log, row.hash, way?.term]);
  if (way === undefined) return <p class="fine">Nothing in this record ties it to others.</p>;
  const targets = ways.filter(
    (one) => one.name.startsWith('target') && one.words !== 'same target',
  );
  const inMenu = targets.slice(targetsShown);
  const button = (one: Way): JSX.Element => (
    <button
      key={one.term}
      type="button"
      aria-pressed={one === way}
      onClick={() => go(recordRoute(log, row.index, parameters, { way: one.name }), true)}
    >
      <Strange text={one.words} charactersMax={60} />
    </button>
  );
  const unseen = (side: Side, words: string): JSX.Element | null =>
    side.cursor === '' ? null : (
      <li class="unseen">
        Not all {words} it is looked through yet.{' '}
        <button type="button" disabled={looking} onClick={() => look(way.term, found)}>
          look on
        </button>
      </li>
    );
  const line = (one: Row): JSX.Element => (
    <li key={one.index}>
      <a href={recordRoute(log, one.index, parameters, { hash: one.hash })}>
        {dayTime(one.receivedMs)}
      </a>{' '}
      <OutcomeMark outcome={one.outcome} word={false} />{' '}
      <b>
        <Strange text={one.actorId} />
      </b>{' '}
      <Strange text={one.action} /> <Strange text={one.targets.map(targetWords).join(', ')} />
    </li>
  );
  return (
    <div class="around">
      <p class="row">
        {ways.filter((one) => !inMenu.includes(one)).map(button)}
        {inMenu.length > 0 && (
          <details class="menu">
            <summary>
              {inMenu.includes(way) ? (
                <Strange text={way.words} charactersMax={60} />
              ) : (
                `${inMenu.length} more targets`
              )}
            </summary>
            <div>{inMenu.map(button)}</div>
          </details>
        )}
        <a href={writeRoute(log, 'explore', { q: way.term })}>all of them</a>
      </p>
      {error !== '' && (
        <p class="notice amber">
          Could not be loaded: <WholeText text={error} />.
        </p>
      )}
      {looking && found === undefined && <p class="fine">Looking.</p>}
      {found !== undefined && (
        <ol class="plain">
          {unseen(found.before, 'before')}
          {found.before.rows.toReversed().map(line)}
          <li class="here">
            <b>record {thousands(row.index)}, this one</b>
          </li>
          {found.after.rows.map(line)}
          {unseen(found.after, 'after')}
        </ol>
      )}
      <p class="fine">
        At most {each} on each side; <ServerSays what="found by the server" />. Each is checked when
        it is opened.
      </p>
    </div>
  );
}
