// A server that says it found a million records, for what scrolls.

import type { Server } from './serving.ts';
import type { Lies } from './proxy.ts';

const distinct = 500;

/** The rows repeat: that at ordinal `n` is record `n % distinct`. */
export async function millionFound(
  server: Server,
): Promise<{ total: number; distinct: number; lies: Lies }> {
  const total = 1_000_000;
  const all = (await (
    await fetch(new URL(`/logs/default/records?first=0&count=${distinct}`, server.http))
  ).json()) as { records: { record: string }[] };
  const answer = (path: string): string | undefined => {
    if (!path.startsWith('/logs/default/search?')) return undefined;
    const asked = new URLSearchParams(path.split('?')[1]);
    const from = Number(asked.get('from_ordinal') ?? 0);
    const records = Array.from({ length: Math.min(200, total - from) }, (_, i) => ({
      index: String((from + i) % distinct),
      recordHash: '',
      record: all.records[(from + i) % distinct]!.record,
    }));
    return JSON.stringify({
      query: '',
      treeSize: '500',
      count: { value: String(total), exact: true },
      records,
      nextCursor: from + 200 < total ? 'c' : '',
      scannedTo: '0',
    });
  };
  return { total, distinct, lies: { answer } };
}
