// What came before and after a record, for the same actor, target, trace or session.

import { useEffect, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { ApiError, bytesOf, countOf, HttpDoor, type Json } from '../api/client.ts';
import type { Link } from '../link.ts';
import { OutcomeMark, ServerSays, Strange, dayTime } from '../parts/text.tsx';
import { narrowed, termOf } from '../record/narrow.ts';
import { targetWords, type Row } from '../record/row.ts';
import { writeRoute } from '../route.ts';
import { thousands } from '../seal.ts';

const each = 5;

interface Way {
  words: string;
  field: string;
  value: string;
}

export function waysOf(row: Row): Way[] {
  const target = row.targets[0];
  return [
    { words: 'same actor', field: 'actor.id', value: row.actorId },
    { words: 'same target', field: 'target.id', value: target?.id ?? '' },
    { words: 'same trace', field: 'trace', value: row.traceId },
    { words: 'same session', field: 'session', value: row.sessionId },
    { words: 'same request', field: 'request', value: row.requestId },
  ].filter((way) => way.value !== '');
}

async function search(
  link: Link,
  log: string,
  query: string,
  order: 'newest' | 'oldest',
): Promise<Row[]> {
  const door = new HttpDoor(link.base, () => link.token);
  const address = new URLSearchParams({ q: query, order, limit: String(each) }).toString();
  const answer = await door.getJson(`logs/${log}/search?${address}`, true);
  const list = answer['records'];
  if (!Array.isArray(list))
    throw new ApiError(200, 'BAD_ANSWER', "the answer's records are no list");
  const records = (list as Json[]).map((one) => ({
    index: countOf(one['index'], 'index'),
    bytes: bytesOf(one['record'], 'record') as Uint8Array,
  }));
  return link.ask<Row[]>({ call: 'decode', log, records });
}

export function Around({ link, log, row }: { link: Link; log: string; row: Row }): JSX.Element {
  const ways = waysOf(row);
  const [chosen, setChosen] = useState(ways[0]?.words);
  const [found, setFound] = useState<{ before: Row[]; after: Row[] }>();
  const [error, setError] = useState('');
  const way = ways.find((one) => one.words === chosen) ?? ways[0];
  useEffect(() => {
    if (way === undefined) return;
    let ended = false;
    setFound(undefined);
    setError('');
    const term = termOf(way.field, way.value);
    Promise.all([
      row.index === 0
        ? Promise.resolve([])
        : search(link, log, `${term} index:<=${row.index - 1}`, 'newest'),
      search(link, log, `${term} index:>=${row.index + 1}`, 'oldest'),
    ]).then(
      ([before, after]) => ended || setFound({ before, after }),
      (failed: unknown) =>
        ended || setError(failed instanceof ApiError ? failed.message : String(failed)),
    );
    return () => {
      ended = true;
    };
  }, [link, log, row.hash, way?.words]);
  if (way === undefined) return <p class="fine">Nothing in this record ties it to others.</p>;
  const line = (one: Row): JSX.Element => (
    <li key={one.index}>
      <a href={writeRoute(log, 'record', { hash: one.hash, tab: 'around' }, one.index)}>
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
        {ways.map((one) => (
          <button
            key={one.words}
            type="button"
            aria-pressed={one === way}
            onClick={() => setChosen(one.words)}
          >
            {one.words}
          </button>
        ))}
        <a href={writeRoute(log, 'explore', { q: narrowed('', way.field, way.value, false) })}>
          all of them
        </a>
      </p>
      {error !== '' && <p class="notice amber">Not to be had: {error}.</p>}
      {found !== undefined && (
        <ol class="plain">
          {found.before.toReversed().map(line)}
          <li class="here">
            <b>record {thousands(row.index)}, this one</b>
          </li>
          {found.after.map(line)}
        </ol>
      )}
      <p class="fine">
        At most {each} on each side; <ServerSays what="found by the server" />. Each is checked when
        it is opened.
      </p>
    </div>
  );
}
