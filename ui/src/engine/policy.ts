// A C2SP tlog-policy: the logs' keys, the witnesses' keys, and which of them have to have signed.

import {
  keyTypeLog,
  keyTypeWitness,
  parseVkey,
  unknownKeyType,
  type Cosignature,
  type Vkey,
} from '../proof/note.ts';

interface Group {
  readonly wanted: number;
  readonly members: readonly string[];
}

export interface Quorum {
  /** A witness or a group, by its name in the policy. */
  readonly name: string;
  readonly groups: ReadonlyMap<string, Group>;
  /** Keys of witnesses by their names in the policy; empty for one of a type unknown here, which never counts. */
  readonly keys: ReadonlyMap<string, string>;
}

export interface Policy {
  readonly logs: readonly string[];
  readonly witnesses: readonly string[];
  /** None is asked for: "quorum none", or a text without a quorum. */
  readonly quorum: Quorum | undefined;
}

/** Whether these keys' cosignatures are enough. */
export function isMet(quorum: Quorum, cosigned: ReadonlySet<string>): boolean {
  const holds = (name: string): boolean => {
    const group = quorum.groups.get(name);
    if (group !== undefined) return group.members.filter(holds).length >= group.wanted;
    return cosigned.has(quorum.keys.get(name) ?? '');
  };
  return holds(quorum.name);
}

/** The same for the lines under a checkpoint, of which those at or after `since` (seconds) count. */
export function isMetBy(
  quorum: Quorum,
  witnesses: readonly Vkey[],
  lines: readonly Cosignature[],
  since: number,
): boolean {
  const good = lines.filter((line) => line.verdict === 'good' && line.time >= since);
  const signed = witnesses.filter((key) =>
    good.some((line) => line.name === key.name && line.id === key.id),
  );
  return isMet(quorum, new Set(signed.map((key) => key.text)));
}

function parseGroup(words: readonly string[], known: (name: string) => boolean): Group | string {
  const members = words.slice(3);
  if (words[1] === undefined || known(words[1])) return 'a group needs a name of its own';
  if (members.length === 0 || !members.every(known)) return 'a member is not defined above';
  const wanted =
    words[2] === 'any' ? 1 : words[2] === 'all' ? members.length : Number(words[2] ?? '');
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > members.length)
    return 'a group needs a number of members, any or all';
  return { wanted, members };
}

/** Says what is wrong otherwise. A single key is a policy too. */
export function parsePolicy(text: string): Policy | string {
  const alone = parseVkey(text.trim());
  if (typeof alone !== 'string') {
    return alone.type === keyTypeLog
      ? { logs: [alone.text], witnesses: [], quorum: undefined }
      : { logs: [], witnesses: [alone.text], quorum: undefined };
  }
  const logs: string[] = [];
  const keys = new Map<string, string>();
  const groups = new Map<string, Group>();
  const known = (name: string): boolean => keys.has(name) || groups.has(name);
  let quorum: string | undefined;
  for (const [at, line] of text.split('\n').entries()) {
    const words = line.trim().split(/[ \t]+/);
    const wrong = (what: string): string => `line ${at + 1}: ${what}`;
    if (words[0] === '' || words[0]!.startsWith('#')) continue;
    if (words[0] === 'group') {
      const group = parseGroup(words, known);
      if (typeof group === 'string') return wrong(group);
      groups.set(words[1]!, group);
      continue;
    }
    if (words[0] === 'quorum') {
      if (quorum !== undefined) return wrong('a second quorum');
      quorum = words[1] ?? '';
      if (quorum !== 'none' && !known(quorum)) return wrong('the quorum is not defined above');
      continue;
    }
    const vkey = words[0] === 'log' ? words[1] : words[0] === 'witness' ? words[2] : undefined;
    if (vkey === undefined) return `line ${at + 1} is no line of a policy and no key`;
    const key = parseVkey(vkey);
    if (key === unknownKeyType) {
      if (words[0] === 'witness') keys.set(words[1]!, '');
      continue;
    }
    if (typeof key === 'string') return wrong(key);
    if (words[0] === 'log') {
      if (key.type !== keyTypeLog) return wrong("this is a witness's key");
      logs.push(vkey);
    } else {
      if (key.type !== keyTypeWitness) return wrong("this is no witness's key");
      if (known(words[1]!)) return wrong('this name is there twice');
      keys.set(words[1]!, vkey);
    }
  }
  if (logs.length === 0 && keys.size === 0) return 'there is no key in it';
  const wanted = quorum === undefined || quorum === 'none' ? undefined : quorum;
  return {
    logs,
    witnesses: [...keys.values()].filter((vkey) => vkey !== ''),
    quorum: wanted === undefined ? undefined : { name: wanted, groups, keys },
  };
}
