// Server-sent events from the bytes of a response (WHATWG HTML, "server-sent events"). Not EventSource, which can carry no
// bearer token, says nothing about why it was refused, and chooses when to come back.

export interface ServerEvent {
  readonly name: string;
  readonly data: string;
  readonly id: string | undefined;
}

const lineMax = 8 << 20;

/** Yields events, and undefined for a comment (a sign of life). */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<ServerEvent | undefined> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = '';
  let name = '';
  let data: string[] = [];
  let id: string | undefined;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      if (rest.length > lineMax) throw new Error('an event is larger than 8 MiB');
      // A CR at the end may be half of a CRLF: wait for what follows.
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop()!;
      for (const line of lines) {
        if (line === '') {
          if (data.length > 0)
            yield { name: name === '' ? 'message' : name, data: data.join('\n'), id };
          name = '';
          data = [];
          continue;
        }
        if (line.startsWith(':')) {
          yield undefined;
          continue;
        }
        const colon = line.indexOf(':');
        const field = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1));
        if (field === 'event') name = value;
        else if (field === 'data') data.push(value);
        else if (field === 'id') id = value;
      }
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}
