// A page of a search's answer, judged: what does not fit what was asked is asked for once more before it counts.

import { ApiError, bytesOf, countOf, type HttpDoor, type Json } from './api/client.ts';
import type { Found, Sought } from './engine/found.ts';
import type { Link } from './link.ts';

export interface Page extends Found {
  readonly answer: Json;
}

function recordsOf(answer: Json): { index: number; bytes: Uint8Array }[] {
  const list = answer['records'];
  if (!Array.isArray(list))
    throw new ApiError(200, 'BAD_ANSWER', "the answer's records are no list");
  return (list as Json[]).map((one) => ({
    index: countOf(one['index'], 'index'),
    bytes: bytesOf(one['record'], 'record') as Uint8Array,
  }));
}

/** `parameters` as for the server's search, with `sought.query` among them. */
export async function askFound(
  { link, door, log }: { link: Link; door: HttpDoor; log: string },
  parameters: URLSearchParams,
  sought: Sought,
): Promise<Page> {
  const ask = async (again: boolean): Promise<Page> => {
    const answer = await door.getJson(`logs/${log}/search?${parameters.toString()}`, true);
    const treeSize = countOf(answer['treeSize'], 'treeSize');
    if (sought.treeSize !== undefined && sought.treeSize !== treeSize)
      throw new ApiError(200, 'BAD_ANSWER', 'the answer is about a tree that was not asked for');
    const judged = { ...sought, treeSize };
    const records = recordsOf(answer);
    const found = await link.ask<Found>({ call: 'found', log, records, sought: judged, again });
    return { ...found, answer };
  };
  try {
    return await ask(false);
  } catch (error) {
    if (!(error instanceof ApiError) || error.reason !== 'MISFIT') throw error;
    return ask(true);
  }
}
