// One field of an answer: its values with counts and bars, each a filter.

import { useEffect, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { termOf } from '../record/narrow.ts';
import { plainText } from '../record/safety.ts';
import type { Facet } from '../search.ts';
import { thousands } from '../seal.ts';
import { OutcomeMark, Strange } from './text.tsx';
import { askValues, menuOn } from './values.tsx';

const withinMax = 100;

/** What `find` finds for what is typed, when the typing stands still; undefined until it is there. */
function useFound(
  of: unknown,
  facet: Facet,
  within: string,
  find: (text: string) => Promise<Facet>,
): Facet | 'no answer' | undefined {
  const [found, setFound] = useState<{ of: unknown; within: string; facet: Facet | 'no answer' }>();
  useEffect(() => {
    if (within === '') return;
    let ended = false;
    const timer = setTimeout(() => {
      find(within).then(
        (answer) => ended || setFound({ of, within, facet: answer }),
        () => ended || setFound({ of, within, facet: 'no answer' }),
      );
    }, 200);
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }, [of, facet, within]);
  // While the page reads, counts go on: those from before stay until there are newer ones.
  return found?.within === within && found.of === of ? found.facet : undefined;
}

export function FacetBox({
  of,
  facet,
  total,
  exact,
  query,
  choose,
  byServer,
  find,
}: {
  /** The search that it is of. */
  of: unknown;
  facet: Facet;
  total: number;
  exact: boolean;
  query: string;
  choose: (value: string, exclude: boolean) => void;
  byServer: boolean;
  /** Of all values of the field, those that contain a text. */
  find: (text: string) => Promise<Facet>;
}): JSX.Element {
  const [within, setWithin] = useState('');
  const answer = useFound(of, facet, within, find);
  const found = answer === 'no answer' ? undefined : answer;
  const values = within === '' ? facet.values : (found?.values ?? []);
  const others = within === '' ? facet.others : (found?.others ?? 0);
  const most = Math.max(1, ...values.map((one) => one.count));
  return (
    <section class="facet" aria-label={facet.field}>
      <h3>
        {facet.field}
        {!exact && <small title="Not all records are counted yet"> partial</small>}
      </h3>
      {(facet.others > 0 || facet.values.length >= 8) && (
        <input
          type="search"
          aria-label={`Search in all values of ${facet.field}`}
          placeholder="search all values"
          maxLength={withinMax}
          value={within}
          onInput={(event) => setWithin(event.currentTarget.value)}
        />
      )}
      <ul>
        {values.map((one) => (
          <li key={one.value}>
            <button
              type="button"
              class={query.includes(one.value) ? 'on' : ''}
              title={`${plainText(one.value.slice(0, 300))}\n${thousands(one.count)} of ${thousands(total)}${byServer ? ', the server says' : ', counted here'}\nclick: only these · Alt: without these`}
              onClick={(event) => choose(one.value, event.altKey)}
              {...menuOn(
                () =>
                  askValues({
                    title: `A value of ${facet.field}`,
                    choices: [
                      { name: facet.field, value: one.value, term: termOf(facet.field, one.value) },
                    ],
                    choose: (_, exclude) => choose(one.value, exclude),
                  }),
                () => choose(one.value, true),
              )}
            >
              <span class="bar" style={{ width: `calc((100% - 44px) * ${one.count / most})` }} />
              <span class="facet-value">
                {facet.field === 'outcome' ? (
                  <OutcomeMark outcome={one.value} />
                ) : (
                  <Strange text={one.value} />
                )}
              </span>
              <span class="number">{thousands(one.count)}</span>
            </button>
            <button
              type="button"
              class="without"
              aria-label={`Without ${plainText(one.value.slice(0, 100))}`}
              title="without these"
              onClick={() => choose(one.value, true)}
            >
              ≠
            </button>
          </li>
        ))}
        {others > 0 && <li class="fine others">{thousands(others)} others</li>}
      </ul>
      {within !== '' && values.length === 0 && (
        <p class="fine others" role="status">
          {answer === 'no answer'
            ? 'no answer from the server'
            : answer === undefined
              ? 'looking'
              : 'no value has that in it'}
        </p>
      )}
    </section>
  );
}
