// What is chosen for all pages: the log, the zone of times, the theme.

import { useCallback, useEffect, useReducer, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { HttpDoor, listLogs } from '../api/client.ts';
import type { Link } from '../link.ts';
import { go, writeRoute } from '../route.ts';
import { settings, type Theme } from '../settings.ts';
import { utc } from '../time.ts';
import { Icon } from './icons.tsx';

export function LogSwitch({ link, log }: { link: Link; log: string }): JSX.Element {
  const [names, setNames] = useState<string[]>([log]);
  const load = useCallback(() => {
    listLogs(new HttpDoor(link.base, () => link.token)).then(
      (logs) => setNames(logs.map((one) => one.name)),
      () => undefined,
    );
  }, [link]);
  useEffect(load, [load]);
  const all = names.includes(log) ? names : [log, ...names];
  return (
    <select
      class="log-switch"
      aria-label="Log"
      value={log}
      onFocus={load}
      onChange={(event) => go(writeRoute(event.currentTarget.value, 'live'))}
    >
      {all.map((name) => (
        <option key={name} value={name}>
          {name}
        </option>
      ))}
    </select>
  );
}

const zoneNames = [utc, ...Intl.supportedValuesOf('timeZone')];
// Made once, and then the same: several hundred, which nothing has to compare again.
let zones: JSX.Element | undefined;
const otherZones = (): JSX.Element =>
  (zones ??= (
    <optgroup label="others">
      {zoneNames
        .filter((name) => name !== utc)
        .map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
    </optgroup>
  ));

export function Chosen(): JSX.Element {
  const [, draw] = useReducer((n: number) => n + 1, 0);
  useEffect(() => settings.listen(() => draw(undefined as never)) as () => void, []);
  const { dark } = settings;
  const next: Theme = dark ? 'light' : 'dark';
  return (
    <>
      <select
        class="zone"
        aria-label="Time zone of all times on this page"
        title="Time zone of all times on this page"
        value={settings.zone}
        onChange={(event) => settings.setZone(event.currentTarget.value)}
      >
        <option value="">local</option>
        <option value={utc}>UTC</option>
        {/* Kept under a name that this browser does not list. */}
        {settings.zone !== '' && !zoneNames.includes(settings.zone) && (
          <option value={settings.zone}>{settings.zone}</option>
        )}
        {otherZones()}
      </select>
      <button
        type="button"
        class="quiet"
        aria-label={`Use the ${next} theme`}
        title={`${next} theme`}
        onClick={() => settings.setTheme(next)}
      >
        <Icon name={dark ? 'sun' : 'moon'} />
      </button>
    </>
  );
}
