// Searches with a name, kept by this browser. Each is an address and nothing else.

import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { Strange } from './text.tsx';

interface Saved {
  name: string;
  hash: string;
}

const savedMax = 100;

function load(log: string): Saved[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(`graven-saved-${log}`) ?? '[]');
    if (!Array.isArray(found)) return [];
    return (found as Saved[]).filter(
      (one) =>
        typeof one.name === 'string' && typeof one.hash === 'string' && one.hash.startsWith('#/'),
    );
  } catch {
    return [];
  }
}

export function SavedMenu({ log }: { log: string }): JSX.Element {
  const [all, setAll] = useState(() => load(log));
  const [name, setName] = useState('');
  const keep = (next: Saved[]): void => {
    setAll(next);
    try {
      localStorage.setItem(`graven-saved-${log}`, JSON.stringify(next));
    } catch {
      // Then they hold until the page is left.
    }
  };
  return (
    <details class="menu">
      <summary>saved</summary>
      <div>
        {all.map((one) => (
          <span key={one.name} class="row saved">
            <a href={one.hash}>
              <Strange text={one.name} />
            </a>
            <button
              type="button"
              class="quiet"
              aria-label={`Forget the search ${one.name}`}
              onClick={() => keep(all.filter((other) => other !== one))}
            >
              ×
            </button>
          </span>
        ))}
        <form
          class="row"
          onSubmit={(event) => {
            event.preventDefault();
            keep(
              [
                ...all.filter((one) => one.name !== name.trim()),
                { name: name.trim(), hash: location.hash },
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
