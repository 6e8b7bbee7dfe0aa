// Links that named another record than the one that the signed tree has at their place. A link is somebody's word and signed
// by nobody, so it is no contradiction of the log; but it is not forgotten before the reader says so.

export interface OtherLink {
  readonly index: number;
  /** Record hashes in hex: of the link, and of the record that is included. */
  readonly named: string;
  readonly shown: string;
  readonly at: number;
}

const keptMax = 20;
const hashForm = /^[0-9a-f]{64}$/;

const nameOf = (log: string): string =>
  `graven-links ${new URL('.', document.baseURI).href} ${log}`;

const isLink = (one: OtherLink): boolean =>
  Number.isSafeInteger(one.index) && hashForm.test(one.named) && hashForm.test(one.shown);

/** Undefined where the browser keeps nothing. */
function keptLinks(log: string): OtherLink[] | undefined {
  try {
    const kept = JSON.parse(localStorage.getItem(nameOf(log)) ?? '[]') as OtherLink[];
    return Array.isArray(kept) ? kept.filter(isLink) : [];
  } catch (error) {
    return error instanceof SyntaxError ? [] : undefined;
  }
}

export const otherLinks = (log: string): OtherLink[] => keptLinks(log) ?? [];

/** The same link twice is one. The first ones stay: who sends many does not push them out. */
export function withLink(before: readonly OtherLink[], link: OtherLink): OtherLink[] {
  const same = (one: OtherLink): boolean =>
    one.index === link.index && one.named === link.named && one.shown === link.shown;
  return before.some(same) ? [...before] : [...before, link].slice(0, keptMax);
}

/** Adds to what all tabs kept. Where the browser keeps nothing, `here` holds until the page is left. */
export function addLink(log: string, here: readonly OtherLink[], link: OtherLink): OtherLink[] {
  const links = withLink(keptLinks(log) ?? here, link);
  keepLinks(log, links);
  return links;
}

/** Calls when another tab changed them. */
export function listenLinks(log: string, changed: () => void): () => void {
  const stored = ({ key }: StorageEvent): void => {
    if (key === null || key === nameOf(log)) changed();
  };
  window.addEventListener('storage', stored);
  return () => window.removeEventListener('storage', stored);
}

export function keepLinks(log: string, links: readonly OtherLink[]): void {
  try {
    if (links.length === 0) localStorage.removeItem(nameOf(log));
    else localStorage.setItem(nameOf(log), JSON.stringify(links));
  } catch {
    // As said.
  }
}
