// Where the server is: its page, and what it says of its gRPC door, asked for once.

import { ApiError, type HttpDoor, type Json } from './api/client.ts';
import type { Place } from './commands.ts';

/** Of the server; in `graven view`, which is nobody else's and names the server, not of the page. */
export function placeOfPage(): Place {
  const told = document.querySelector<HTMLMetaElement>('meta[name=graven-host]');
  const base = told?.dataset['server'] ?? new URL('.', document.baseURI).href;
  // Of an IPv6 address with its brackets.
  return { base, host: new URL(base).hostname, grpc: door };
}

let door: Place['grpc'] = 'untold';
const listeners = new Set<() => void>();

export function listenToPlace(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Of an answer to /status; null of a server that has gRPC on unix sockets only. */
export function grpcOfStatus(status: Json): Place['grpc'] {
  const said = status['grpc'] as Json | undefined | null;
  // Of an older server it is not known.
  if (said === undefined) return 'state' in status && 'scrub' in status ? null : 'untold';
  const port = Number(said?.['port']);
  const host = String(said?.['host'] ?? '');
  // It goes into commands that people run.
  if (!Number.isInteger(port) || port < 1 || port > 65_535 || !/^[\w.:-]{0,253}$/.test(host))
    return 'untold';
  return {
    host: host.includes(':') ? `[${host}]` : host,
    port,
    tls: said?.['tls'] === true,
    token: said?.['token'] === true,
    clientCertificate: said?.['clientCertificate'] === true,
  };
}

export async function askForPlace(http: HttpDoor): Promise<void> {
  try {
    door = grpcOfStatus(await http.getJson('status', true));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
  listeners.forEach((listener) => listener());
}
