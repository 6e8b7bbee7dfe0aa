// The log itself, drawn: batches as they come, the tile that fills, the checkpoint that closes over them, the witnesses' marks.
// With reduced motion the same picture, still.

import type { JSX } from 'preact';
import type { Step, TrustState } from '../engine/protocol.ts';
import { shortHash, thousands } from '../seal.ts';
import { clockTime } from './text.tsx';

const shownMax = 26;

interface Piece {
  kind: 'batch' | 'checkpoint' | 'cosigned' | 'gap';
  label: string;
  size: number;
}

function pieces(steps: readonly Step[]): Piece[] {
  const found: Piece[] = [];
  for (let i = steps.length - 1; i >= 0 && found.length < shownMax; i--) {
    const step = steps[i]!;
    const at = clockTime(step.at);
    if (step.kind === 'batch') {
      const last = found[found.length - 1];
      // Batches without a checkpoint between them are one block.
      if (last?.kind === 'batch') {
        last.size += step.count;
        last.label = `${thousands(last.size)} records, linked one to the next, from ${thousands(step.first)} on, ${at}`;
        continue;
      }
      found.push({
        kind: 'batch',
        size: step.count,
        label: `${thousands(step.count)} ${step.count === 1 ? 'record' : 'records'}, linked one to the next, from ${thousands(step.first)} on, ${at}`,
      });
    } else if (step.kind === 'checkpoint') {
      found.push({
        kind: 'checkpoint',
        size: step.size,
        label: `checkpoint of size ${thousands(step.size)}: signature verified, root recomputed, ${at}`,
      });
    } else if (step.kind === 'cosigned') {
      found.push({
        kind: 'cosigned',
        size: step.by.length,
        label: `cosigned at size ${thousands(step.size)} by ${step.by.join(', ')}, ${at}`,
      });
    } else if (step.kind === 'gap') {
      found.push({
        kind: 'gap',
        size: step.count,
        label: `${thousands(step.count)} records passed over, ${at}`,
      });
    }
  }
  return found;
}

export function Strip({
  steps,
  trust,
}: {
  steps: readonly Step[];
  trust: TrustState | undefined;
}): JSX.Element {
  const size = trust?.checkpoint?.size ?? 0;
  const filled = size % 256;
  const drawn = pieces(steps);
  return (
    <aside class="strip" aria-label="The log as it grows">
      <h2>the log</h2>
      <div
        class="tile"
        title={`Tile ${thousands(Math.floor(size / 256))}: ${filled} of 256 leaves. A full tile never changes again.`}
      >
        <span class="tile-fill" style={{ width: `${(filled / 256) * 100}%` }} />
        <span class="tile-text">
          tile {thousands(Math.floor(size / 256))} · <b>{filled}</b>/256
        </span>
      </div>
      {trust?.checkpoint !== undefined && (
        <p class="fine root" title={trust.checkpoint.root}>
          root {shortHash(trust.checkpoint.root)}
        </p>
      )}
      <ol class="chain">
        {drawn.map((piece, i) => (
          <li key={i} class={piece.kind} title={piece.label}>
            <span
              class="glyph"
              aria-hidden="true"
              style={
                piece.kind === 'batch'
                  ? { '--weight': String(Math.min(1, Math.log2(piece.size + 1) / 10)) }
                  : {}
              }
            />
            <span class="what">
              {piece.kind === 'batch'
                ? `+${thousands(piece.size)}`
                : piece.kind === 'checkpoint'
                  ? thousands(piece.size)
                  : piece.kind === 'cosigned'
                    ? `${piece.size} witness${piece.size === 1 ? '' : 'es'}`
                    : `gap ${thousands(piece.size)}`}
            </span>
          </li>
        ))}
      </ol>
      {drawn.length === 0 && (
        <p class="fine">
          Nothing new yet. Each batch, checkpoint and cosignature appears here as it happens.
        </p>
      )}
    </aside>
  );
}
