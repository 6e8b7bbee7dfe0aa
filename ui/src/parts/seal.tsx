// The seal, always in sight: one shape and one word, and the sentence when it is opened.

import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import type { TrustState } from '../engine/protocol.ts';
import { writeRoute } from '../route.ts';
import { judgedBy, sealOf, type SealKind } from '../seal.ts';
import { useNow } from './hooks.ts';
import { saveText } from './save.ts';
import { Strange } from './text.tsx';

// Verified: closed. Not pinned: closed with a dot. First visit: a gap. Stale: dashed. Checking: open. Broken: a square.
export function SealShape({ kind, size = 16 }: { kind: SealKind; size?: number }): JSX.Element {
  const ring = { cx: 8, cy: 8, r: 6, fill: 'none', stroke: 'currentColor', 'stroke-width': 2.2 };
  return (
    <svg
      class={`seal-shape ${kind}`}
      width={size}
      height={size}
      viewBox="0 0 16 16"
      aria-hidden="true"
    >
      {kind === 'broken' && (
        <rect x="1.5" y="1.5" width="13" height="13" rx="1.5" fill="currentColor" />
      )}
      {kind === 'broken' && (
        <path d="M5 5l6 6M11 5l-6 6" stroke="var(--paper)" stroke-width="1.8" />
      )}
      {kind === 'verified' && <circle {...ring} />}
      {kind === 'verified' && (
        <path d="M5.4 8.2l1.8 1.8 3.4-3.8" fill="none" stroke="currentColor" stroke-width="1.6" />
      )}
      {kind === 'unpinned' && <circle {...ring} />}
      {kind === 'unpinned' && <circle cx="8" cy="8" r="2" fill="currentColor" />}
      {kind === 'first' && (
        <path d="M8 2a6 6 0 1 1-5.6 3.8" fill="none" stroke="currentColor" stroke-width="2.2" />
      )}
      {kind === 'stale' && <circle {...ring} stroke-dasharray="3.2 2.1" />}
      {kind === 'checking' && (
        <path
          class="turning"
          d="M8 2a6 6 0 0 1 6 6"
          fill="none"
          stroke="currentColor"
          stroke-width="2.2"
        />
      )}
      {kind === 'checking' && <circle {...ring} stroke-opacity="0.25" />}
    </svg>
  );
}

export function SealButton({
  trust,
  log,
}: {
  trust: TrustState | undefined;
  log: string;
}): JSX.Element {
  const [open, setOpen] = useState(false);
  const now = useNow(1000);
  const seal = sealOf(trust, now);
  const root = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    const outside = (event: Event): void => {
      if (
        event instanceof KeyboardEvent
          ? event.key === 'Escape'
          : !root.current!.contains(event.target as Node)
      )
        setOpen(false);
    };
    document.addEventListener('pointerdown', outside);
    document.addEventListener('keydown', outside);
    return () => {
      document.removeEventListener('pointerdown', outside);
      document.removeEventListener('keydown', outside);
    };
  }, [open]);
  return (
    <div class="seal" ref={root}>
      <button
        type="button"
        class={`seal-button ${seal.kind}`}
        aria-expanded={open}
        aria-controls="seal-says"
        data-seal={seal.kind}
        onClick={() => setOpen(!open)}
      >
        <SealShape kind={seal.kind} />
        <span>{seal.word}</span>
      </button>
      {open && (
        <div class="popover" id="seal-says" role="region" aria-label="What was checked">
          <p class={`seal-title ${seal.kind}`}>
            <SealShape kind={seal.kind} size={20} /> <strong>{seal.word}</strong>{' '}
            <span class="by">{judgedBy(trust)}</span>
          </p>
          {seal.sentences.map((sentence) => (
            <p key={sentence}>
              <Strange text={sentence} charactersMax={1000} />
            </p>
          ))}
          <p class="fine">
            {trust?.view === undefined ? (
              <>
                This page comes from the server that it judges. Independent of it are{' '}
                <code>graven view</code>, <code>graven verify</code> and <code>graven monitor</code>
                , run from your own binary.
              </>
            ) : (
              <>
                This page, its memory in <code>{trust.view.folder}</code> and the key come from{' '}
                <code>graven view</code> on this machine; only records and proofs come from{' '}
                <code>{trust.view.server}</code>.
              </>
            )}
          </p>
          <p class="row">
            {trust?.broken[0]?.evidence !== undefined && (
              <button
                type="button"
                class="primary danger"
                onClick={() => saveText(`${log}-evidence.txt`, trust.broken[0]!.evidence!)}
              >
                save the evidence
              </button>
            )}
            <a href={writeRoute(log, 'trust')} onClick={() => setOpen(false)}>
              what was checked, in full
            </a>
          </p>
        </div>
      )}
    </div>
  );
}

const colours: Record<SealKind, string> = {
  checking: '#7a7f85',
  verified: '#1d7467',
  unpinned: '#1d7467',
  first: '#a86400',
  stale: '#a86400',
  broken: '#c4281c',
};

/** Title and icon of the tab say it too. `broken`: whatever is known of this log. */
export function useTabSeal(trust: TrustState | undefined, title: string, broken: boolean): void {
  const seal = sealOf(trust, Date.now());
  const kind = broken ? 'broken' : seal.kind;
  const { word } = seal;
  useEffect(() => {
    document.title = `${kind === 'broken' ? '■ DOES NOT FIT · ' : kind === 'stale' ? '○ ' : ''}${title} · Graven`;
    const shape =
      kind === 'broken'
        ? `<rect x="1" y="1" width="14" height="14" rx="2" fill="${colours[kind]}"/><path d="M5 5l6 6M11 5l-6 6" stroke="#fff" stroke-width="2"/>`
        : `<circle cx="8" cy="8" r="6" fill="none" stroke="${colours[kind]}" stroke-width="3"${kind === 'stale' ? ' stroke-dasharray="4 3"' : ''}/>`;
    const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">${shape}</svg>`;
    document
      .getElementById('icon')!
      .setAttribute('href', `data:image/svg+xml,${encodeURIComponent(icon)}`);
  }, [kind, word, title]);
}
