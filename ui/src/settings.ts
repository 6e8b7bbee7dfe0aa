// What a reader chose: theme, time zone. Kept by the browser, of no weight.

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

const listeners = new Set<() => void>();

export const settings = {
  theme: (['light', 'dark'].includes(read('theme')) ? read('theme') : 'auto') as Theme,
  utc: read('zone') === 'utc',

  setTheme(theme: Theme): void {
    settings.theme = theme;
    write('theme', theme);
    applyTheme();
    for (const listener of listeners) listener();
  },

  setUtc(utc: boolean): void {
    settings.utc = utc;
    write('zone', utc ? 'utc' : 'local');
    for (const listener of listeners) listener();
  },

  listen(listener: () => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};

export function applyTheme(): void {
  if (settings.theme === 'auto') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = settings.theme;
}
