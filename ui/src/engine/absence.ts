// What is missing, late, or cannot be reached: amber, and never a contradiction.

import type { Cosignature } from '../proof/note.ts';
import { thousands } from './contradiction.ts';

const staleAfterMs = 25_000;
const uncoveredAfterMs = 10_000;
export const cosignatureOldMs = 600_000;

export interface Situation {
  readonly now: number;
  /** Why nothing came at all, while the log was not read yet. */
  /** The server answers, and has no log of this name. */
  noLog?: string | undefined;
  readonly unreachable: string | undefined;
  readonly begun: boolean;
  readonly withheld: string | undefined;
  readonly changed: string | undefined;
  readonly lagging: string | undefined;
  /** When a checkpoint was last seen to be the newest; 0 for never. */
  readonly confirmedAt: number;
  readonly uncovered: number;
  readonly uncoveredSince: number;
  readonly witnessKeys: number;
  readonly cosignatures: readonly Cosignature[];
  /** Whether those that are not old meet the quorum; undefined where none is asked for. */
  readonly quorumMet?: boolean | undefined;
}

export interface Absence {
  readonly word: string;
  readonly sentence: string;
  readonly since?: number;
}

/** The first that holds. */
export function absenceOf(found: Situation): Absence | undefined {
  const { now, unreachable, withheld, changed, lagging, confirmedAt } = found;
  if (found.noLog !== undefined && !found.begun)
    return { word: 'no such log', sentence: found.noLog };
  if (unreachable !== undefined && !found.begun)
    return { word: 'no answer', sentence: unreachable };
  if (withheld !== undefined) return { word: 'withheld', sentence: withheld };
  if (changed !== undefined) return { word: 'changed', sentence: changed };
  if (lagging !== undefined) return { word: 'stale', sentence: lagging, since: confirmedAt };
  if (confirmedAt > 0 && now - confirmedAt > staleAfterMs) {
    const why = unreachable ?? 'The server shows no newer one.';
    const sentence = `No checkpoint was confirmed for a while; one is expected every few seconds. ${why}`;
    return { word: 'stale', sentence, since: confirmedAt };
  }
  if (found.uncovered > 0 && now - found.uncoveredSince > uncoveredAfterMs) {
    const sentence = `${thousands(found.uncovered)} records came that no checkpoint covers; one is expected within seconds.`;
    return { word: 'stale', sentence, since: found.uncoveredSince };
  }
  const newest = Math.max(
    0,
    ...found.cosignatures.filter((one) => one.verdict === 'good').map((one) => one.time),
  );
  if (found.witnessKeys > 0 && now - newest * 1000 > cosignatureOldMs) {
    const sentence =
      newest === 0
        ? 'None of the witnesses whose keys were given has cosigned the checkpoint.'
        : 'The newest cosignature is more than ten minutes old.';
    return { word: 'no witness', sentence };
  }
  if (found.quorumMet === false) {
    const sentence =
      'The cosignatures of the last ten minutes do not meet the quorum of the policy.';
    return { word: 'no witness', sentence };
  }
  return undefined;
}
