// The log itself, drawn: batches as they come, the tile that fills, the checkpoint that closes over them, the witnesses' marks.
// With reduced motion the same picture, still.

import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import type { Step, TrustState } from '../engine/protocol.ts';
import { shortHash, thousands } from '../seal.ts';
import { clockTime, Strange } from './text.tsx';

const shownMax = 26;

interface Piece {
  kind: 'batch' | 'checkpoint' | 'cosigned' | 'gap';
  label: string;
  size: number;
  /** The same as long as it is drawn. */
  key: string;
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
        key: `batch ${step.first + step.count}`,
        size: step.count,
        label: `${thousands(step.count)} ${step.count === 1 ? 'record' : 'records'}, linked one to the next, from ${thousands(step.first)} on, ${at}`,
      });
    } else if (step.kind === 'checkpoint') {
      found.push({
        kind: 'checkpoint',
        key: `checkpoint ${step.size}`,
        size: step.size,
        label: `checkpoint of size ${thousands(step.size)}: signature verified, root recomputed, ${at}`,
      });
    } else if (step.kind === 'cosigned') {
      found.push({
        kind: 'cosigned',
        key: `cosigned ${step.size} ${step.at}`,
        size: step.by.length,
        label: `cosigned at size ${thousands(step.size)} by ${step.by.join(', ')}, ${at}`,
      });
    } else if (step.kind === 'gap') {
      found.push({
        kind: 'gap',
        key: `gap ${step.first}`,
        size: step.count,
        label: `${thousands(step.count)} records passed over, ${at}`,
      });
    }
  }
  return found;
}

const leavesOfTile = 256;
const tilesShown = 8;

interface Named {
  /** What it is called when somebody looks at it. */
  readonly label: string;
}

interface Tile extends Named {
  readonly number: number;
  readonly filled: number;
}

/** The last full tiles, and the one that fills. */
export function tilesOf(size: number): Tile[] {
  const last = Math.floor(size / leavesOfTile);
  const first = Math.max(0, last - tilesShown + 1);
  return Array.from({ length: last - first + 1 }, (_, i) => {
    const number = first + i;
    const filled = number < last ? leavesOfTile : size % leavesOfTile;
    return {
      number,
      filled,
      label:
        filled === leavesOfTile
          ? `tile ${thousands(number)}: full, it never changes again`
          : `tile ${thousands(number)}: ${filled} of ${leavesOfTile} leaves, still filling`,
    };
  });
}

const wordsOf = ({ kind, size }: Piece): string => {
  switch (kind) {
    case 'batch':
      return `+${thousands(size)}`;
    case 'checkpoint':
      return thousands(size);
    case 'cosigned':
      return `${size} witness${size === 1 ? '' : 'es'}`;
    case 'gap':
      return `gap ${thousands(size)}`;
  }
};

export function Strip({
  steps,
  trust,
}: {
  steps: readonly Step[];
  trust: TrustState | undefined;
}): JSX.Element {
  // By key, and by the pointer, which goes before it. Places, for what stands there changes as the log grows.
  const [focused, setFocused] = useState<number>();
  const [pointed, setPointed] = useState<number>();
  const size = trust?.checkpoint?.size ?? 0;
  const tiles = tilesOf(size);
  const drawn = pieces(steps);
  const all: readonly Named[] = [...tiles, ...drawn];
  const looked = pointed ?? focused;
  const named = looked === undefined ? undefined : all[Math.min(looked, all.length - 1)];
  const place = (at: number): object => ({
    class: looked === at ? 'looked' : '',
    onPointerEnter: () => setPointed(at),
  });
  const pressed = (event: KeyboardEvent): void => {
    const at = focused ?? 0;
    const last = all.length - 1;
    const next = {
      ArrowDown: at + 1,
      ArrowRight: at + 1,
      ArrowUp: at - 1,
      ArrowLeft: at - 1,
      Home: 0,
      End: last,
    }[event.key];
    if (next === undefined) return;
    // Not also a row of the list, nor a scroll.
    event.preventDefault();
    event.stopPropagation();
    setFocused(Math.max(0, Math.min(last, next)));
  };
  return (
    <aside class="strip" aria-label="The log as it grows">
      <h2>the log</h2>
      <div
        class="growing"
        role="group"
        aria-label="Tiles, batches, checkpoints and cosignatures; arrows go through them"
        tabIndex={0}
        onKeyDown={pressed}
        onFocus={() => setFocused(0)}
        onBlur={() => setFocused(undefined)}
        onPointerLeave={() => setPointed(undefined)}
      >
        <div class="tiles" aria-hidden="true">
          {tiles.map((tile, i) => (
            <span key={tile.number} data-filled={tile.filled} {...place(i)}>
              <i style={{ height: `${(tile.filled / leavesOfTile) * 100}%` }} />
            </span>
          ))}
        </div>
        <p class="fine tile-text">
          tile {thousands(Math.floor(size / leavesOfTile))} · <b>{size % leavesOfTile}</b>/
          {leavesOfTile}
        </p>
        {trust?.checkpoint !== undefined && (
          <p class="fine root" title={trust.checkpoint.root}>
            root {shortHash(trust.checkpoint.root)}
          </p>
        )}
        <ol class="chain" aria-hidden="true">
          {drawn.map((piece, i) => (
            <li key={i} data-kind={piece.kind} {...place(tiles.length + i)}>
              <span
                // By place, so that what comes moves nothing; but the newest is a new one, and closes.
                key={i === 0 ? piece.key : ''}
                class={`glyph ${piece.kind}${i === 0 ? ' newest' : ''}`}
                style={
                  piece.kind === 'batch'
                    ? { '--weight': String(Math.min(1, Math.log2(piece.size + 1) / 10)) }
                    : {}
                }
              />
              <span class={`what ${piece.kind}`}>{wordsOf(piece)}</span>
            </li>
          ))}
        </ol>
      </div>
      {drawn.length === 0 && (
        <p class="fine">
          Nothing new yet. Each batch, checkpoint and cosignature appears here as it happens.
        </p>
      )}
      <p class="strip-name" role="status">
        {named === undefined ? (
          <span class="fine">Hover or focus a mark to see what it is.</span>
        ) : (
          <Strange text={named.label} charactersMax={1000} />
        )}
      </p>
    </aside>
  );
}
