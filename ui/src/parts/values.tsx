// What can be done with a value, by whatever hand: only those that have it, all but those, a copy. Opened by the key of menus,
// a right-click, or a long press.

import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import type { Choice } from '../record/narrow.ts';
import { firstOf, plainText } from '../record/safety.ts';
import { Copy, Strange } from './text.tsx';

interface Asked {
  readonly title: string;
  readonly choices: readonly Choice[];
  /** Of which of them it was asked. */
  readonly term?: string | undefined;
  readonly choose: (term: string, exclude: boolean) => void;
}

let asking: ((asked: Asked) => void) | undefined;

/** There is one such dialog, and it is the page's. */
export const askValues = (asked: Asked): void => asking?.(asked);

export function useValues(): [Asked | undefined, () => void] {
  const [asked, setAsked] = useState<Asked>();
  useEffect(() => {
    asking = setAsked;
    return () => {
      asking = undefined;
    };
  }, []);
  return [asked, () => setAsked(undefined)];
}

const longTouchMs = 550;
let touching = 0;
let touchOpened = false;

interface Hands {
  onContextMenu: (event: MouseEvent) => void;
  onKeyDown: (event: KeyboardEvent) => void;
  onTouchStart: (event: TouchEvent) => void;
  onTouchMove: () => void;
  onTouchCancel: () => void;
  onTouchEnd: (event: TouchEvent) => void;
}

/** Opens by every hand; with Alt, Enter leaves the value out as a click does. */
export function menuOn(ask: (from: Element) => void, exclude?: () => void): Hands {
  const take = (event: Event): void => {
    event.preventDefault();
    event.stopPropagation();
    ask(event.target as Element);
  };
  const end = (): void => clearTimeout(touching);
  return {
    onContextMenu: (event) => {
      // What was marked is to be copied by the browser's own menu.
      if (getSelection()?.isCollapsed !== false) take(event);
    },
    onKeyDown: (event) => {
      if (event.key === 'ContextMenu' || (event.key === 'F10' && event.shiftKey)) take(event);
      else if (event.key === 'Enter' && event.altKey && exclude !== undefined) {
        event.preventDefault();
        exclude();
      }
    },
    onTouchStart: (event) => {
      end();
      touchOpened = false;
      const from = event.target as Element;
      touching = window.setTimeout(() => {
        touchOpened = true;
        ask(from);
      }, longTouchMs);
    },
    onTouchMove: end,
    onTouchCancel: end,
    onTouchEnd: (event) => {
      end();
      // Not also a click.
      if (touchOpened) event.preventDefault();
    },
  };
}

export function ValuesDialog({ asked, close }: { asked: Asked; close: () => void }): JSX.Element {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    box.current!.showModal();
    const at = asked.choices.findIndex((one) => one.term === asked.term);
    box.current!.querySelectorAll('li')[at]?.querySelector('button')?.focus();
  }, []);
  const choose = (term: string, exclude: boolean): void => {
    box.current!.close();
    asked.choose(term, exclude);
  };
  return (
    <dialog
      ref={box}
      class="help values"
      aria-labelledby="values-title"
      onClose={close}
      onClick={(event) => {
        if (event.target === box.current) box.current!.close();
      }}
    >
      <h2 id="values-title">{asked.title}</h2>
      <ul class="plain">
        {asked.choices.map((one, i) => {
          const { term } = one;
          const words = plainText(`${one.name} ${firstOf(one.value, 100)}`);
          return (
            <li key={i}>
              <span class="fine">
                <Strange text={one.name} />
              </span>
              <span class="values-value">
                <Strange text={one.value} />
              </span>
              <span class="row">
                {term !== undefined && (
                  <>
                    <button
                      type="button"
                      aria-label={`Only these: ${words}`}
                      onClick={() => choose(term, false)}
                    >
                      only these
                    </button>
                    <button
                      type="button"
                      aria-label={`Without these: ${words}`}
                      onClick={() => choose(term, true)}
                    >
                      without
                    </button>
                  </>
                )}
                <Copy text={one.text ?? one.value} />
              </span>
            </li>
          );
        })}
      </ul>
      <form method="dialog">
        <button>close</button>
      </form>
    </dialog>
  );
}
