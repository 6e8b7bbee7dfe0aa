// The commands that give what this view shows, in a dialog.

import { useEffect, useRef } from 'preact/hooks';
import type { JSX } from 'preact';
import { grpcPort, placeOfPage, sameBy, type Shown } from '../commands.ts';
import { Command } from './text.tsx';

export function Commands({ shown }: { shown: Shown }): JSX.Element {
  return (
    <>
      {sameBy(shown, placeOfPage()).map(([name, text]) => (
        <Command key={text} label={name} text={text} />
      ))}
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
      <p class="fine">
        gRPC is taken to be on port {grpcPort} of the same host. Where the server asks for a token,
        the commands need one too.
      </p>
      <form method="dialog">
        <button>close</button>
      </form>
    </dialog>
  );
}
