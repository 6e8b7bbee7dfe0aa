// The worker: all hashing, decoding and judging happens here, once for all tabs where the browser has shared workers.

import { ApiError, HttpDoor } from '../api/client.ts';
import { toHex } from '../proof/bytes.ts';
import { genesisHash, leafHash } from '../proof/merkle.ts';
import { decodeRow } from '../record/row.ts';
import { Contradiction } from './contradiction.ts';
import { explainAnswer, type AnswerPlace } from './answer.ts';
import { explain } from './explain.ts';
import { hashRows } from './leaves.ts';
import { realClock } from './clock.ts';
import { openMemory, type Memory } from './memory.ts';
import { parsePolicy } from './policy.ts';
import type { Asked, Linked, Told } from './protocol.ts';
import { getTerms, ViewMemory, type Terms } from './view.ts';
import { askFirst, LogWatch } from './watch.ts';

interface Port {
  postMessage(message: Told): void;
  onmessage: ((event: MessageEvent<Asked>) => void) | null;
}

interface Watched {
  watch: LogWatch;
  ports: Set<Port>;
}

const watched = new Map<string, Watched>();
let door: HttpDoor | undefined;
let token: string | undefined;
let inView = false;

interface Ground {
  memory: Memory;
  terms: Terms | undefined;
}

let ground: Promise<Ground> | undefined;

async function standOn(): Promise<Ground> {
  if (!inView) return { memory: await openMemory(), terms: undefined };
  const terms = await getTerms(door!);
  return { memory: new ViewMemory(door!, terms.policy), terms };
}

/** What is remembered, and where. A view that does not answer is asked again and again. */
function standing(): Promise<Ground> {
  ground ??= standOn().catch(async () => {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    ground = undefined;
    return standing();
  });
  return ground;
}

// A log nobody looks at is left after a while: going from page to page must not end its stream.
const idleMs = 30_000;

function send(ports: Iterable<Port>, told: Told): void {
  for (const port of ports) port.postMessage(told);
}

const opening = new Map<string, Promise<Watched>>();

function opened(log: string): Promise<Watched> {
  const before = watched.get(log);
  if (before !== undefined) return Promise.resolve(before);
  let made = opening.get(log);
  if (made === undefined) {
    made = open(log).finally(() => opening.delete(log));
    opening.set(log, made);
  }
  return made;
}

async function open(log: string): Promise<Watched> {
  const first = askFirst(door!, log);
  const { memory, terms } = await standing();
  const ports = new Set<Port>();
  const made = new LogWatch(
    door!,
    memory,
    realClock,
    door!.base,
    log,
    (told) => send(ports, told),
    terms,
  );
  const entry = { watch: made, ports };
  watched.set(log, entry);
  made.start(first);
  return entry;
}

async function watch(port: Port, log: string): Promise<void> {
  const entry = await opened(log);
  entry.ports.add(port);
  port.postMessage({ event: 'trust', log, state: entry.watch.state });
  const rows = [...entry.watch.recent];
  if (rows.length > 0) {
    port.postMessage({
      event: 'rows',
      log,
      rows,
      first: rows[0]!.index,
      next: entry.watch.next,
      reset: true,
      at: Date.now(),
    });
  }
}

function unwatch(port: Port, log: string): void {
  const entry = watched.get(log);
  if (entry === undefined) return;
  entry.ports.delete(port);
  setTimeout(() => {
    if (entry.ports.size > 0 || watched.get(log) !== entry) return;
    watched.delete(log);
    entry.watch.stop();
  }, idleMs);
}

const watchOf = async (log: string): Promise<LogWatch> => (await opened(log)).watch;

/** Which of these logs did not fit, as far as this browser knows: for a page that shows them all. */
async function brokenOf(logs: readonly { log: string; vkey: string }[]): Promise<string[]> {
  const { memory } = await standing();
  const found: string[] = [];
  for (const { log, vkey } of logs) {
    if ((await memory.findings(`${door!.base}\n${log}`, vkey)).length > 0) found.push(log);
  }
  return found;
}

async function chain(watch: LogWatch, first: number, records: Uint8Array[]): Promise<Linked> {
  try {
    const link: { hash: Uint8Array | undefined } = { hash: undefined };
    const genesis = first === 0 ? genesisHash(watch.state.origin) : undefined;
    const { rows } = hashRows(records, first, genesis);
    if (records.length > 0) decodeRow(records[0]!, '', link);
    return { rows, link: link.hash === undefined ? '' : toHex(link.hash) };
  } catch (error) {
    if (!(error instanceof Contradiction)) throw error;
    // Looked at by itself, past all caches, it becomes a finding or was a passing fault.
    const { index } = error.finding;
    if (index !== undefined) await watch.questions.prove(index);
    if (index !== undefined && index > 0) await watch.questions.prove(index - 1);
    throw new ApiError(200, 'CONTRADICTION', error.message);
  }
}

async function answer(port: Port, asked: Asked): Promise<unknown> {
  switch (asked.call) {
    case 'hello':
      token = asked.token;
      inView = asked.view;
      door ??= new HttpDoor(asked.base, () => token);
      return true;
    case 'watch':
      return watch(port, asked.log);
    case 'unwatch':
      return unwatch(port, asked.log);
    case 'prove':
      return (await watchOf(asked.log)).questions.prove(asked.index);
    case 'decode':
      return asked.records.map(({ index, bytes }) => {
        const row = decodeRow(bytes, toHex(leafHash(bytes)));
        if (row.index !== index)
          throw new ApiError(
            200,
            'BAD_ANSWER',
            `what was answered as record ${index} says it is ${row.index}`,
          );
        return row;
      });
    case 'chain':
      return chain(await watchOf(asked.log), asked.first, asked.records);
    case 'cover':
      return (await watchOf(asked.log)).questions.cover(asked.index, asked.hash);
    case 'pin':
      // A link is not where a view takes keys from.
      if (inView) return undefined;
      return (await watchOf(asked.log)).pin(asked.vkey, asked.how);
    case 'policy': {
      const policy = parsePolicy(asked.text);
      if (typeof policy === 'string') throw new ApiError(400, 'POLICY_INVALID', policy);
      if (inView) throw new ApiError(400, 'VIEW', 'keys come from the policy that graven view has');
      return (await watchOf(asked.log)).policy(policy);
    }
    case 'accept':
      return (await watchOf(asked.log)).acceptChange();
    case 'forget':
      return (await watchOf(asked.log)).forget();
    case 'broken':
      return brokenOf(asked.logs);
    case 'explain': {
      const watch = watched.get(asked.log)?.watch;
      return explain(
        asked.bytes,
        watch === undefined
          ? undefined
          : { ...placeOf(watch), contains: (index, hash) => watch.questions.cover(index, hash) },
      );
    }
    case 'answer':
      return explainAnswer(asked.text, placeOf(await watchOf(asked.log)), asked.shown);
  }
}

const placeOf = (watch: LogWatch): AnswerPlace => ({
  origin: watch.state.origin,
  vkey: watch.state.vkey,
  compare: (checkpoint) => watch.questions.compare(checkpoint),
});

function connect(port: Port): void {
  port.onmessage = (event) => {
    const { id } = event.data;
    answer(port, event.data).then(
      (value) => port.postMessage({ answer: id, value }),
      (error: unknown) => {
        const known = error instanceof ApiError;
        port.postMessage({
          answer: id,
          error: {
            status: known ? error.status : 0,
            reason: known ? error.reason : 'PAGE',
            message: error instanceof Error ? error.message : String(error),
            field: known ? error.field : '',
            column: known ? error.column : undefined,
          },
        });
      },
    );
  };
}

// A shared worker gets its ports by connections, a worker of one page is itself the port.
if ('onconnect' in globalThis) {
  (globalThis as unknown as { onconnect: (event: MessageEvent) => void }).onconnect = (event) => {
    connect(event.ports[0] as unknown as Port);
  };
} else {
  connect(globalThis as unknown as Port);
}
