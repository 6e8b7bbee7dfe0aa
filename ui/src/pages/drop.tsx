// A file that was dropped on the page, explained.

import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { droppedBytesMax, type Explained } from '../engine/protocol.ts';
import type { Link } from '../link.ts';
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
}

export function DropExplain({ link, log, dropped }: Props): JSX.Element {
  const [said, setSaid] = useState<{ name: string; explained: Explained }>();
  const input = useRef<HTMLInputElement>(null);
  const read = (file: File): void => {
    if (file.size > droppedBytesMax) return setSaid({ name: file.name, explained: tooLarge });
    void file.arrayBuffer().then(async (bytes) => {
      const explained = await link.ask<Explained>({
        call: 'explain',
        log,
        name: file.name,
        bytes: new Uint8Array(bytes),
      });
      setSaid({ name: file.name, explained });
    });
  };
  useEffect(() => {
    if (dropped !== undefined) read(dropped);
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
            if (file !== undefined) read(file);
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
