// The exact bytes: which field each belongs to is said for the one under the cursor.

import { useMemo, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { thousands } from '../numbers.ts';
import type { TreeNode } from '../record/tree.ts';

const bytesMax = 4096;
const steps: Readonly<Record<string, number>> = {
  ArrowLeft: -1,
  ArrowRight: 1,
  ArrowUp: -16,
  ArrowDown: 16,
};

function leafAt(nodes: readonly TreeNode[], at: number): TreeNode | undefined {
  for (const node of nodes) {
    if (at < node.start || at >= node.end) continue;
    return leafAt(node.children, at) ?? node;
  }
  return undefined;
}

export function HexView({
  bytes,
  tree,
}: {
  bytes: Uint8Array;
  tree: readonly TreeNode[];
}): JSX.Element {
  const [at, setAt] = useState<number>();
  const [all, setAll] = useState(false);
  const node = at === undefined ? undefined : leafAt(tree, at);
  const shown = all ? bytes : bytes.subarray(0, bytesMax);
  const lines = useMemo(() => {
    const found: number[] = [];
    for (let i = 0; i < shown.length; i += 16) found.push(i);
    return found;
  }, [shown.length]);
  const over = (event: Event): void => {
    const own = (event.target as HTMLElement).dataset['at'];
    setAt(own === undefined ? undefined : Number(own));
  };
  const step = (event: KeyboardEvent): void => {
    const by = steps[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const next = at === undefined ? 0 : Math.max(0, Math.min(shown.length - 1, at + by));
    setAt(next);
    (event.currentTarget as HTMLElement)
      .querySelector(`[data-at="${next}"]`)
      ?.scrollIntoView({ block: 'nearest' });
  };
  return (
    <div class="hex-view">
      <p class="hex-field" aria-live="polite">
        {node === undefined
          ? `${thousands(bytes.length)} bytes; point at one, or go there by arrow keys, to see its field`
          : `${node.path} · bytes ${node.start} to ${node.end - 1}${at! < node.valueStart ? ' · tag and length' : ''}`}
      </p>
      <pre
        class="hex"
        tabIndex={0}
        aria-label="Bytes in hex"
        onPointerOver={over}
        onPointerLeave={() => setAt(undefined)}
        onClick={over}
        onKeyDown={step}
      >
        {lines.map((line) => (
          <div key={line}>
            <span class="offset">{line.toString(16).padStart(4, '0')} </span>
            {[...shown.subarray(line, line + 16)].map((byte, i) => (
              <span
                key={i}
                data-at={line + i}
                class={
                  (node !== undefined && line + i >= node.start && line + i < node.end
                    ? 'byte on'
                    : 'byte') + (line + i === at ? ' at' : '')
                }
              >
                {byte.toString(16).padStart(2, '0')}{' '}
              </span>
            ))}
            <span class="ascii">
              {[...shown.subarray(line, line + 16)]
                .map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '·'))
                .join('')}
            </span>
          </div>
        ))}
      </pre>
      {!all && bytes.length > bytesMax && (
        <button type="button" onClick={() => setAll(true)}>
          show all {thousands(bytes.length)} bytes
        </button>
      )}
    </div>
  );
}
