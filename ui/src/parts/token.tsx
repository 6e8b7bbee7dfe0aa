// A server that asks for a token gets one from the reader.

import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import type { Link } from '../link.ts';

export function TokenForm({ link, restart }: { link: Link; restart: () => void }): JSX.Element {
  const [token, setToken] = useState('');
  return (
    <form
      class="page-text"
      onSubmit={(event) => {
        event.preventDefault();
        link.token = token;
        restart();
      }}
    >
      <h1>This server asks for a token</h1>
      <label for="token">Token; kept for this tab only</label>
      <p class="row">
        <input
          id="token"
          type="password"
          autocomplete="off"
          value={token}
          onInput={(event) => setToken(event.currentTarget.value)}
        />
        <button class="primary" type="submit">
          use it
        </button>
      </p>
    </form>
  );
}
