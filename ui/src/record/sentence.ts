// A record as one sentence.

import { thousands } from '../numbers.ts';
import { lengthText } from '../time.ts';
import type { Row } from './row.ts';

const irregular: Readonly<Record<string, string>> = {
  read: 'read',
  write: 'wrote',
  send: 'sent',
  set: 'set',
  put: 'put',
  get: 'got',
  run: 'ran',
  login: 'logged in',
  logout: 'logged out',
  begin: 'began',
  sign: 'signed',
  pay: 'paid',
  buy: 'bought',
  sell: 'sold',
  hold: 'held',
  withdraw: 'withdrew',
  submit: 'submitted',
  transfer: 'transferred',
  stop: 'stopped',
  drop: 'dropped',
  permit: 'permitted',
  commit: 'committed',
  cancel: 'cancelled',
};
const regular = new Set([
  'accept',
  'access',
  'activate',
  'add',
  'allow',
  'append',
  'approve',
  'archive',
  'assign',
  'attach',
  'authenticate',
  'authorize',
  'block',
  'call',
  'change',
  'charge',
  'close',
  'configure',
  'confirm',
  'connect',
  'copy',
  'create',
  'deactivate',
  'decline',
  'delete',
  'deny',
  'deploy',
  'detach',
  'disable',
  'disconnect',
  'download',
  'edit',
  'enable',
  'export',
  'fail',
  'import',
  'install',
  'invite',
  'issue',
  'join',
  'list',
  'lock',
  'merge',
  'modify',
  'move',
  'open',
  'post',
  'publish',
  'purge',
  'push',
  'refund',
  'register',
  'reject',
  'release',
  'remove',
  'rename',
  'renew',
  'reset',
  'restart',
  'restore',
  'review',
  'revoke',
  'rotate',
  'schedule',
  'search',
  'share',
  'start',
  'suspend',
  'terminate',
  'trigger',
  'unlock',
  'update',
  'upgrade',
  'upload',
  'use',
  'verify',
  'view',
  'visit',
  'void',
]);

/** "approved" of "invoice.approve"; undefined where the action is no verb that is known. */
export function pastTense(action: string): string | undefined {
  const verb = /(?:^|[.:_/-])([a-z]+)$/.exec(action)?.[1];
  if (verb === undefined) return undefined;
  if (irregular[verb] !== undefined) return irregular[verb];
  if (!regular.has(verb)) return undefined;
  if (verb.endsWith('e')) return verb + 'd';
  if (/[^aeiou]y$/.test(verb)) return verb.slice(0, -1) + 'ied';
  return verb + 'ed';
}

export interface Sentence {
  actor: string;
  verb: string;
  /** The action as it stands, when `verb` could not be made of it. */
  literal: boolean;
  targets: string[];
}

export function sentenceOf(row: Row): Sentence {
  const verb = pastTense(row.action);
  const denied = row.outcome === 'denied' || row.outcome === 'failure';
  const actor = [
    row.actorType,
    row.actorName !== '' && row.actorName !== row.actorId
      ? `${row.actorName} (${row.actorId})`
      : row.actorId,
  ]
    .filter((part) => part !== '')
    .join(' ');
  return {
    actor,
    // What was denied did not happen.
    verb: verb === undefined || denied ? row.action : verb,
    literal: verb === undefined || denied,
    targets: row.targets.map((target) =>
      [
        target.type,
        target.name !== '' && target.name !== target.id
          ? `${target.name} (${target.id})`
          : target.id,
      ]
        .filter((part) => part !== '')
        .join(' '),
    ),
  };
}

/** When it happened, by the client's clock, and when it came; `full` writes a time. Clocks differ, and that is said. */
export function whenWords(
  row: Pick<Row, 'index' | 'occurredMs' | 'receivedMs'>,
  full: (ms: number) => string,
): string {
  const { index, occurredMs, receivedMs } = row;
  const place = `in the log as record ${thousands(index)}`;
  if (occurredMs === undefined)
    return `when it happened is not said; received ${full(receivedMs)}, ${place}`;
  const ahead = occurredMs - receivedMs;
  return ahead >= 1
    ? `at ${full(occurredMs)} by the client's clock, which was ${lengthText(ahead)} ahead of the server's; ${place}`
    : `at ${full(occurredMs)}; ${lengthText(Math.max(0, -ahead))} later ${place}`;
}
