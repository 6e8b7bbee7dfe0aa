// Searches with a name, kept by this browser. Each is an address and nothing else.

import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { placeOfPage } from '../place.ts';
import { Strange } from './text.tsx';

interface Saved {
  name: string;
  hash: string;
}

const savedMax = 100;

// Servers behind prefixes of one host share the browser's store.
const keyOf = (log: string): string => `graven-saved ${placeOfPage().base} ${log}`;

function load(log: string): Saved[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(keyOf(log)) ?? '[]');
    if (!Array.isArray(found)) return [];
    return (found as Saved[]).filter(
      (one) =>
        typeof one.name === 'string' && typeof one.hash === 'string' && one.hash.startsWith('#/'),
    );
  } catch {
    return [];
  }
}

export function SavedMenu({ log, address }: { log: string; address: string }): JSX.Element {
  const [all, setAll] = useState(() => load(log));
  const [name, setName] = useState('');
  const [renamed, setRenamed] = useState<{ from: string; to: string }>();
  const keep = (next: Saved[]): void => {
    setAll(next);
    try {
      localStorage.setItem(keyOf(log), JSON.stringify(next));
    } catch {
      // Then they hold until the page is left.
    }
  };
  const rename = (one: Saved): void => {
    const to = renamed!.to.trim();
    setRenamed(undefined);
    if (to === '' || to === one.name) return;
    // In its place; another of that name gives way.
    keep(
      all
        .filter((other) => other === one || other.name !== to)
        .map((other) => (other === one ? { ...one, name: to } : other)),
    );
  };
  return (
    <details class="menu saved-menu">
      <summary>saved</summary>
      <div>
        {all.length === 0 && (
          <p class="fine">No search has a name yet. This browser keeps those that get one.</p>
        )}
        {all.map((one) =>
          renamed?.from === one.name ? (
            <form
              key={one.name}
              class="row saved"
              onSubmit={(event) => {
                event.preventDefault();
                rename(one);
              }}
            >
              <input
                aria-label={`New name for ${one.name}`}
                maxLength={80}
                value={renamed.to}
                ref={(input) => {
                  if (input !== null && document.activeElement !== input) input.focus();
                }}
                onInput={(event) => setRenamed({ from: one.name, to: event.currentTarget.value })}
              />
              <button type="submit">rename</button>
            </form>
          ) : (
            <span key={one.name} class="row saved">
              <a
                href={one.hash}
                onClick={(event) => (event.currentTarget.closest('details')!.open = false)}
              >
                <Strange text={one.name} />
              </a>
              <span class="grow" />
              <button
                type="button"
                class="quiet"
                aria-label={`Rename the search ${one.name}`}
                title="rename"
                onClick={() => setRenamed({ from: one.name, to: one.name })}
              >
                ✎
              </button>
              <button
                type="button"
                class="quiet"
                aria-label={`Forget the search ${one.name}`}
                title="forget"
                onClick={() => keep(all.filter((other) => other !== one))}
              >
                ×
              </button>
            </span>
          ),
        )}
        <form
          class="row"
          onSubmit={(event) => {
            event.preventDefault();
            keep(
              [
                ...all.filter((one) => one.name !== name.trim()),
                { name: name.trim(), hash: address },
              ].slice(-savedMax),
            );
            setName('');
          }}
        >
          <input
            aria-label="Name for this search"
            placeholder="name for this search"
            maxLength={80}
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
          <button type="submit" disabled={name.trim() === ''}>
            save
          </button>
        </form>
      </div>
    </details>
  );
}
