// What a reader chose: theme, time zone. Kept by the browser, of no weight.

import { isZone, utc, type Zone } from './time.ts';

export type Theme = 'auto' | 'light' | 'dark';

function read(name: string): string {
  try {
    return localStorage.getItem(`graven-${name}`) ?? '';
  } catch {
    return '';
  }
}

function write(name: string, value: string): void {
  try {
    localStorage.setItem(`graven-${name}`, value);
  } catch {
    // Then it holds until the page is left.
  }
}

// A browser that was updated may not know a name any more.
function zoneOf(kept: string): Zone {
  if (kept === 'utc') return utc;
  return kept !== 'local' && isZone(kept) ? kept : '';
}

const listeners = new Set<() => void>();
const tell = (): void => listeners.forEach((listener) => listener());
const systemDark = matchMedia('(prefers-color-scheme: dark)');

export const settings = {
  theme: (['light', 'dark'].includes(read('theme')) ? read('theme') : 'auto') as Theme,
  zone: zoneOf(read('zone')),

  setTheme(theme: Theme): void {
    settings.theme = theme;
    write('theme', theme);
    applyTheme();
  },

  /** What `theme` comes to here and now. */
  get dark(): boolean {
    return settings.theme === 'dark' || (settings.theme === 'auto' && systemDark.matches);
  },

  setZone(zone: Zone): void {
    settings.zone = zone;
    write('zone', zone === '' ? 'local' : zone === utc ? 'utc' : zone);
    tell();
  },

  listen(listener: () => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};

function applyTheme(): void {
  document.documentElement.dataset['theme'] = settings.dark ? 'dark' : 'light';
  tell();
}

/** Before anything is drawn. From then on the page follows the system's theme, unless the reader chose one. */
export function startTheme(): void {
  systemDark.addEventListener('change', applyTheme);
  applyTheme();
}
