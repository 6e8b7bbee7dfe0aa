// "Is that all?" under each search: who says so, how to know better, and the commands that give the same.

import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { ApiError } from '../api/client.ts';
import { Commands } from '../parts/commands.tsx';
import { saveText } from '../parts/save.ts';
import { Copy } from '../parts/text.tsx';
import type { Search } from '../search.ts';
import { thousands } from '../seal.ts';

export function IsThatAll({
  search,
  log,
  readHere,
}: {
  search: Search;
  log: string;
  readHere: () => void;
}): JSX.Element {
  const [statement, setStatement] = useState<string>();
  const { state } = search;
  return (
    <details class="how">
      <summary>Is that all?</summary>
      {state.by === 'page' ? (
        <p>
          {state.exact
            ? `Yes, up to size ${thousands(state.treeSize)}: this page read all ${thousands(state.scanned)} records, each links to the one before it, the last one is in the signed tree, and each was matched here.`
            : `Not known yet: this page has read ${thousands(state.scanned)} of ${thousands(state.treeSize)} records.`}
        </p>
      ) : (
        <>
          <p>
            The server says so{state.exact ? '' : ', and not yet of the whole log'}. Whoever needs
            more than its word reads all {thousands(state.treeSize)} records and matches each of
            them: this page can do that here; what it finds then is checked like everything else
            that it reads.
          </p>
          <p class="row">
            <button type="button" class="primary" onClick={readHere}>
              read the whole log here
            </button>
            <button
              type="button"
              onClick={() => {
                search.statement().then(setStatement, (error: unknown) => {
                  const none = error instanceof ApiError && error.reason === 'ROUTE_NOT_FOUND';
                  setStatement(
                    none
                      ? 'This server gives no signed statements.'
                      : `Not to be had: ${error instanceof Error ? error.message : String(error)}.`,
                  );
                });
              }}
            >
              the server's signed statement
            </button>
            {statement !== undefined && (
              <>
                <Copy text={statement} />
                <button type="button" onClick={() => saveText(`${log}-answer.txt`, statement)}>
                  save
                </button>
              </>
            )}
          </p>
          {statement !== undefined && (
            <pre class="note" tabIndex={0}>
              {statement}
            </pre>
          )}
        </>
      )}
      <Commands
        shown={{
          log,
          page: 'explore',
          index: 0,
          query: search.query,
          order: search.order,
          vkey: '',
        }}
      />
    </details>
  );
}
