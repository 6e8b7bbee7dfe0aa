// Under Trust: links that named another record.

import type { JSX } from 'preact';
import type { Feed } from '../feed.ts';
import { writeRoute } from '../route.ts';
import { thousands } from '../seal.ts';
import { fullTime, Hash } from './text.tsx';

export function OtherLinks({ feed, log }: { feed: Feed; log: string }): JSX.Element | null {
  if (feed.links.length === 0) return null;
  return (
    <section data-links={feed.links.length}>
      <h2>Links that named another record</h2>
      <ul>
        {feed.links.map((one) => (
          <li key={`${one.index} ${one.named} ${one.shown}`}>
            {fullTime(one.at)}: for{' '}
            <a href={writeRoute(log, 'record', { hash: one.shown }, one.index)}>
              record {thousands(one.index)}
            </a>{' '}
            <Hash hex={one.named} />; included in the signed tree is <Hash hex={one.shown} />
          </li>
        ))}
      </ul>
      <p class="fine">
        A link is signed by nobody: it may be of another log or another time, or was changed on its
        way. If it is honest, its sender saw another history of this log. Ask them for the receipt
        or a checkpoint, and drop it here: that is signed, and does not fit then.
      </p>
      <p class="row">
        <button type="button" onClick={() => feed.forgetLinks()}>
          forget these links
        </button>
      </p>
    </section>
  );
}
