// The commands that give what a view shows: with graven, curl and grpcurl.

import type { Route } from './route.ts';

export interface Shown {
  readonly log: string;
  readonly page: Route['page'];
  /** Of a record. */
  readonly index: number;
  /** Of a search, its time range in it. */
  readonly query: string;
  readonly order: 'newest' | 'oldest';
  /** To be checked with, where one is known. */
  readonly vkey: string;
}

export interface Place {
  /** Where the server's page is, with a slash at the end. */
  readonly base: string;
  readonly host: string;
  readonly tls: boolean;
}

/** The page is not told where gRPC is; this is where it is by itself. */
export const grpcPort = 7465;

/** One word of a shell, whatever stands in it. */
export const quoted = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** Of the server; in `graven view`, which is nobody else's and names the server, not of the page. */
export function placeOfPage(): Place {
  const told = document.querySelector<HTMLMetaElement>('meta[name=graven-host]');
  const base = told?.dataset['server'] ?? new URL('.', document.baseURI).href;
  const { hostname, protocol } = new URL(base);
  // Of an IPv6 address with its brackets.
  return { base, host: hostname, tls: protocol === 'https:' };
}

const gravenOn = (words: string, place: Place): string =>
  `graven ${words} --server ${place.host}:${grpcPort}${place.tls ? ' --tls' : ''}`;

/** Makes another log on the same server. */
export const makeLog = (place: Place): string => gravenOn('logs create NAME', place);

export function sameBy(shown: Shown, place: Place): [string, string][] {
  const { log, page, index, query, order, vkey } = shown;
  const server = `${place.host}:${grpcPort}`;
  const graven = (words: string): [string, string] => ['graven', gravenOn(words, place)];
  const curl = (path: string, flags = '-s'): [string, string] => [
    'curl',
    `curl ${flags} ${quoted(place.base + path)}`,
  ];
  const grpcurl = (method: string, request: object): [string, string] => [
    'grpcurl',
    `grpcurl ${place.tls ? '' : '-plaintext '}-d ${quoted(JSON.stringify(request))} ${server} graven.v1.AuditLogService/${method}`,
  ];
  const search = new URLSearchParams({ q: query, order }).toString();
  switch (page) {
    case 'live':
      return query === ''
        ? [
            graven(`tail --follow --log ${log}`),
            curl(`logs/${log}/live`, '-sN'),
            grpcurl('Tail', { log, from_now: true, want_parsed: true }),
          ]
        : [
            graven(`search ${quoted(query)} --follow --log ${log}`),
            curl(`logs/${log}/live?${new URLSearchParams({ q: query }).toString()}`, '-sN'),
            grpcurl('Search', { log, query, follow: true, want_parsed: true }),
          ];
    case 'explore':
      return [
        graven(`search ${quoted(query)} --${order} --log ${log}`),
        curl(`logs/${log}/search?${search}`),
        grpcurl('Search', {
          log,
          query,
          order: `SEARCH_ORDER_${order.toUpperCase()}_FIRST`,
          want_parsed: true,
        }),
      ];
    case 'record':
      return [
        graven(`show ${index} --log ${log}`),
        graven(`receipt get ${index} --log ${log}`),
        curl(`logs/${log}/records/${index}`),
        grpcurl('GetRecord', { log, index: String(index) }),
      ];
    case 'trust':
      return [
        graven(`verify --log ${log}${vkey === '' ? '' : ` --key ${quoted(vkey)}`}`),
        curl(`logs/${log}/checkpoint`),
        grpcurl('GetCheckpoint', { log }),
      ];
    case 'logs':
      return [graven('logs list'), curl('logs'), grpcurl('ListLogs', {})];
  }
}
