// A file that was dropped on the page, explained.

import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { droppedBytesMax, type Explained } from '../engine/protocol.ts';
import type { Link } from '../link.ts';
import { useLatest } from '../parts/hooks.ts';
import { SealShape } from '../parts/seal.tsx';
import { Section, Strange } from '../parts/text.tsx';

// What a file says of itself is a stranger's text as well.
const sentenceMax = 2000;
const tooLarge: Explained = {
  sentence: 'A file of more than 16 MiB: this page does not read those; `graven verify` does.',
  holds: undefined,
  facts: [],
};

interface Props {
  link: Link;
  log: string;
  /** One that was dropped elsewhere on the page. */
  dropped: File | undefined;
  /** It is being explained, and is not to be once more. */
  taken: () => void;
}

async function explain(link: Link, log: string, file: File): Promise<Explained> {
  if (file.size > droppedBytesMax) return tooLarge;
  try {
    const bytes = new Uint8Array(await file.arrayBuffer());
    return await link.ask<Explained>({ call: 'explain', log, name: file.name, bytes });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { sentence: `It could not be explained: ${why}.`, holds: undefined, facts: [] };
  }
}

export function DropExplain({ link, log, dropped, taken }: Props): JSX.Element {
  const [said, setSaid] = useState<{ name: string; explained: Explained }>();
  const input = useRef<HTMLInputElement>(null);
  const begin = useLatest([log]);
  const read = async (file: File): Promise<void> => {
    const isLatest = begin();
    const explained = await explain(link, log, file);
    if (isLatest()) setSaid({ name: file.name, explained });
  };
  useEffect(() => {
    if (dropped === undefined) return;
    void read(dropped);
    taken();
  }, [dropped]);
  const answer = useRef<HTMLDivElement>(null);
  useEffect(() => answer.current?.scrollIntoView({ block: 'nearest' }), [said]);
  const verdict = said?.explained.holds;
  return (
    <Section title="What is this file?" print={said !== undefined}>
      <p class="fine">
        Drop a receipt, checkpoint, statement, key, evidence or export anywhere on the page. It
        stays in this browser.
      </p>
      <p class="no-print">
        <input
          ref={input}
          type="file"
          aria-label="A file to explain"
          onChange={(event) => {
            const file = event.currentTarget.files?.[0];
            if (file !== undefined) void read(file);
          }}
        />
      </p>
      {said !== undefined && (
        <div
          ref={answer}
          class={`verdict ${verdict === true ? 'good' : verdict === false ? 'bad' : ''}`}
          role="status"
          data-explained={String(verdict)}
        >
          <SealShape
            kind={verdict === true ? 'verified' : verdict === false ? 'broken' : 'unpinned'}
            size={22}
          />
          <div>
            <p>
              <b>
                <Strange text={said.name} />
              </b>
              : <Strange text={said.explained.sentence} charactersMax={sentenceMax} />
            </p>
            <dl>
              {said.explained.facts.map(([name, value]) => (
                <div key={name} class="field-line">
                  <dt>{name}</dt>
                  <dd class="mono">
                    <Strange text={value} charactersMax={sentenceMax} />
                  </dd>
                </div>
              ))}
            </dl>
          </div>
        </div>
      )}
    </Section>
  );
}
