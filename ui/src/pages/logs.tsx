// All logs of this server.

import { useEffect, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { ApiError, HttpDoor, listLogs, type LogFacts } from '../api/client.ts';
import { makeLog } from '../commands.ts';
import type { Link } from '../link.ts';
import { BeforeRunning } from '../parts/commands.tsx';
import { useKeys, usePlace } from '../parts/hooks.ts';
import { SealShape } from '../parts/seal.tsx';
import { Command, ServerSays, Strange } from '../parts/text.tsx';
import { TokenForm } from '../parts/token.tsx';
import { go, writeRoute } from '../route.ts';
import { span, thousands } from '../seal.ts';

interface Props {
  link: Link;
  /** Whether one of them did not fit: title and icon say so, here too. */
  onBroken: (broken: boolean) => void;
}

export function Logs({ link, onBroken }: Props): JSX.Element {
  const [logs, setLogs] = useState<LogFacts[]>();
  const [rates, setRates] = useState(new Map<string, number>());
  const [error, setError] = useState<ApiError>();
  const [broken, setBroken] = useState<readonly string[]>([]);
  const [at, setAt] = useState(0);
  const place = usePlace();
  useEffect(() => {
    const door = new HttpDoor(link.base, () => link.token);
    let before: { at: number; sizes: Map<string, number> } | undefined;
    let ended = false;
    const load = async (): Promise<void> => {
      try {
        const found = await listLogs(door);
        if (ended) return;
        const now = Date.now();
        if (before !== undefined) {
          const past = before;
          setRates(
            new Map(
              found.map((log) => [
                log.name,
                ((log.publishedSize - (past.sizes.get(log.name) ?? log.publishedSize)) * 1000) /
                  (now - past.at),
              ]),
            ),
          );
        }
        before = { at: now, sizes: new Map(found.map((log) => [log.name, log.publishedSize])) };
        setLogs(found);
        setError(undefined);
        // Another tab may have found something meanwhile.
        const names = found.map((log) => ({ log: log.name, vkey: log.vkey }));
        const wrong = await link
          .ask<string[]>({ call: 'broken', logs: names })
          .catch(() => undefined);
        if (ended || wrong === undefined) return;
        setBroken(wrong);
        onBroken(wrong.length > 0);
      } catch (failed) {
        if (failed instanceof ApiError) setError(failed);
      }
    };
    void load();
    const timer = setInterval(() => {
      if (!document.hidden) void load();
    }, 2000);
    return () => {
      ended = true;
      clearInterval(timer);
    };
  }, [link]);
  const count = logs?.length ?? 0;
  useKeys({
    j: () => setAt(Math.min(count - 1, at + 1)),
    k: () => setAt(Math.max(0, at - 1)),
    Enter: () => {
      const log = logs?.[at];
      if (log !== undefined) go(writeRoute(log.name, 'live'));
    },
  });
  return (
    <div class="page-text wide">
      {broken.length > 0 && (
        <div class="alarm" role="alert">
          <SealShape kind="broken" size={18} /> <b>Does not fit.</b>{' '}
          <span>
            {broken.length === 1
              ? `What the server showed of ${broken[0]} contradicts itself.`
              : `What the server showed of ${thousands(broken.length)} logs contradicts itself.`}
          </span>{' '}
          <a href={writeRoute(broken[0]!, 'trust')}>what to do</a>
        </div>
      )}
      <h1>Logs</h1>
      {error?.status === 401 && <TokenForm link={link} restart={() => location.reload()} />}
      {error !== undefined && error.status !== 401 && (
        <p class="notice amber" role="alert">
          <Strange text={error.message} charactersMax={1000} />.
        </p>
      )}
      {logs !== undefined && (
        <table class="logs">
          <caption class="off-screen">The logs of this server, their size, rate and state</caption>
          <thead>
            <tr>
              <th scope="col">log</th>
              <th scope="col" class="number">
                records
              </th>
              <th scope="col" class="number">
                rate
              </th>
              <th scope="col">last record</th>
              <th scope="col">state</th>
              <th scope="col">origin</th>
            </tr>
          </thead>
          <tbody>
            {logs.map((log, i) => (
              <tr key={log.name} class={i === at ? 'selected' : ''}>
                <th scope="row">
                  <a href={writeRoute(log.name, 'live')}>{log.name}</a>
                  {log.name.startsWith('_') && <small> of the server itself</small>}
                </th>
                <td class="number">{thousands(log.publishedSize)}</td>
                <td class="number">
                  {rates.has(log.name)
                    ? `${rates.get(log.name)!.toFixed(rates.get(log.name)! < 10 ? 1 : 0)} /s`
                    : '–'}
                </td>
                <td>
                  {log.lastReceivedAt === undefined
                    ? 'none yet'
                    : `${span(Date.now() - Date.parse(log.lastReceivedAt))} ago`}
                </td>
                <td class={log.state === 'LOG_STATE_ACTIVE' ? '' : 'bad'}>
                  {broken.includes(log.name) && (
                    <a class="bad" href={writeRoute(log.name, 'trust')}>
                      <SealShape kind="broken" size={14} /> does not fit{' '}
                    </a>
                  )}
                  {log.state === 'LOG_STATE_ACTIVE' ? (
                    'takes events'
                  ) : (
                    <>
                      read-only: <Strange text={log.stateReason} charactersMax={1000} />
                    </>
                  )}
                </td>
                <td class="mono origin">
                  <Strange text={log.origin} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {logs !== undefined && (
        <p class="fine">
          <ServerSays what="the server says all of this" />; open a log to have it checked.
        </p>
      )}
      {logs?.length === 0 && <p>No log yet.</p>}
      <details class="how">
        <summary>Make another log</summary>
        <Command text={makeLog(place)} />
        <BeforeRunning place={place} />
      </details>
    </div>
  );
}
