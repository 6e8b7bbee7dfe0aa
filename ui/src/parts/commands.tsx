// The commands that give what this view shows, in a dialog.

import { useEffect, useRef } from 'preact/hooks';
import type { JSX } from 'preact';
import { beforeRunning, sameBy, type Place, type Shown } from '../commands.ts';
import { usePlace } from './hooks.ts';
import { Command } from './text.tsx';

/** What stands under commands, as far as there is anything to say. */
export function BeforeRunning({ place }: { place: Place }): JSX.Element {
  return (
    <>
      {beforeRunning(place).map((sentence) => (
        <p key={sentence} class="fine">
          {sentence}
        </p>
      ))}
    </>
  );
}

export function Commands({ shown }: { shown: Shown }): JSX.Element {
  const place = usePlace();
  return (
    <>
      {sameBy(shown, place).map(([name, text]) => (
        <Command key={text} label={name} text={text} />
      ))}
      <BeforeRunning place={place} />
    </>
  );
}

export function CommandsDialog({ shown, close }: { shown: Shown; close: () => void }): JSX.Element {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => box.current!.showModal(), []);
  return (
    <dialog
      ref={box}
      class="help commands"
      aria-labelledby="commands-title"
      onClose={close}
      onClick={(event) => {
        if (event.target === box.current) box.current!.close();
      }}
    >
      <h2 id="commands-title">The same without this page</h2>
      <Commands shown={shown} />
      <form method="dialog">
        <button>close</button>
      </form>
    </dialog>
  );
}
