// Icons: drawn here, in one weight, 20 by 20.

import type { JSX } from 'preact';

const paths: Record<string, string> = {
  live: 'M3 10h3l2-6 4 12 2-6h3',
  explore: 'M9 3a6 6 0 1 1 0 12A6 6 0 0 1 9 3Zm4.3 10.3L17 17',
  trust: 'M10 2.5l6 2.2v4.6c0 3.8-2.5 6.6-6 8.2-3.5-1.6-6-4.4-6-8.2V4.7zM7.2 10l2 2 3.6-4',
  logs: 'M4 5h12M4 10h12M4 15h12',
  pause: 'M7 4v12M13 4v12',
  play: 'M6 4l10 6-10 6z',
  command: 'M4 5l5 5-5 5M11 15h5',
  close: 'M5 5l10 10M15 5L5 15',
  sun: 'M10 6.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7ZM10 1.5v2M10 16.5v2M1.5 10h2M16.5 10h2M4 4l1.4 1.4M14.6 14.6 16 16M4 16l1.4-1.4M14.6 5.4 16 4',
  moon: 'M16 12.5A7 7 0 0 1 7.5 4a6.5 6.5 0 1 0 8.5 8.5Z',
};

export function Icon({ name }: { name: keyof typeof paths }): JSX.Element {
  return (
    <svg
      class="icon"
      width="20"
      height="20"
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      stroke-width="1.6"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      <path d={paths[name]!} />
    </svg>
  );
}
