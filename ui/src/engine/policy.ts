// A C2SP tlog-policy as far as a page needs one: the log's key, and the witnesses' keys.

import { keyTypeLog, keyTypeWitness, parseVkey } from '../proof/note.ts';

export interface Policy {
  readonly logs: readonly string[];
  readonly witnesses: readonly string[];
}

/** Says what is wrong otherwise. A single key is a policy too. */
export function parsePolicy(text: string): Policy | string {
  const alone = parseVkey(text.trim());
  if (typeof alone !== 'string') {
    return alone.type === keyTypeLog
      ? { logs: [alone.text], witnesses: [] }
      : { logs: [], witnesses: [alone.text] };
  }
  const logs: string[] = [];
  const witnesses: string[] = [];
  for (const [at, line] of text.split('\n').entries()) {
    const words = line.trim().split(/[ \t]+/);
    if (
      words[0] === '' ||
      words[0]!.startsWith('#') ||
      words[0] === 'group' ||
      words[0] === 'quorum'
    )
      continue;
    const vkey = words[0] === 'log' ? words[1] : words[0] === 'witness' ? words[2] : undefined;
    if (vkey === undefined) return `line ${at + 1} is no line of a policy and no key`;
    const key = parseVkey(vkey);
    if (typeof key === 'string') return `line ${at + 1}: ${key}`;
    if (words[0] === 'log') {
      if (key.type !== keyTypeLog) return `line ${at + 1}: this is a witness's key`;
      logs.push(vkey);
    } else {
      if (key.type !== keyTypeWitness) return `line ${at + 1}: this is no witness's key`;
      witnesses.push(vkey);
    }
  }
  if (logs.length === 0 && witnesses.length === 0) return 'there is no key in it';
  return { logs, witnesses };
}
