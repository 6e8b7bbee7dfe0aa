// The query: one line, completed from the fields and from values that were seen, with errors under their column.

import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { quoted } from '../record/narrow.ts';
import { fields, parseQuery, QueryError } from '../record/query.ts';
import { Strange } from './text.tsx';

export const examples = [
  'outcome:denied',
  'actor:alice action:invoice.*',
  'ip:10.0.0.0/8 NOT service:batch',
  '(action:login OR action:logout) label.env:prod',
  '"not authorized" time:>=2026-03-01',
];

interface Props {
  value: string;
  /** Values of a field that were seen, the most frequent first. */
  seen: (field: string) => string[];
  onQuery: (query: string) => void;
  error?: { column: number | undefined; message: string } | undefined;
}

export function errorOf(
  query: string,
): { column: number | undefined; message: string } | undefined {
  try {
    parseQuery(query);
    return undefined;
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    return { column: error.column, message: error.message };
  }
}

interface Choice {
  text: string;
  from: number;
  hint: string;
}

function choices(text: string, caret: number, seen: Props['seen']): Choice[] {
  const before = text.slice(0, caret);
  const value = /(?:^|[\s(])(-?)([a-z_][a-z_.0-9A-Z-]*):("?)([^\s()"]*)$/.exec(before);
  if (value !== null) {
    const started = value[4]!.toLowerCase();
    const from = caret - value[4]!.length - value[3]!.length;
    const field = value[2]!;
    return seen(field)
      .filter((one) => one !== '' && one.toLowerCase().includes(started))
      .slice(0, 8)
      .map((one) => ({ text: quoted(one) + ' ', from, hint: field }));
  }
  const word = /(?:^|[\s(])([a-z_][a-z_.]*)$/.exec(before);
  if (word === null) return [];
  return fields
    .filter((one) => one.startsWith(word[1]!) || one.includes('.' + word[1]!))
    .slice(0, 8)
    .map((one) => ({ text: one + ':', from: caret - word[1]!.length, hint: 'field' }));
}

export function QueryBox({ value, seen, onQuery, error }: Props): JSX.Element {
  const [text, setText] = useState(value);
  const [open, setOpen] = useState<Choice[]>([]);
  const [at, setAt] = useState(-1);
  // How far the line is scrolled: what stands under a column goes with it.
  const [scrolled, setScrolled] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => setText(value), [value]);
  const own = errorOf(text);
  const wrong = own ?? (text === value ? error : undefined);
  // Not while the word under the caret is still being typed.
  const showError =
    wrong !== undefined && (document.activeElement !== input.current || open.length === 0);

  const complete = (choice: Choice): void => {
    const caret = input.current!.selectionStart ?? text.length;
    const next = text.slice(0, choice.from) + choice.text + text.slice(caret).trimStart();
    setText(next);
    const place = choice.from + choice.text.length;
    setOpen(choices(next, place, seen));
    setAt(-1);
    requestAnimationFrame(() => {
      input.current!.focus();
      input.current!.setSelectionRange(place, place);
    });
  };
  const keyDown = (event: KeyboardEvent): void => {
    if (event.key === 'ArrowDown' && open.length > 0) setAt((at + 1) % open.length);
    else if (event.key === 'ArrowUp' && open.length > 0)
      setAt((at + open.length - 1) % open.length);
    else if ((event.key === 'Enter' || event.key === 'Tab') && at >= 0 && open[at] !== undefined)
      complete(open[at]);
    else if (event.key === 'Enter') {
      setOpen([]);
      if (own === undefined) onQuery(text.trim());
    } else if (event.key === 'Escape') {
      event.stopPropagation();
      if (open.length > 0) setOpen([]);
      else input.current!.blur();
    } else return;
    if (event.key !== 'Escape') event.preventDefault();
  };
  return (
    <div class="query" role="search">
      <input
        ref={input}
        id="query"
        type="text"
        spellcheck={false}
        autocomplete="off"
        autocapitalize="off"
        placeholder="Search:  actor:alice action:invoice.*   ( / )"
        aria-label="Query"
        role="combobox"
        aria-expanded={open.length > 0}
        aria-controls="query-choices"
        aria-autocomplete="list"
        {...(at >= 0 ? { 'aria-activedescendant': `choice-${at}` } : {})}
        aria-invalid={showError}
        {...(showError ? { 'aria-describedby': 'query-error' } : {})}
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setOpen(
            choices(event.currentTarget.value, event.currentTarget.selectionStart ?? 0, seen),
          );
          setAt(-1);
        }}
        onKeyDown={keyDown}
        onScroll={(event) => setScrolled(event.currentTarget.scrollLeft)}
        onBlur={() => setTimeout(() => setOpen([]), 150)}
      />
      {text !== '' && (
        <button
          type="button"
          class="quiet clear"
          aria-label="Clear the query"
          onClick={() => {
            setText('');
            onQuery('');
          }}
        >
          ×
        </button>
      )}
      <ul
        id="query-choices"
        role="listbox"
        aria-label="Completions"
        class="choices"
        hidden={open.length === 0}
      >
        {open.map((choice, i) => (
          <li
            key={choice.text}
            id={`choice-${i}`}
            role="option"
            aria-selected={i === at}
            onPointerDown={(event) => {
              event.preventDefault();
              complete(choice);
            }}
          >
            <Strange text={choice.text.trim()} /> <span class="hint">{choice.hint}</span>
          </li>
        ))}
      </ul>
      {showError && (
        <div id="query-error" class="query-error" role="alert">
          <span class="mono caret" aria-hidden="true">
            <span style={{ marginLeft: `${-scrolled}px` }}>
              {Array.from(text)
                .slice(0, (wrong.column ?? 1) - 1)
                .join('')}
            </span>
            ^
          </span>
          <span>
            {wrong.column === undefined ? '' : `column ${wrong.column}: `}
            <Strange text={wrong.message} charactersMax={1000} />
          </span>
        </div>
      )}
    </div>
  );
}
