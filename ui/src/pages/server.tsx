// What the server says of itself: its state, its disk, its scrubber. Nobody checked it.

import { useEffect, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { HttpDoor, type Json } from '../api/client.ts';
import type { TrustState } from '../engine/protocol.ts';
import type { Link } from '../link.ts';
import { fullTime, Section, ServerSays, Strange } from '../parts/text.tsx';
import { plainText } from '../record/safety.ts';
import { span, thousands } from '../seal.ts';

const shownStatus: readonly [string, string][] = [
  ['state', 'state'],
  ['stateReason', 'why'],
  ['version', 'version'],
  ['startedAt', 'started'],
  ['eventsAppended', 'events since then'],
  ['eventsDuplicate', 'duplicates'],
  ['requestsRefused', 'refused'],
  ['checkpointsSigned', 'checkpoints signed'],
  ['batches', 'batches'],
  ['recoveryReport', 'recovery'],
];

const isBad = (name: string, value: string): boolean =>
  name === 'stateReason' || (name === 'state' && value !== 'SERVER_STATE_SERVING');

function shownValue(value: string): string {
  if (/^\d+$/.test(value)) return thousands(Number(value));
  if (value.startsWith('SERVER_STATE_'))
    return value.slice('SERVER_STATE_'.length).toLowerCase().replaceAll('_', ' ');
  return /^\d{4}-\d\d-\d\dT/.test(value) ? fullTime(Date.parse(value)) : value;
}

const bytesText = (value: unknown): string =>
  Number(value) > 1e9
    ? `${(Number(value) / 1e9).toFixed(1)} GB`
    : `${(Number(value) / 1e6).toFixed(1)} MB`;

function diskLines(status: Json): [string, string][] {
  return [
    [
      'disk left',
      `${bytesText(status['diskFreeBytes'])}, of which ${bytesText(status['diskReserveBytes'])} are kept back`,
    ],
    [
      'journal',
      `${bytesText(status['journalBytesUsed'])} of ${bytesText(status['journalBytesMax'])}`,
    ],
  ];
}

/** What the scrubber, which reads all that is stored again and again, says. */
function scrubLines(status: Json): [string, string][] {
  const scrub = status['scrub'] as Json | undefined;
  if (scrub === undefined || scrub === null) return [];
  const last =
    typeof scrub['lastRoundEndedAt'] === 'string'
      ? fullTime(Date.parse(scrub['lastRoundEndedAt']))
      : 'not yet';
  return [
    [
      'scrubber',
      `round ${Number(scrub['rounds'] ?? 0) + 1}, ${Math.round(Number(scrub['progress'] ?? 0) * 100)} %`,
    ],
    ['last full pass', last],
    ['scrubber findings', thousands(Number(scrub['findingsCount'] ?? 0))],
  ];
}

/** How each witness answers the server that asks for its line. */
function witnessLines(status: Json): [string, string, boolean][] {
  const list = status['witnesses'];
  if (!Array.isArray(list)) return [];
  return (list as Json[]).slice(0, 20).map((one) => {
    const logs = Number(one['logsCosigned'] ?? 0);
    const problem = String(one['problem'] ?? '');
    return [
      `witness ${plainText(String(one['name'] ?? '').slice(0, 80))}`,
      problem === ''
        ? `cosigns ${thousands(logs)} ${logs === 1 ? 'log' : 'logs'}`
        : plainText(problem.slice(0, 300)),
      problem !== '',
    ];
  });
}

const clockFarMs = 3000;

function clockWords(aheadMs: number): string {
  if (Math.abs(aheadMs) < clockFarMs) return "agrees with this browser's";
  return `${span(Math.abs(aheadMs))} ${aheadMs > 0 ? 'ahead of' : 'behind'} this browser's: ages of what it signs are that much off`;
}

export function Server({ link, trust }: { link: Link; trust: TrustState }): JSX.Element {
  const [status, setStatus] = useState<Json>();
  const [rate, setRate] = useState<number>();
  const [clock, setClock] = useState<number>();
  useEffect(() => {
    const door = new HttpDoor(link.base, () => link.token);
    let before: { appended: number; at: number } | undefined;
    const take = (taken: Json): void => {
      const now = { appended: Number(taken['eventsAppended']), at: performance.now() };
      if (before !== undefined && now.appended >= before.appended)
        setRate((1000 * (now.appended - before.appended)) / (now.at - before.at));
      before = now;
      setClock(door.clockAheadMs);
      setStatus(taken);
    };
    const load = (): void => void door.getJson('status', true).then(take, () => undefined);
    load();
    const timer = setInterval(load, 5000);
    return () => clearInterval(timer);
  }, [link]);
  return (
    <Section title="Server" aside={<ServerSays />}>
      <dl class="facts">
        <div>
          <dt>exactly once within</dt>
          <dd>
            {trust.facts === undefined
              ? ''
              : `${thousands(Number(trust.facts.duplicateWindow))} records`}
          </dd>
        </div>
        <div>
          <dt>durable</dt>
          <dd>{thousands(trust.durable)}</dd>
        </div>
        {trust.facts?.cosignedSize !== undefined && (
          <div>
            <dt>cosigned</dt>
            <dd>{thousands(trust.facts.cosignedSize)}</dd>
          </div>
        )}
        {status !== undefined &&
          shownStatus.map(([name, words]) => {
            const value = status[name];
            if (typeof value !== 'string' || value === '') return null;
            return (
              <div key={name}>
                <dt>{words}</dt>
                <dd class={isBad(name, value) ? 'bad' : ''}>
                  <Strange text={shownValue(value)} charactersMax={1000} />
                </dd>
              </div>
            );
          })}
        {status !== undefined &&
          diskLines(status).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        {status !== undefined &&
          witnessLines(status).map(([name, words, bad]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd class={bad ? 'bad' : ''}>{words}</dd>
            </div>
          ))}
        {clock !== undefined && (
          <div data-clock>
            <dt>its clock</dt>
            <dd class={Math.abs(clock) < clockFarMs ? '' : 'bad'}>{clockWords(clock)}</dd>
          </div>
        )}
        {rate !== undefined && (
          <div>
            <dt>all logs together take</dt>
            <dd>{rate < 10 ? rate.toFixed(1) : thousands(Math.round(rate))} /s</dd>
          </div>
        )}
        {status !== undefined &&
          scrubLines(status).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd class={name === 'scrubber findings' && value !== '0' ? 'bad' : ''}>{value}</dd>
            </div>
          ))}
      </dl>
    </Section>
  );
}
