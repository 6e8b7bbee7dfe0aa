// The page in `graven view`: it comes from the auditor's own binary, and so do the log's key, the quorum and the memory.
// Nothing here is asked of the server that is judged.

import { ApiError, HttpDoor, type Json, type LogFacts } from '../api/client.ts';
import { parseVkey } from '../proof/note.ts';
import type { KnownLog, Memory, Remembered } from './memory.ts';
import { parsePolicy, type Policy } from './policy.ts';
import type { Finding, SeenCheckpoint, ViewFacts } from './protocol.ts';

export interface Terms extends ViewFacts {
  readonly policy: Policy;
}

export async function getTerms(door: HttpDoor): Promise<Terms> {
  const json = await door.getJson('view/terms', true);
  const policy = parsePolicy(String(json['policy']));
  if (typeof policy === 'string')
    throw new ApiError(200, 'BAD_ANSWER', `the policy of graven view cannot be read: ${policy}`);
  return { server: String(json['server']), folder: String(json['folder']), policy };
}

/** What did not come, said so that one knows which of the two is away. */
export function whoIsAway(error: ApiError): string {
  return error.reason === 'SERVER_UNREACHABLE'
    ? `The server does not answer graven view: ${error.message}.`
    : 'graven view does not answer: it has ended, or was started anew at another address.';
}

/** The key that the policy has for a log; none, when the log is not one of the policy's. */
export function pinnedKey(
  policy: Policy,
  facts: LogFacts,
  known: KnownLog | undefined,
): string | undefined {
  const named = policy.logs.filter((vkey) => {
    const key = parseVkey(vkey);
    return typeof key !== 'string' && key.name === facts.origin;
  });
  // A server that shows another log under a name that was one of the policy's is held to that one.
  const before = known?.how === 'policy' ? known.vkey : undefined;
  if (before !== undefined && policy.logs.includes(before)) return before;
  return named.includes(facts.vkey) ? facts.vkey : named[0];
}

interface SeenJson {
  first: { size: number; root: string; at: number };
  last: { size: number; root: string; at: number; note: string };
  seen: SeenCheckpoint[];
}

const nameOf = (log: string): string => log.slice(log.lastIndexOf('\n') + 1);
const keyOf = (key: string): string => key.slice(key.indexOf('\n') + 1);

/** The auditor's own memory, on his disk. It keeps its own account of what was seen: only the signed note is taken from here. */
export class ViewMemory implements Memory {
  readonly kept = true;
  readonly #door: HttpDoor;
  readonly #policy: Policy;

  constructor(door: HttpDoor, policy: Policy) {
    this.#door = door;
    this.#policy = policy;
  }

  async remembered(key: string): Promise<Remembered | undefined> {
    const path = `view/seen?key=${encodeURIComponent(keyOf(key))}`;
    const seen = (await this.#door.getJson(path, true))['seen'] as SeenJson | null;
    return seen === null ? undefined : { key, first: seen.first, last: seen.last, seen: seen.seen };
  }

  async raise(key: string, expected: Remembered | undefined, next: Remembered): Promise<boolean> {
    const answer = await this.#door.post('view/seen', {
      key: keyOf(key),
      expected:
        expected === undefined ? null : { size: expected.last.size, root: expected.last.root },
      note: next.last.note,
    });
    return answer['raised'] === true;
  }

  async known(log: string): Promise<KnownLog | undefined> {
    const path = `view/known?log=${encodeURIComponent(nameOf(log))}`;
    const known = (await this.#door.getJson(path, true))['known'] as Json | null;
    if (known === null) return undefined;
    const pinned = known['inPolicy'] === true;
    return {
      log,
      vkey: String(known['key']),
      how: pinned ? 'policy' : 'first visit',
      at: Number(known['at']),
      witnesses: [...this.#policy.witnesses],
      quorum: pinned ? this.#policy.quorum : undefined,
    };
  }

  async know(log: KnownLog): Promise<void> {
    await this.#door.post('view/known', { log: nameOf(log.log), key: log.vkey });
  }

  async findings(log: string, vkey: string): Promise<Finding[]> {
    const path = `view/findings?log=${encodeURIComponent(nameOf(log))}&key=${encodeURIComponent(vkey)}`;
    const found = (await this.#door.getJson(path, true))['findings'] as Partial<Finding>[];
    return found.map(
      (one) => ({ lastGood: undefined, index: undefined, evidence: undefined, ...one }) as Finding,
    );
  }

  async addFinding(log: string, vkey: string, finding: Finding): Promise<void> {
    // The memory is the auditor's own, whatever the tokens.
    const { by: _, ...kept } = finding;
    await this.#door.post('view/findings', { log: nameOf(log), key: vkey, finding: kept });
  }

  async forget(log: string, key: string): Promise<void> {
    await this.#door.post('view/forget', { log: nameOf(log), key: keyOf(key) });
  }
}
