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

/** The gRPC door as the server tells of it. */
export interface GrpcDoor {
  /** Empty: the host of the page. */
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** What a caller shows. With both, either of them. */
  readonly token: boolean;
  readonly clientCertificate: boolean;
}

export interface Place {
  /** Where the server's page is, with a slash at the end. */
  readonly base: string;
  readonly host: string;
  /** Null where gRPC has no port. */
  readonly grpc: GrpcDoor | null | 'untold';
}

const usualPort = 7465;

/** The door, or what it would be by itself. */
export function doorOf({ base, grpc }: Place): GrpcDoor {
  if (grpc !== null && grpc !== 'untold') return grpc;
  const tls = base.startsWith('https:');
  return { host: '', port: usualPort, tls, token: false, clientCertificate: false };
}

/** As every client of gRPC takes it. */
export function grpcAddress(place: Place): string {
  const { host, port } = doorOf(place);
  return place.grpc === null ? 'unix:SOCKET' : `${host === '' ? place.host : host}:${port}`;
}

/** A token goes before a certificate: it is what a person has. */
export const wantsCertificate = (door: GrpcDoor): boolean => door.clientCertificate && !door.token;

/** What there is to know before the commands run. */
export function beforeRunning(place: Place): string[] {
  const door = doorOf(place);
  const all: string[] = [];
  if (place.grpc === 'untold')
    all.push(
      `The server did not say where its gRPC is; port ${usualPort} of the same host is taken.`,
    );
  if (place.grpc === null)
    all.push(
      "gRPC has no port here, only a unix socket on the server's own machine: SOCKET stands for its path.",
    );
  if (door.token)
    all.push('The server asks for a token: put it into the environment as GRAVEN_TOKEN first.');
  if (wantsCertificate(door))
    all.push('The server asks for a certificate: client.pem and client.key stand for yours.');
  if (door.tls && place.grpc !== null)
    all.push(
      'TLS goes by the roots of your machine; for an authority of your own add --tls-ca FILE (graven), --cacert FILE (curl), -cacert FILE (grpcurl).',
    );
  return all;
}

/** One word of a shell, whatever stands in it. */
export const quoted = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

// Of a socket, TLS says nothing.
const overTls = (place: Place): boolean => place.grpc !== null && doorOf(place).tls;

/** The flags that a command of ours needs to reach gRPC. A token it takes from the environment. */
export function gravenFlags(place: Place): string {
  const tls = overTls(place) ? ' --tls' : '';
  const own =
    tls !== '' && wantsCertificate(doorOf(place))
      ? ' --tls-cert client.pem --tls-key client.key'
      : '';
  return `--server ${grpcAddress(place)}${tls}${own}`;
}

const gravenOn = (words: string, place: Place): string => `graven ${words} ${gravenFlags(place)}`;

export function curlCommand(url: string, flags: string, place: Place): string {
  const door = doorOf(place);
  const token = door.token ? ' -H "Authorization: Bearer $GRAVEN_TOKEN"' : '';
  const own =
    wantsCertificate(door) && url.startsWith('https:') ? ' --cert client.pem --key client.key' : '';
  return `curl ${flags}${token}${own} ${quoted(url)}`;
}

/** Up to the request. */
export function grpcurlFlags(place: Place): string {
  const door = doorOf(place);
  const tls = overTls(place);
  return [
    tls ? '' : '-plaintext ',
    place.grpc === null ? '-unix ' : '',
    door.token ? '-H "authorization: Bearer $GRAVEN_TOKEN" ' : '',
    tls && wantsCertificate(door) ? '-cert client.pem -key client.key ' : '',
  ].join('');
}

/** The address as grpcurl takes it. */
export const grpcurlAddress = (place: Place): string => grpcAddress(place).replace(/^unix:/, '');

/** Checks a receipt without any server. */
export const verifyReceipt = (key: string, file: string): string =>
  `graven receipt verify --key ${quoted(key)} ${quoted(file)}`;

/** Judges evidence without any server. */
export const verifyEvidence = (key: string, file: string): string =>
  `graven verify --evidence ${quoted(file)} --key ${quoted(key)}`;

/** How somebody else holds a statement against the records. Keys that are not known stay out. */
export function verifyAnswer(
  { log, key, vkey }: { log: string; key: string; vkey: string },
  place: Place,
): string {
  const keys =
    (vkey === '' ? '' : ` --key ${quoted(vkey)}`) +
    (key === '' ? '' : ` --answer-key ${quoted(key)}`);
  return `graven verify --answer ${log}.answer --log ${log} ${gravenFlags(place)}${keys}`;
}

/** Where the server runs, before anything else is touched. */
export const preserve = 'graven preserve ./evidence --data DIR';

/** Makes another log on the same server. */
export const makeLog = (place: Place): string => gravenOn('logs create NAME', place);

export function sameBy(shown: Shown, place: Place): [string, string][] {
  const { log, page, index, query, order, vkey } = shown;
  const graven = (words: string): [string, string] => ['graven', gravenOn(words, place)];
  const curl = (path: string, flags = '-s'): [string, string] => [
    'curl',
    curlCommand(place.base + path, flags, place),
  ];
  const grpcurl = (method: string, request: object): [string, string] => [
    'grpcurl',
    `grpcurl ${grpcurlFlags(place)}-d ${quoted(JSON.stringify(request))} ${grpcurlAddress(place)} graven.v1.AuditLogService/${method}`,
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
