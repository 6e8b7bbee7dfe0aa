// The smallest parts: strangers' text, hashes, times, outcomes, things to copy.

import { useEffect, useRef, useState } from 'preact/hooks';
import type { ComponentChildren, JSX } from 'preact';
import { thousands } from '../numbers.ts';
import {
  firstOf,
  plainText,
  safeParts,
  shownCharactersMax,
  warning,
  wholeCharactersMax,
} from '../record/safety.ts';
import { outcomes, type Outcome } from '../record/schema.ts';
import { settings } from '../settings.ts';
import { clockTimeIn, dayTimeIn, zoneWords } from '../time.ts';

/**
 * A text from a record, harmless: markup is text, invisible characters are marks, look-alikes carry a warning. What is judged
 * is what is shown: a list of thirty rows must not read megabytes for each picture.
 */
export function Strange({
  text,
  charactersMax = shownCharactersMax,
}: {
  text: string;
  charactersMax?: number;
}): JSX.Element {
  const shown = firstOf(text, charactersMax);
  const more = text.length - shown.length;
  const warned = warning(shown);
  return (
    <bdi class={warned === undefined ? 'strange' : 'strange warned'}>
      {warned !== undefined && (
        <span
          class="warn-mark"
          title={`This text ${warned}.`}
          role="img"
          aria-label={`Careful: this text ${warned}`}
        >
          !
        </span>
      )}
      {warned === undefined
        ? shown
        : safeParts(shown).map((part) =>
            part.mark === undefined ? (
              part.text
            ) : (
              <span class="hidden-mark" title={part.mark}>
                {part.text}
                {part.times !== undefined && ` ×${thousands(part.times)}`}
              </span>
            ),
          )}
      {more > 0 && <span class="cut"> … {thousands(more)} more</span>}
    </bdi>
  );
}

/** So many of them, and all when they are asked for. */
export function useFirst<T>(all: readonly T[], max: number): [readonly T[], JSX.Element | null] {
  const [whole, setWhole] = useState(false);
  if (whole || all.length <= max) return [all, null];
  const more = (
    <button type="button" class="no-print" onClick={() => setWhole(true)}>
      show all {thousands(all.length)}
    </button>
  );
  return [all.slice(0, max), more];
}

/** A text of lines, line by line, and each of them whole. */
export function Lines({ text }: { text: string }): JSX.Element {
  return (
    <>
      {text.split('\n').map((line, i) => (
        <div key={i}>
          <Strange text={line} charactersMax={line.length} />
        </div>
      ))}
    </>
  );
}

/** The whole of a stranger's text, a long one when it is asked for. */
export function WholeText({ text }: { text: string }): JSX.Element {
  const [whole, setWhole] = useState(false);
  const long = text.length > wholeCharactersMax;
  return (
    <>
      <Strange text={text} charactersMax={whole ? text.length : wholeCharactersMax} />
      {long && !whole && (
        <button
          type="button"
          class="no-print"
          onClick={(event) => {
            event.stopPropagation();
            setWhole(true);
          }}
        >
          show all {thousands(text.length)} characters
        </button>
      )}
    </>
  );
}

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without TLS on another host there is no clipboard; the old way works from a click.
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'off-screen';
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

export function Copy({
  text,
  label = 'copy',
  title,
}: {
  text: string;
  label?: string;
  title?: string;
}): JSX.Element {
  const [said, setSaid] = useState('');
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <button
      type="button"
      class="quiet"
      title={title ?? plainText(text.slice(0, 200))}
      onClick={(event) => {
        event.stopPropagation();
        void copyText(text).then((done) => {
          setSaid(done ? 'copied' : 'not copied');
          timer.current = window.setTimeout(() => setSaid(''), 1500);
        });
      }}
    >
      <span aria-live="polite">{said === '' ? label : said}</span>
    </button>
  );
}

/** First 8 and last 4 digits, and eight cells coloured from the bytes, so that an eye can compare. */
export function Hash({ hex, title }: { hex: string; title?: string }): JSX.Element {
  return (
    <span class="hash">
      <Stripe hex={hex} />
      <button
        type="button"
        class="hash-text"
        title={`${title ?? ''} ${hex} (click copies)`.trim()}
        onClick={() => void copyText(hex)}
      >
        <span class="hash-short">
          {hex.slice(0, 8)}…{hex.slice(-4)}
        </span>
        <span class="hash-long">{hex}</span>
      </button>
    </span>
  );
}

export function Stripe({ hex }: { hex: string }): JSX.Element {
  const cells = [];
  for (let i = 0; i < 8; i++) {
    const byte = parseInt(hex.slice(i * 8, i * 8 + 2), 16) || 0;
    const next = parseInt(hex.slice(i * 8 + 2, i * 8 + 4), 16) || 0;
    cells.push(
      <rect
        key={i}
        x={i * 5}
        width="5"
        height="10"
        fill={`hsl(${Math.round((byte / 256) * 360)} 42% ${38 + (next >> 3)}%)`}
      />,
    );
  }
  return (
    <svg class="stripe" width="40" height="10" viewBox="0 0 40 10" aria-hidden="true">
      {cells}
    </svg>
  );
}

const outcomeMarks: Readonly<Record<Outcome, string>> = {
  success: '✓',
  failure: '△',
  denied: '⊘',
  unknown: '·',
};

export function OutcomeMark({
  outcome,
  word = true,
}: {
  /** Of a facet it is a server's text, and of a writer any number that has no name. */
  outcome: string;
  word?: boolean;
}): JSX.Element {
  const known = outcomes.find((one) => one === outcome) ?? 'unknown';
  return (
    <span class={`outcome ${known}`} title={plainText(outcome)}>
      <span aria-hidden="true">{outcomeMarks[known]}</span>
      <span class={word ? 'word' : 'off-screen'}>
        {' '}
        {known === outcome ? outcome : <Strange text={outcome} />}
      </span>
    </span>
  );
}

export const clockTime = (ms: number): string => clockTimeIn(ms, settings.zone);
export const dayTime = (ms: number): string => dayTimeIn(ms, settings.zone);

/** With the zone, for sentences. */
export const fullTime = (ms: number): string =>
  `${dayTime(ms) || 'a time that is none'} ${zoneWords(ms, settings.zone)}`;

export function Section({
  title,
  children,
  aside,
  print = true,
}: {
  title: string;
  children: ComponentChildren;
  aside?: ComponentChildren;
  /** Whether it says something on paper. */
  print?: boolean;
}): JSX.Element {
  return (
    <section class={print ? 'section' : 'section no-print'}>
      <header>
        <h2>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}

/** What only the server says. */
export function ServerSays({ what = 'the server says' }: { what?: string }): JSX.Element {
  return (
    <span class="server-says" title="Not recomputed here: the server's word.">
      {what}
    </span>
  );
}

/** A command to copy. */
export function Command({ text, label }: { text: string; label?: string }): JSX.Element {
  return (
    <figure class="command">
      {label !== undefined && <figcaption>{label}</figcaption>}
      <pre tabIndex={0}>
        <Lines text={text} />
      </pre>
      <Copy text={text} />
    </figure>
  );
}
