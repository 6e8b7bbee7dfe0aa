// What is built stays small, and the policy holds for every file of it.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

const dist = new URL('../dist/', import.meta.url);
const without = existsSync(dist) ? false : 'nothing is built (npm run build)';
const files = (): string[] =>
  readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((name) => /\.[a-z]+$/.test(name));
const gzipBytesMax = 150 * 1024;

test('all files together are at most 150 KB with gzip', { skip: without }, () => {
  const sizes = files().map(
    (name) => [name, gzipSync(readFileSync(new URL(name, dist)), { level: 9 }).length] as const,
  );
  const sum = sizes.reduce((all, [, size]) => all + size, 0);
  assert.ok(sum > 10_000, 'there is something to weigh');
  assert.ok(
    sum <= gzipBytesMax,
    `${sum} bytes: ${sizes.map(([name, size]) => `${name} ${size}`).join(', ')}`,
  );
});

test(
  'no file names another host, evaluates text, or has script or style inline',
  { skip: without },
  () => {
    const html = readFileSync(new URL('index.html', dist), 'utf8');
    assert.match(html, /http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;/);
    assert.doesNotMatch(html, /<style|style=|<script(?![^>]* src="\.\/)|\bon[a-z]+=/);
    // All addresses are relative: the page works behind a path prefix.
    for (const [, address] of html.matchAll(/(?:src|href)="([^"]*)"/g))
      assert.match(address!, /^(\.\/|data:,)/);
    for (const name of files().filter((one) => one.endsWith('.js'))) {
      const text = readFileSync(new URL(name, dist), 'utf8');
      assert.doesNotMatch(
        text,
        /\beval\(|new Function\(|\.innerHTML\s*=[^=]*[^"']["']?<|sourceMappingURL/,
        name,
      );
      for (const [host] of text.matchAll(/https?:\/\/[a-z0-9.-]+/g)) {
        assert.match(host, /^http:\/\/www\.w3\.org$|^https?:\/\/(x|evil)?$/, `${name}: ${host}`);
      }
    }
  },
);
