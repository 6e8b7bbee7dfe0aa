// One field of an answer: its values with counts and bars, each a filter.

import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { plainText } from '../record/safety.ts';
import type { Facet } from '../search.ts';
import { thousands } from '../seal.ts';
import { OutcomeMark, Strange } from './text.tsx';

export function FacetBox({
  facet,
  total,
  exact,
  query,
  choose,
  byServer,
}: {
  facet: Facet;
  total: number;
  exact: boolean;
  query: string;
  choose: (value: string, exclude: boolean) => void;
  byServer: boolean;
}): JSX.Element {
  const [within, setWithin] = useState('');
  const shown = facet.values.filter((one) =>
    one.value.toLowerCase().includes(within.toLowerCase()),
  );
  const most = Math.max(1, ...facet.values.map((one) => one.count));
  return (
    <section class="facet" aria-label={facet.field}>
      <h3>
        {facet.field}
        {!exact && <small title="Not all records are counted yet"> partial</small>}
      </h3>
      {facet.values.length >= 8 && (
        <input
          type="search"
          aria-label={`Search in ${facet.field}`}
          placeholder="within the top 10"
          value={within}
          onInput={(event) => setWithin(event.currentTarget.value)}
        />
      )}
      <ul>
        {shown.map((one) => (
          <li key={one.value}>
            <button
              type="button"
              class={query.includes(one.value) ? 'on' : ''}
              title={`${plainText(one.value.slice(0, 300))}\n${thousands(one.count)} of ${thousands(total)}${byServer ? ', the server says' : ', counted here'}\nclick: only these · Alt: without these`}
              onClick={(event) => choose(one.value, event.altKey)}
            >
              <span class="bar" style={{ width: `${(one.count / most) * 100}%` }} />
              <span class="facet-value">
                {facet.field === 'outcome' ? (
                  <OutcomeMark outcome={one.value as never} />
                ) : (
                  <Strange text={one.value} />
                )}
              </span>
              <span class="number">{thousands(one.count)}</span>
            </button>
          </li>
        ))}
        {facet.others > 0 && <li class="fine others">{thousands(facet.others)} others</li>}
      </ul>
    </section>
  );
}
