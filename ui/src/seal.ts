// What the seal shows, and the sentence behind it. It never claims more than was computed.

import type { TrustState } from './engine/protocol.ts';
import { thousands } from './numbers.ts';

export type SealKind = 'checking' | 'verified' | 'unpinned' | 'first' | 'stale' | 'broken';

export interface Seal {
  readonly kind: SealKind;
  readonly word: string;
  readonly sentences: readonly string[];
}

export { thousands };

export const shortHash = (hex: string): string =>
  hex.length > 16 ? `${hex.slice(0, 8)}…${hex.slice(-4)}` : hex;

/** "3 days", "4 s": of a length of time. */
export function span(milliseconds: number): string {
  const steps: [number, string][] = [
    [86_400_000, 'day'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1000, 's'],
  ];
  for (const [length, word] of steps) {
    const count = Math.floor(milliseconds / length);
    if (count >= 1)
      return word === 'day' ? `${count} ${count === 1 ? 'day' : 'days'}` : `${count} ${word}`;
  }
  return '0 s';
}

/** Who remembers: a view has its auditor's disk, a server's page only the browser. */
export const rememberer = (trust: TrustState): string =>
  trust.view === undefined ? 'this browser' : 'graven view';

/** Who judges, for the line beside the seal's word. */
export const judgedBy = (trust: TrustState | undefined): string =>
  trust?.view === undefined ? 'by this page' : 'by graven view';

/** How the key was pinned; undefined for one that the server named. */
export function pinnedHow(trust: TrustState): string | undefined {
  switch (trust.pin?.how) {
    case 'policy':
      return 'by the policy of graven view';
    case 'link':
      return 'by a link';
    case 'by hand':
      return 'by hand';
    default:
      return undefined;
  }
}

function verifiedSentence(trust: TrustState, now: number): string {
  const checkpoint = trust.checkpoint!;
  const covered = trust.recomputed - trust.uncovered;
  const parts = [
    `${thousands(covered)} ${covered === 1 ? 'record' : 'records'} recomputed here, from record ${thousands(trust.recomputedFrom)} on, all included in root ${shortHash(checkpoint.root)} of size ${thousands(checkpoint.size)}`,
  ];
  if (trust.memory !== undefined && trust.consistentSince !== undefined) {
    parts.push(
      `consistent with what ${rememberer(trust)} saw since size ${thousands(trust.consistentSince)}`,
    );
  }
  let signed = `signed by ${trust.origin}`;
  if (trust.pin?.how === 'policy') {
    signed += ' (key pinned by the policy)';
  } else if (trust.pin !== undefined && trust.pin.how !== 'first visit') {
    signed += ` (key pinned ${trust.pin.how === 'link' ? 'by a link ' : ''}${span(now - trust.pin.at)} ago)`;
  }
  const good = trust.cosignatures.filter((one) => one.verdict === 'good');
  if (trust.witnessKeys > 0) {
    const newest = Math.max(0, ...good.map((one) => one.time));
    const size =
      trust.cosignedSize !== undefined && trust.cosignedSize < checkpoint.size
        ? ` at size ${thousands(trust.cosignedSize)}`
        : '';
    signed += `, cosigned by ${good.length} of ${trust.witnessKeys} witnesses${size}${newest > 0 ? ` ${span(now - newest * 1000)} ago` : ''}`;
  }
  return `${parts.join(', ')}; ${signed}.`;
}

function withoutWitnesses(trust: TrustState): string[] {
  if (trust.witnessKeys > 0) return [];
  return trust.cosignatures.length > 0
    ? [
        `${trust.cosignatures.length} witnesses signed it too; their keys are not known here, so that is not checked.`,
      ]
    : [
        'No witness: that this is the newest tree, and the one that everybody else sees, cannot be shown.',
      ];
}

/** How old the newest word of a witness is: how fresh the tree is known to be, whatever its server says. */
function lastCosigned(trust: TrustState, now: number): string {
  if (trust.witnessKeys === 0) return 'Without witnesses freshness is not provable.';
  const times = trust.cosignatures.filter((one) => one.verdict === 'good').map((one) => one.time);
  if (times.length === 0) return 'No witness whose key is known here has cosigned what was seen.';
  const size = trust.cosignedSize ?? trust.checkpoint?.size;
  const what = size === undefined ? '' : ` of size ${thousands(size)}`;
  return `Last cosignature${what}: ${span(Math.max(0, now - Math.max(...times) * 1000))} ago.`;
}

export function sealOf(trust: TrustState | undefined, now: number): Seal {
  if (trust === undefined)
    return { kind: 'checking', word: 'checking', sentences: ['The page is starting.'] };
  if (trust.broken.length > 0) {
    return {
      kind: 'broken',
      word: 'does not fit',
      sentences: trust.broken.map((one) => one.sentence),
    };
  }
  if (trust.absent !== undefined) {
    const word =
      trust.absent.word === 'stale' ? `stale ${span(now - trust.absent.since)}` : trust.absent.word;
    const sentences = [trust.absent.sentence];
    if (trust.checkpoint !== undefined) {
      sentences.push(
        `Last confirmed: size ${thousands(trust.checkpoint.size)}, root ${shortHash(trust.checkpoint.root)}, first seen here ${span(now - trust.checkpoint.at)} ago.`,
      );
    }
    sentences.push(lastCosigned(trust, now));
    return { kind: 'stale', word, sentences };
  }
  const link = trust.links?.[0];
  if (link !== undefined && trust.checkpoint !== undefined) {
    return {
      kind: 'stale',
      word: 'a link named another record',
      sentences: [
        `A link named another record ${thousands(link.index)}, of hash ${shortHash(link.named)}, than the one that is included in the signed tree, of hash ${shortHash(link.shown)}. A link is signed by nobody, so this is no contradiction of the log; Trust says what to do.`,
        verifiedSentence(trust, now),
      ],
    };
  }
  if (trust.checking !== undefined || trust.checkpoint === undefined) {
    const at = trust.checking;
    return {
      kind: 'checking',
      word: 'checking',
      sentences: [
        at === undefined
          ? 'Waiting for a checkpoint.'
          : `Now: ${at.sentence}${at.of > 1 ? `, ${thousands(at.done)} of ${thousands(at.of)}` : ''}.`,
      ],
    };
  }
  const base = [verifiedSentence(trust, now), ...withoutWitnesses(trust)];
  if (trust.memory === undefined) {
    return {
      kind: 'first',
      word: 'first visit',
      sentences: [
        ...base,
        trust.view === undefined
          ? 'This browser saw nothing of this log before, or its memory was cleared, which a server can do: a log that was rewritten before now would look the same. Drop a checkpoint or receipt from earlier on this page to compare.'
          : `graven view saw nothing of this log before: one that was rewritten before now would look the same. From here on it remembers, in ${trust.view.folder}. Drop a checkpoint or receipt from earlier on this page to compare.`,
      ],
    };
  }
  if (trust.pin === undefined || trust.pin.how === 'first visit') {
    return {
      kind: 'unpinned',
      word: 'key not pinned',
      sentences: [
        ...base,
        trust.view !== undefined
          ? 'The policy of graven view does not name this log, so its key came from the server itself. Write it into the policy, from another source, and start graven view again.'
          : "The key came from the server itself. Get it from somewhere else (“graven keys show --data DIR” where the server runs, or the log's owner), and pin it under Trust.",
      ],
    };
  }
  // A server cannot vouch for itself with a page that it ships, whatever that page checks.
  const independent = trust.view !== undefined && trust.pin.how === 'policy';
  return {
    kind: 'verified',
    word: independent ? 'independently verified' : 'verified',
    sentences: base,
  };
}
