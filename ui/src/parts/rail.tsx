// The rail: the pages, at the side of a wide window and at the foot of a narrow one.

import type { JSX } from 'preact';
import { writeRoute, type Page, type Route } from '../route.ts';
import { Icon } from './icons.tsx';

export const pages: readonly { page: Page; name: string; key: string }[] = [
  { page: 'live', name: 'Live', key: 'g l' },
  { page: 'explore', name: 'Explore', key: 'g e' },
  { page: 'trust', name: 'Trust', key: 'g t' },
  { page: 'logs', name: 'Logs', key: 'g o' },
];

export function Rail({ route, commands }: { route: Route; commands: () => void }): JSX.Element {
  const lit =
    route.page === 'record'
      ? route.parameters.get('from') === 'explore'
        ? 'explore'
        : 'live'
      : route.page;
  return (
    <nav class="rail" aria-label="Pages">
      <a class="brand" href={writeRoute(route.log, 'live')} aria-label="Graven">
        <svg width="26" height="26" viewBox="0 0 26 26" aria-hidden="true">
          <path d="M4 3h18v14l-9 6-9-6z" fill="none" stroke="currentColor" stroke-width="1.8" />
          <path d="M9 8h8M9 12h8M9 16h4" stroke="currentColor" stroke-width="1.8" />
        </svg>
      </a>
      {pages.map(({ page, name, key }) => (
        <a
          key={page}
          href={writeRoute(route.log, page)}
          class={lit === page ? 'on' : ''}
          aria-current={lit === page ? 'page' : undefined}
          title={`${name} (${key})`}
          hidden={page !== 'logs' && route.log === ''}
        >
          <Icon name={page} />
          <span>{name}</span>
        </a>
      ))}
      <button type="button" class="rail-same" onClick={commands}>
        <Icon name="command" />
        <span>Commands</span>
      </button>
    </nav>
  );
}
