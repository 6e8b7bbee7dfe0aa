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

export function otherLinks(log: string): OtherLink[] {
  try {
    const kept = JSON.parse(localStorage.getItem(nameOf(log)) ?? '[]') as OtherLink[];
    return Array.isArray(kept) ? kept.filter(isLink) : [];
  } catch {
    return [];
  }
}

/** The same link twice is one. */
export function withLink(before: readonly OtherLink[], link: OtherLink): OtherLink[] {
  const same = (one: OtherLink): boolean =>
    one.index === link.index && one.named === link.named && one.shown === link.shown;
  return before.some(same) ? [...before] : [...before, link].slice(-keptMax);
}

/** Where the browser keeps nothing they hold until the page is left. */
export function keepLinks(log: string, links: readonly OtherLink[]): void {
  try {
    if (links.length === 0) localStorage.removeItem(nameOf(log));
    else localStorage.setItem(nameOf(log), JSON.stringify(links));
  } catch {
    // As said.
  }
}
