// Views of what changes: the feed, the address, the clock, keys.

import { useEffect, useReducer, useRef, useState } from 'preact/hooks';
import type { Feed } from '../feed.ts';
import type { Place } from '../commands.ts';
import { listenToPlace, placeOfPage } from '../place.ts';
import { readRoute, type Route } from '../route.ts';

/** Draws again when the feed changes, at most once a frame. */
export function useFeed(feed: Feed | undefined): void {
  const [, draw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => feed?.view(() => draw(undefined as never)), [feed]);
}

/** Draws again only when what is known of the log's state is another. */
export function useTrust(feed: Feed | undefined): void {
  const [, setTrust] = useState(feed?.trust);
  useEffect(() => {
    setTrust(feed?.trust);
    return feed?.view(() => setTrust(feed.trust));
  }, [feed]);
}

/** Where the server is, and again when it has told. */
export function usePlace(): Place {
  const [place, setPlace] = useState(placeOfPage);
  useEffect(() => listenToPlace(() => setPlace(placeOfPage())) as () => void, []);
  return place;
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => readRoute(location.hash));
  useEffect(() => {
    const changed = (): void => setRoute(readRoute(location.hash));
    window.addEventListener('hashchange', changed);
    return () => window.removeEventListener('hashchange', changed);
  }, []);
  return route;
}

/** The time, every so many milliseconds. */
export function useNow(every: number): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

/** A menu that is open closes by Escape and by a click elsewhere. */
export function useMenus(): void {
  useEffect(() => {
    const open = (): HTMLDetailsElement[] => [
      ...document.querySelectorAll<HTMLDetailsElement>('details.menu[open]'),
    ];
    const click = (event: Event): void =>
      open().forEach((menu) => {
        if (!menu.contains(event.target as Node)) menu.open = false;
      });
    const key = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape') return;
      for (const menu of open()) {
        menu.open = false;
        menu.querySelector('summary')!.focus();
        event.stopPropagation();
      }
    };
    document.addEventListener('pointerdown', click);
    document.addEventListener('keydown', key, true);
    return () => {
      document.removeEventListener('pointerdown', click);
      document.removeEventListener('keydown', key, true);
    };
  }, []);
}

/**
 * Of questions of one kind only the newest one's answer is wanted, and none once what they are about is another. Called before
 * a question; what it returns says whether that one's answer still is.
 */
export function useLatest(about: readonly unknown[]): () => () => boolean {
  const latest = useRef<object>(undefined);
  useEffect(
    () => () => {
      latest.current = undefined;
    },
    about,
  );
  return () => {
    const own = {};
    latest.current = own;
    return () => latest.current === own;
  };
}

export type Keys = Record<string, (event: KeyboardEvent) => void>;

const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** Keys of this view; sequences are "g l". None while somebody types or a modifier is held. */
export function useKeys(keys: Keys): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    // Of the listener and not of a render: rows that arrive between two keys must not part them.
    let prefix = '';
    let prefixAt = 0;
    const pressed = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (typing(event.target) && event.key !== 'Escape') return;
      const known = latest.current;
      const sequence =
        prefix !== '' && event.timeStamp - prefixAt < 1500 ? `${prefix} ${event.key}` : event.key;
      prefix = '';
      const action = known[sequence] ?? known[event.key];
      if (action !== undefined) {
        // A button or link with the focus has its own Enter.
        const own =
          event.target instanceof HTMLElement && /^(BUTTON|A|SUMMARY)$/.test(event.target.tagName);
        if (event.key !== 'Enter' || !own) action(event);
      } else if (Object.keys(known).some((one) => one.startsWith(event.key + ' '))) {
        prefix = event.key;
        prefixAt = event.timeStamp;
      }
    };
    window.addEventListener('keydown', pressed);
    return () => window.removeEventListener('keydown', pressed);
  }, []);
}

/** The keys that open the menu of the row. */
export const menuKeys = (open: () => void): Keys => ({
  m: open,
  ContextMenu: open,
  F10: (event) => {
    if (!event.shiftKey) return;
    event.preventDefault();
    open();
  },
});

/** The keys of a list of rows: j, k and the arrows move, Enter opens. */
export function useRowKeys(
  active: boolean,
  move: (by: number) => void,
  open: () => void,
  more: Keys = {},
): void {
  const arrow = (by: number) => (event: KeyboardEvent) => {
    // Not also a scroll.
    event.preventDefault();
    move(by);
  };
  useKeys(
    active
      ? {
          j: () => move(1),
          k: () => move(-1),
          ArrowDown: arrow(1),
          ArrowUp: arrow(-1),
          Enter: open,
          ...more,
        }
      : {},
  );
}

/** A file that is dropped anywhere on the page, and not opened by the browser instead of it. */
export function useDrop(take: (file: File) => void): void {
  const latest = useRef(take);
  latest.current = take;
  useEffect(() => {
    const over = (event: DragEvent): void => event.preventDefault();
    const drop = (event: DragEvent): void => {
      event.preventDefault();
      const file = event.dataTransfer?.files[0];
      if (file !== undefined) latest.current(file);
    };
    window.addEventListener('dragover', over);
    window.addEventListener('drop', drop);
    return () => {
      window.removeEventListener('dragover', over);
      window.removeEventListener('drop', drop);
    };
  }, []);
}
