// Every state of the page has an address. Addresses live behind the "#", so that any server, prefix or file can hold the page.

export type Page = 'live' | 'explore' | 'record' | 'trust' | 'logs';

export interface Route {
  readonly log: string;
  readonly page: Page;
  /** Of the page "record". */
  readonly index: number;
  readonly parameters: URLSearchParams;
  /** What the address says and the page does not have. */
  readonly wrong?: string;
}

/** Views of a record, as they stand beside each other. */
export const recordTabs = ['fields', 'proof', 'around', 'json', 'bytes'] as const;
export type RecordTab = (typeof recordTabs)[number];

export const recordTab = (parameters: URLSearchParams): RecordTab =>
  recordTabs.find((one) => one === parameters.get('tab')) ?? 'fields';

/** What an address carries of it: the first goes without saying. */
export const tabbed = (tab: RecordTab): { tab?: string } => (tab === 'fields' ? {} : { tab });

/** A record's address with all that led to it, but for what is changed. */
export const recordRoute = (
  log: string,
  index: number,
  parameters: URLSearchParams,
  change: Record<string, string | undefined>,
): string => writeRoute(log, 'record', { ...Object.fromEntries(parameters), ...change }, index);

/** The same address with another view of its record. */
export const withTab = (route: Route, tab: RecordTab): string =>
  recordRoute(route.log, route.index, route.parameters, { tab: undefined, ...tabbed(tab) });

export const logName = /^[a-z0-9_][a-z0-9-]{0,62}$/;

export function readRoute(hash: string): Route {
  const text = hash.replace(/^#\/?/, '');
  const mark = text.indexOf('?');
  const path = (mark < 0 ? text : text.slice(0, mark)).split('/').filter((part) => part !== '');
  const parameters = new URLSearchParams(mark < 0 ? '' : text.slice(mark + 1));
  const [log = '', page = 'live', index = ''] = path;
  const nowhere = { log: '', page: 'logs', index: 0, parameters } as const;
  if (log === '' || log === 'logs') return nowhere;
  if (!logName.test(log))
    return { ...nowhere, wrong: 'The address names a log by a name that no log can have.' };
  if (page === 'record' && /^(0|[1-9][0-9]{0,15})$/.test(index))
    return { log, page, index: Number(index), parameters };
  const known: Page = page === 'explore' || page === 'trust' ? page : 'live';
  const route = { log, page: known, index: 0, parameters };
  if (page === 'record')
    return {
      ...route,
      wrong:
        index === ''
          ? 'The address names no record; showing Live instead.'
          : 'The address names a record by something that is no index; showing Live instead.',
    };
  if (page !== known)
    return {
      ...route,
      wrong: 'There is no such page; showing Live instead.',
    };
  return route;
}

export function writeRoute(
  log: string,
  page: Page,
  parameters: Record<string, string | undefined> = {},
  index?: number,
): string {
  if (page === 'logs' || log === '') return '#/logs';
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined && value !== '') query.set(name, value);
  // Readable where that is unambiguous: people look at addresses.
  const text = query.toString().replaceAll('%3A', ':').replaceAll('%2F', '/');
  return `#/${log}/${page}${index === undefined ? '' : `/${index}`}${text === '' ? '' : `?${text}`}`;
}

export function go(hash: string, replace = false): void {
  if (replace) {
    history.replaceState(history.state, '', hash);
    window.dispatchEvent(new HashChangeEvent('hashchange'));
  } else {
    location.hash = hash;
  }
}
