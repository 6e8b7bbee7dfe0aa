// No event yet: the four ways to send one, filled in, and a mark that listens. It turns into the first row by itself.

import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { BeforeRunning } from '../parts/commands.tsx';
import { usePlace } from '../parts/hooks.ts';
import { Command } from '../parts/text.tsx';
import { SealShape } from '../parts/seal.tsx';
import { waysToSend } from '../ways.ts';

export function FirstEvent({ log }: { log: string }): JSX.Element {
  const place = usePlace();
  const all = waysToSend(log, place, new Date());
  const [shown, setShown] = useState('curl');
  return (
    <div class="first-run">
      <h1>
        <SealShape kind="checking" size={28} />
        <span>
          Listening for the first event of <code>{log}</code>
        </span>
      </h1>
      <p>
        The log is there, its empty tree is signed, and this page has verified that. Send something;
        it appears here by itself.
      </p>
      <div class="tabs" role="tablist" aria-label="Ways to send an event">
        {all.map((way) => (
          <button
            key={way.name}
            type="button"
            role="tab"
            id={`tab-${way.name}`}
            aria-selected={way.name === shown}
            aria-controls="way"
            onClick={() => setShown(way.name)}
          >
            {way.name}
          </button>
        ))}
      </div>
      <div id="way" role="tabpanel" aria-labelledby={`tab-${shown}`}>
        <Command text={all.find((way) => way.name === shown)!.text} />
      </div>
      <BeforeRunning place={place} />
    </div>
  );
}
