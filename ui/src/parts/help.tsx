// All keys of the page.

import { useEffect, useRef } from 'preact/hooks';
import type { JSX } from 'preact';

const keyHelp: readonly [string, string][] = [
  ['/', 'query'],
  ['j  k', 'next, previous row'],
  ['Enter', 'open the row'],
  ['Esc', 'back, close'],
  ['p', 'pause or follow'],
  ['m', 'the values of the row: only, without, copy'],
  ['v', 'verify the open record'],
  ['c', 'the commands that give the same'],
  ['g l', 'Live'],
  ['g e', 'Explore'],
  ['g t', 'Trust'],
  ['g o', 'Logs'],
  ['?', 'these keys'],
];

export function Help({ close }: { close: () => void }): JSX.Element {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => box.current!.showModal(), []);
  return (
    <dialog
      ref={box}
      class="help"
      aria-labelledby="help-title"
      onClose={close}
      onClick={(event) => {
        if (event.target === box.current) box.current!.close();
      }}
    >
      <h2 id="help-title">Keys</h2>
      <dl>
        {keyHelp.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <p class="fine">
        A click or Enter on a value looks for it; with Alt, for all but it. Right-click, Shift+F10
        or a long press offers both, and copy.
      </p>
      <form method="dialog">
        <button>close</button>
      </form>
    </dialog>
  );
}
