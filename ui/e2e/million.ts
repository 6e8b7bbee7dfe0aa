// A server that says it found a million records, for what scrolls.

import type { Server } from './serving.ts';
import type { Lies } from './proxy.ts';

const distinct = 500;

/** The record under another index, which is its first field. */
function numbered(record: string, index: number): string {
  const bytes = Buffer.from(record, 'base64');
  let rest = 0;
  if (bytes[0] === 0x08) {
    rest = 1;
    while (bytes[rest]! >= 0x80) rest++;
    rest++;
  }
  const varint: number[] = [];
  for (let left = index; ; left = Math.floor(left / 128)) {
    varint.push(left < 128 ? left : (left % 128) + 128);
    if (left < 128) break;
  }
  return Buffer.concat([
    Buffer.from(index === 0 ? [] : [0x08, ...varint]),
    bytes.subarray(rest),
  ]).toString('base64');
}

/** The rows repeat: that at ordinal `n` of the oldest first says it is record `n`, and is record `n % distinct` else. */
export async function millionFound(server: Server): Promise<{ total: number; lies: Lies }> {
  const total = 1_000_000;
  const all = (await (
    await fetch(new URL(`/logs/default/records?first=0&count=${distinct}`, server.http))
  ).json()) as { records: { record: string }[] };
  const answer = (path: string): string | undefined => {
    if (!path.startsWith('/logs/default/search?')) return undefined;
    const asked = new URLSearchParams(path.split('?')[1]);
    const from = Number(asked.get('from_ordinal') ?? 0);
    const indexAt = (ordinal: number): number =>
      asked.get('order') === 'oldest' ? ordinal : total - 1 - ordinal;
    const cursor = asked.get('cursor');
    const begin = cursor === null ? from : Number(cursor);
    const records = Array.from({ length: Math.min(200, total - begin) }, (_, i) => {
      const index = indexAt(begin + i);
      const { record } = all.records[index % distinct]!;
      return { index: String(index), recordHash: '', record: numbered(record, index) };
    });
    return JSON.stringify({
      query: '',
      treeSize: String(total),
      count: { value: String(total), exact: true },
      records,
      nextCursor: begin + 200 < total ? String(begin + 200) : '',
      scannedTo: '0',
    });
  };
  return { total, lies: { answer } };
}
