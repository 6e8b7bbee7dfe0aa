// All that an answer holds into a file, with progress, and to be cancelled.

import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { csvColumns, csvLine, jsonLine } from '../record/export.ts';
import type { Search } from '../search.ts';
import { thousands } from '../seal.ts';
import { saveBlob } from './save.ts';
import { Strange } from './text.tsx';

interface Exporting {
  kind: 'jsonl' | 'csv';
  done: number;
  stop: AbortController;
}

function useExport(
  search: Search | undefined,
  log: string,
): [Exporting | undefined, string | undefined, (kind: 'jsonl' | 'csv') => void] {
  const [running, setRunning] = useState<Exporting>();
  const [failed, setFailed] = useState<string>();
  const start = (kind: 'jsonl' | 'csv'): void => {
    if (search === undefined) return;
    const stop = new AbortController();
    setFailed(undefined);
    setRunning({ kind, done: 0, stop });
    void (async () => {
      const parts: string[] = kind === 'csv' ? [csvColumns.join(',') + '\r\n'] : [];
      let done = 0;
      for await (const rows of search.all(stop.signal)) {
        parts.push(rows.map(kind === 'csv' ? csvLine : jsonLine).join(''));
        done += rows.length;
        setRunning({ kind, done, stop });
      }
      // What was cancelled is not saved: half an export looks like a whole one.
      if (!stop.signal.aborted)
        saveBlob(
          `${log}.${kind}`,
          new Blob(parts, {
            type: kind === 'csv' ? 'text/csv;charset=utf-8' : 'application/jsonl',
          }),
        );
      setRunning(undefined);
    })().catch((error: unknown) => {
      setRunning(undefined);
      setFailed(`Nothing was saved: ${error instanceof Error ? error.message : String(error)}.`);
    });
  };
  return [running, failed, start];
}

export function ExportMenu({
  search,
  log,
}: {
  search: Search | undefined;
  log: string;
}): JSX.Element {
  const [exporting, failed, start] = useExport(search, log);
  return exporting === undefined ? (
    <>
      {failed !== undefined && (
        <span class="fine bad" role="alert">
          <Strange text={failed} charactersMax={1000} />
        </span>
      )}
      <details class="menu">
        <summary>export</summary>
        <div>
          <button type="button" onClick={() => start('jsonl')}>
            JSON Lines
          </button>
          <button type="button" onClick={() => start('csv')}>
            CSV
          </button>
        </div>
      </details>
    </>
  ) : (
    <span class="exporting" role="status">
      <progress
        max={Math.max(1, search?.state.count ?? 1)}
        value={exporting.done}
        aria-label="Export"
      />{' '}
      {thousands(exporting.done)}{' '}
      <button type="button" onClick={() => exporting.stop.abort()}>
        cancel
      </button>
    </span>
  );
}
