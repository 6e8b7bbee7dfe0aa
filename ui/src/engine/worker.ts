// The worker: all hashing, decoding and judging happens here, once for all tabs where the browser has shared workers.

import { ApiError } from '../api/client.ts';
import { fromHex, toHex } from '../proof/bytes.ts';
import { genesisHash, leafHash } from '../proof/merkle.ts';
import { decodeRow } from '../record/row.ts';
import { brokenLink, Contradiction } from './contradiction.ts';
import { explainAnswer, type AnswerPlace } from './answer.ts';
import { explain } from './explain.ts';
import { judgeFound, type Found, type Sought } from './found.ts';
import { hashRows } from './leaves.ts';
import { parsePolicy } from './policy.ts';
import type { Asked, Linked } from './protocol.ts';
import { idleMs, Realm, type Tab } from './realm.ts';
import type { LogWatch } from './watch.ts';

interface Port extends Tab {
  onmessage: ((event: MessageEvent<Asked>) => void) | null;
}

const realms = new Map<string, Realm>();
const realmOf = new Map<Port, Realm>();

// By the token alone: a worker is of one page, and so of one server.
function hello(port: Port, base: string, token: string | undefined, view: boolean): void {
  const name = token ?? '';
  let realm = realms.get(name);
  if (realm === undefined) realms.set(name, (realm = new Realm(base, token, view)));
  const before = realmOf.get(port);
  if (before === realm) return;
  realmOf.set(port, realm);
  if (before !== undefined) left(port, before);
}

// A token is kept for as long as a tab has it, and a little longer: a tab that is loaded anew finds what it left.
function left(port: Port, realm: Realm): void {
  realm.leave(port);
  setTimeout(() => {
    if ([...realmOf.values()].includes(realm)) return;
    for (const [token, one] of realms) if (one === realm) realms.delete(token);
    realm.end();
  }, idleMs);
}

// The tab is closed, or was ended; its port says nothing of it.
function bye(port: Port): void {
  const realm = realmOf.get(port);
  realmOf.delete(port);
  if (realm !== undefined) left(port, realm);
}

type Chain = Extract<Asked, { call: 'chain' }>;

async function linkedIn(watch: LogWatch, { first, records, next }: Chain): Promise<Linked> {
  const link: { hash: Uint8Array | undefined } = { hash: undefined };
  const genesis = first === 0 ? genesisHash(watch.state.origin) : undefined;
  const { rows } = hashRows(records, first, genesis);
  if (records.length > 0) decodeRow(records[0]!, '', link);
  const last = rows[rows.length - 1];
  if (last !== undefined && next !== undefined && last.hash !== next)
    throw brokenLink(last.index + 1, fromHex(next), fromHex(last.hash)!);
  return { rows, link: link.hash === undefined ? '' : toHex(link.hash) };
}

// What does not fit is read once more, past all caches, and is a finding then: that of the record itself, with evidence, where
// it does not lead to the signed root either.
async function chain(watch: LogWatch, asked: Chain): Promise<Linked> {
  const { questions } = watch;
  try {
    const linked = await linkedIn(watch, asked);
    const last = linked.rows[linked.rows.length - 1];
    if (last !== undefined && asked.next === undefined) {
      const looked = asked.again
        ? await questions.foreign(last.index, last.bytes)
        : await questions.cover(last.index, last.hash);
      if (!looked)
        throw new ApiError(
          200,
          asked.again ? 'CONTRADICTION' : 'MISFIT',
          `record ${last.index}, as it was listed, is not in the signed tree`,
        );
    }
    if (asked.again) questions.wasWrongOnce('Records that were read here did not fit at first.');
    return linked;
  } catch (error) {
    if (!(error instanceof Contradiction)) throw error;
    if (!asked.again) throw new ApiError(200, 'MISFIT', error.message);
    const { index = asked.first } = error.finding;
    const single = [index, index - 1].filter((one) => one >= 0);
    const proofs = [];
    for (const one of single) proofs.push(await questions.prove(one).catch(() => undefined));
    if (proofs.every((one) => one?.holds !== false)) await questions.doesNotFit(error);
    throw new ApiError(200, 'CONTRADICTION', error.message);
  }
}

// What does not fit at first is asked for again by the page; what does not fit then is a finding.
async function found(
  watch: LogWatch,
  records: readonly { index: number; bytes: Uint8Array }[],
  sought: Sought,
  again: boolean,
): Promise<Found> {
  const rows = records.map(({ index, bytes }) => {
    const row = decodeRow(bytes, toHex(leafHash(bytes)));
    if (row.index !== index)
      throw new ApiError(
        200,
        'BAD_ANSWER',
        `what was answered as record ${index} says it is ${row.index}`,
      );
    return row;
  });
  try {
    const judged = judgeFound(rows, sought);
    if (again) watch.questions.wasWrongOnce('An answer of the search did not fit at first.');
    return judged;
  } catch (error) {
    if (!(error instanceof Contradiction)) throw error;
    if (!again) throw new ApiError(200, 'MISFIT', error.message);
    await watch.questions.doesNotFit(error);
    throw new ApiError(200, 'CONTRADICTION', error.message);
  }
}

async function answer(port: Port, asked: Asked): Promise<unknown> {
  if (asked.call === 'hello') return hello(port, asked.base, asked.token, asked.view);
  if (asked.call === 'bye') return bye(port);
  // The lock is the worker's when nobody else has it.
  if (asked.call === 'lives') return navigator.locks.request(asked.lock, () => bye(port));
  // Every tab says hello before all else.
  const realm = realmOf.get(port)!;
  const watchOf = (log: string): Promise<LogWatch> => realm.watchOf(log);
  switch (asked.call) {
    case 'watch':
      return realm.watch(port, asked.log);
    case 'unwatch':
      return realm.unwatch(port, asked.log);
    case 'look':
      return realm.look(asked.log);
    case 'prove':
      return (await watchOf(asked.log)).questions.prove(asked.index);
    case 'found':
      return found(await watchOf(asked.log), asked.records, asked.sought, asked.again);
    case 'chain':
      return chain(await watchOf(asked.log), asked);
    case 'size':
      return (await watchOf(asked.log)).questions.size();
    case 'cover':
      return (await watchOf(asked.log)).questions.cover(asked.index, asked.hash);
    case 'foreign':
      return (await watchOf(asked.log)).questions.foreign(asked.index, asked.record);
    case 'pin':
      // A link is not where a view takes keys from.
      if (realm.inView) return undefined;
      return (await watchOf(asked.log)).pin(asked.vkey, asked.how);
    case 'policy': {
      const policy = parsePolicy(asked.text);
      if (typeof policy === 'string') throw new ApiError(400, 'POLICY_INVALID', policy);
      if (realm.inView)
        throw new ApiError(400, 'VIEW', 'keys come from the policy that graven view has');
      return (await watchOf(asked.log)).policy(policy);
    }
    case 'accept':
      return (await watchOf(asked.log)).acceptChange();
    case 'forget':
      return (await watchOf(asked.log)).forget();
    case 'broken':
      return realm.brokenOf(asked.logs);
    case 'explain': {
      const watch = realm.followed(asked.log);
      return explain(
        asked.bytes,
        watch === undefined
          ? undefined
          : {
              ...placeOf(realm, watch, asked.log),
              contains: (index, hash) => watch.questions.cover(index, hash),
            },
      );
    }
    case 'answer':
      return explainAnswer(
        asked.text,
        placeOf(realm, await watchOf(asked.log), asked.log),
        asked.shown,
      );
  }
}

const placeOf = (realm: Realm, watch: LogWatch, log: string): AnswerPlace => ({
  origin: watch.state.origin,
  vkey: watch.state.vkey,
  compare: (checkpoint) => watch.questions.compare(checkpoint),
  // A small question: the key comes with any statement.
  answerKey: async () => (await realm.door.getStatement(`logs/${log}/statement?q=index:0`)).key,
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
