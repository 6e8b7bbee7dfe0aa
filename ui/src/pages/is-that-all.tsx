// "Is that all?" under each search: who says so, the signed statement, how to know better, and the commands that give the
// same.

import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { ApiError } from '../api/client.ts';
import { verifyAnswer } from '../commands.ts';
import { Commands } from '../parts/commands.tsx';
import { usePlace } from '../parts/hooks.ts';
import { saveText } from '../parts/save.ts';
import { Command, Copy, Lines, WholeText } from '../parts/text.tsx';
import type { Search, Statement } from '../search.ts';
import { thousands } from '../seal.ts';

function StatementBox({
  search,
  log,
  vkey,
}: {
  search: Search;
  log: string;
  vkey: string;
}): JSX.Element {
  const [got, setGot] = useState<{ of: Search; value: Statement | string }>();
  const [asking, setAsking] = useState(false);
  const place = usePlace();
  // Of another search it is none.
  const value = got?.of === search ? got.value : undefined;
  const ask = (): void => {
    setAsking(true);
    search
      .statement()
      .catch((error: unknown) =>
        error instanceof ApiError && error.reason === 'ROUTE_NOT_FOUND'
          ? 'This server gives no signed statements.'
          : `Could not be loaded: ${error instanceof Error ? error.message : String(error)}.`,
      )
      .then((answer) => {
        setGot({ of: search, value: answer });
        setAsking(false);
      });
  };
  return (
    <>
      <p class="row">
        <button type="button" disabled={asking || search.state.treeSize === 0} onClick={ask}>
          {asking ? 'searching all of it' : "the server's signed statement"}
        </button>
        {typeof value === 'object' && (
          <>
            <Copy text={value.text} label="copy the statement" />
            <button type="button" onClick={() => saveText(`${log}.answer`, value.text)}>
              save
            </button>
          </>
        )}
      </p>
      {typeof value === 'string' && (
        <p role="status">
          <WholeText text={value} />
        </p>
      )}
      {typeof value === 'object' && (
        <>
          <p
            role="status"
            class={value.explained.holds === false ? 'verdict bad' : 'notice'}
            data-statement={String(value.explained.holds)}
          >
            <WholeText text={value.explained.sentence} />
          </p>
          <pre class="note" tabIndex={0} aria-label="The signed statement">
            <Lines text={value.text} />
          </pre>
          <Command label="verify" text={verifyAnswer({ log, key: value.key, vkey }, place)} />
        </>
      )}
    </>
  );
}

export function IsThatAll({
  search,
  log,
  vkey,
  readHere,
}: {
  search: Search;
  log: string;
  /** The log's key that this page checks with. */
  vkey: string;
  readHere: () => void;
}): JSX.Element {
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
          {state.treeSize < (state.checkedSize ?? 0) && (
            <p class="notice amber" data-searched="less">
              Of a tree of {thousands(state.treeSize)} records; this page checked one of{' '}
              {thousands(state.checkedSize!)}.
            </p>
          )}
          <p>
            The server says so{state.exact ? '' : ', and not yet of the whole log'}. It signs that
            word: a statement that leaves something out stays as evidence against it. Whoever needs
            more than its word reads all {thousands(state.treeSize)} records and matches each of
            them: this page can do that here; what it finds then is checked like everything else
            that it reads.
          </p>
          <p class="row">
            <button type="button" class="primary" onClick={readHere}>
              read the whole log here
            </button>
          </p>
        </>
      )}
      <StatementBox search={search} log={log} vkey={vkey} />
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
