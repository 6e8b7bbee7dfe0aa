// Real servers for the page's tests: the `graven` binary on loopback, in a folder of its own below ui/build, ended by its pid.

import { spawn, type ChildProcess } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const binary = process.env['GRAVEN_BINARY'] ?? `${root}build/release/graven`;
export const dist = fileURLToPath(new URL('../dist/', import.meta.url));

export function makeFolder(name: string): string {
  const parent = `${root}ui/build`;
  mkdirSync(parent, { recursive: true });
  return mkdtempSync(`${parent}/${name}-`);
}

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));

export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  seconds = 30,
): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found as T;
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await sleep(50);
  }
}

interface Ready {
  pid: number;
  grpc: string[];
  http: string[];
}

export class Server {
  readonly data: string;
  readonly http: URL;
  readonly grpc: string;
  readonly #process: ChildProcess;

  private constructor(data: string, ready: Ready, process: ChildProcess) {
    this.data = data;
    this.http = new URL(
      ready.http[0]!.includes('://') ? ready.http[0]! : `http://${ready.http[0]!}`,
    );
    this.grpc = ready.grpc[0]!;
    this.#process = process;
  }

  static async start(
    folder: string,
    name = 'data',
    flags: readonly string[] = [],
    configuration = '',
  ): Promise<Server> {
    const data = `${folder}/${name}`;
    const ready = `${folder}/ready-${name}-${Date.now()}`;
    // Small journals: many servers, one disk.
    const config = `${folder}/${name}.toml`;
    writeFileSync(
      config,
      `[limits]\njournal_file_bytes = 16777216\njournal_files = 8\n${configuration}`,
    );
    const made = spawn(
      binary,
      [
        'serve',
        '--config',
        config,
        '--data',
        data,
        '--ready-file',
        ready,
        '--listen',
        '127.0.0.1:0',
        '--http',
        '127.0.0.1:0',
        ...flags,
      ],
      { stdio: 'ignore' },
    );
    await until(
      'the server is ready',
      () => existsSync(ready) && readFileSync(ready, 'utf8').trim().endsWith('}'),
      60,
    );
    return new Server(data, JSON.parse(readFileSync(ready, 'utf8')) as Ready, made);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGTERM');
    await ended;
  }

  /** A copy of the folder as it is now; the server must be stopped. */
  copy(folder: string, name: string): void {
    cpSync(this.data, `${folder}/${name}`, { recursive: true });
  }

  async append(events: readonly object[], log = 'default'): Promise<void> {
    for (let at = 0; at < events.length; at += 2000) {
      const body = events
        .slice(at, at + 2000)
        .map((event) => JSON.stringify(event))
        .join('\n');
      const send = (): Promise<Response> =>
        fetch(new URL(`/logs/${log}/events?wait=published`, this.http), {
          method: 'POST',
          headers: { 'content-type': 'application/jsonl' },
          body,
        });
      let answer = await send();
      // Nothing is stored by an answer of 429.
      for (let tries = 0; answer.status === 429 && tries < 100; tries++) {
        await sleep(100);
        answer = await send();
      }
      if (!answer.ok) throw new Error(`append: ${answer.status} ${await answer.text()}`);
    }
  }

  async vkey(log = 'default'): Promise<string> {
    return ((await (await fetch(new URL(`/logs/${log}`, this.http))).json()) as { vkey: string })
      .vkey;
  }
}

/** `graven witness` of one log; it believes the log's signature, and nothing else. */
export async function startWitness(
  folder: string,
  vkey: string,
): Promise<{ url: string; vkey: string; stop: () => Promise<void> }> {
  const ready = `${folder}/witness-ready`;
  const made = spawn(
    binary,
    [
      'witness',
      '--data',
      `${folder}/witness`,
      '--name',
      'witness.example/own',
      '--listen',
      '127.0.0.1:0',
      '--ready-file',
      ready,
      '--log',
      vkey,
    ],
    { stdio: 'ignore' },
  );
  await until(
    'the witness is ready',
    () => existsSync(ready) && readFileSync(ready, 'utf8').trim().endsWith('}'),
    60,
  );
  const told = JSON.parse(readFileSync(ready, 'utf8')) as { http: string[]; vkey: string };
  const stop = async (): Promise<void> => {
    const ended = new Promise((resolve) => made.once('exit', resolve));
    made.kill('SIGTERM');
    await ended;
  };
  return { url: told.http[0]!, vkey: told.vkey, stop };
}

export const remove = (folder: string): void => rmSync(folder, { recursive: true, force: true });

const actors = [
  ['user', 'u-17', 'Ada Lovelace'],
  ['user', 'u-21', 'Grace Hopper'],
  ['service', 'billing', ''],
  ['user', 'u-40', 'Edsger Dijkstra'],
  ['service', 'deployer', ''],
  ['user', 'u-52', 'Barbara Liskov'],
] as const;
const deeds = [
  ['invoice.approve', 'invoice', '42'],
  ['invoice.create', 'invoice', '43'],
  ['session.login', 'session', 's-9'],
  ['file.download', 'file', 'report-2026.pdf'],
  ['role.assign', 'role', 'auditor'],
  ['deployment.start', 'service', 'checkout'],
  ['secret.read', 'secret', 'db-password'],
  ['user.delete', 'user', 'u-99'],
] as const;

/** An ordinary event, a function of its number. */
export function sample(number: number, at = Date.now()): object {
  const actor = actors[(number * 7) % actors.length]!;
  const deed = deeds[(number * 5 + Math.floor(number / 11)) % deeds.length]!;
  const odd = number % 23;
  return {
    actor: { type: actor[0], id: actor[1], ...(actor[2] === '' ? {} : { name: actor[2] }) },
    action: deed[0],
    targets: [{ type: deed[1], id: deed[2] }],
    outcome: odd === 5 ? 'OUTCOME_DENIED' : odd === 11 ? 'OUTCOME_FAILURE' : 'OUTCOME_SUCCESS',
    ...(odd === 5 ? { outcomeReason: 'not authorized: needs the role approver' } : {}),
    source: {
      service: ['checkout', 'ledger', 'identity', 'gateway'][number % 4],
      ip: `10.${number % 3}.0.${number % 250}`,
      userAgent: 'curl/8.5',
    },
    occurredAt: new Date(at).toISOString(),
    traceId: (number * 2654435761).toString(16).padStart(32, '0').slice(0, 32),
    requestId: `r-${number}`,
    sessionId: `s-${number % 9}`,
    labels: [{ key: 'env', value: number % 5 === 0 ? 'staging' : 'prod' }],
    detailsStruct: {
      amount: 12.5 + number,
      currency: 'EUR',
      lines: [{ sku: 'A-1', count: 2 }],
      note: 'approved after review',
    },
  };
}

/** Events by strangers who mean harm. */
export const hostile: readonly object[] = [
  '<img src=x onerror=alert(1)>',
  '"><script>alert(1)</script>',
  'p\u0430ypal',
  'abc\u202efdp.exe',
  'x\u200b\u200by',
  '=HYPERLINK("http://evil")',
  'Z' + '\u0301'.repeat(60),
  'A'.repeat(240),
  "'; DROP TABLE records; --",
  '\u{1d41a}dmin',
  '${alert(1)}',
  'javascript:alert(1)',
].map((text, i) => ({
  actor: { id: text.slice(0, 80), name: text.slice(0, 200), type: 'user' },
  action: i % 2 === 0 ? 'name.change' : text.slice(0, 100),
  targets: [{ type: 'thing', id: text }],
  outcome: 'OUTCOME_SUCCESS',
  occurredAt: '2026-11-25T12:00:00Z',
  labels: [{ key: text.slice(0, 60), value: text }],
  detailsStruct: { [text]: text, __proto__x: text },
}));

const large = 60_000;
let nested: object = { end: '\u202eend' };
for (let i = 0; i < 27; i++) nested = { [`level-${i} ${'k'.repeat(i === 20 ? 2000 : 8)}`]: nested };

/** As much of it as a record takes: by name, what an event has beside an ordinary one. */
const most: Readonly<Record<string, object>> = {
  'one word of 64 KiB': { detailsStruct: { word: 'W'.repeat(64_000) } },
  'a name of 64 KiB': { detailsStruct: { ['N'.repeat(64_000)]: 'v' } },
  'twenty thousand overrides': { detailsStruct: { turned: '\u202e'.repeat(large / 3) } },
  'overrides and letters by turns': {
    detailsStruct: { turned: '\u202ea\u200bb'.repeat(large / 8) },
  },
  'sixty thousand line feeds': { detailsStruct: { lines: '\n'.repeat(large) } },
  'marks on one letter': { detailsStruct: { piled: 'Z' + '\u0301'.repeat(large / 2) } },
  'three thousand keys': {
    detailsStruct: Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`k${i}`, i % 7])),
  },
  'fifteen thousand nothings': {
    detailsStruct: { list: Array.from({ length: 14_000 }, () => null) },
  },
  'as deep as it goes': { detailsStruct: nested },
  'all targets at their limits': {
    targets: Array.from({ length: 64 }, (_, i) => ({
      type: 'thing',
      id: `${i}${'T'.repeat(700)}`,
      name: '\u202e' + 'N'.repeat(200),
    })),
  },
  'all labels at their limits': {
    labels: Array.from({ length: 64 }, (_, i) => ({
      key: `${i}-${'K'.repeat(120)}`,
      value: i % 2 === 0 ? '=1+1\u202e' + 'V'.repeat(800) : 'V'.repeat(800),
    })),
  },
  'every name at its limit': {
    actor: { id: 'I'.repeat(256), type: 'Y'.repeat(64), name: '\u202e'.repeat(85) },
    action: 'A'.repeat(256),
    targets: [{ type: 'thing', id: '\u202e'.repeat(341), name: '\u0430'.repeat(128) }],
    outcome: 'OUTCOME_DENIED',
    outcomeReason: '=HYPERLINK("http://evil")' + '\u200b'.repeat(300),
    source: { service: 'S'.repeat(256), ip: '9'.repeat(64), userAgent: '<script>'.repeat(128) },
    traceId: 'f'.repeat(64),
    requestId: 'R'.repeat(128),
    sessionId: 's'.repeat(128),
    correlationId: '\u202e'.repeat(42),
  },
};

/** Events by strangers who have much to say. */
export const enormous: readonly { name: string; event: object }[] = Object.entries(most).map(
  ([name, more]) => ({
    name,
    event: {
      actor: { id: 'stranger', type: 'user' },
      action: 'much.said',
      targets: [{ type: 'thing', id: name }],
      outcome: 'OUTCOME_SUCCESS',
      occurredAt: '2026-11-25T12:00:00Z',
      ...more,
    },
  }),
);
