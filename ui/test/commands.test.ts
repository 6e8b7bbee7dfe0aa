// The commands that give the same: whole, at the right door, and one word of a shell whatever stands in them.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import {
  beforeRunning,
  makeLog,
  sameBy,
  verifyAnswer,
  verifyEvidence,
  verifyReceipt,
  type GrpcDoor,
  type Place,
} from '../src/commands.ts';
import { parseVkey, type Vkey } from '../src/proof/note.ts';
import { grpcOfStatus } from '../src/place.ts';
import { waysToSend } from '../src/ways.ts';

const door = {
  host: '',
  port: 9443,
  tls: true,
  token: false,
  clientCertificate: false,
} as const;
const placed = (grpc: Place['grpc'], base = 'https://audit.example/a/'): Place => ({
  base,
  host: 'audit.example',
  grpc,
});

const now = 1_700_000_000_000;
const logKey = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';

test('the commands of each view are whole, with the address and the log in them', () => {
  const place = placed(door);
  const shown = { log: 'pay', index: 7, query: '', order: 'newest', vkey: '' } as const;
  for (const page of ['live', 'explore', 'record', 'trust', 'logs'] as const)
    for (const query of ['', "actor:x'y outcome:denied"]) {
      const all = sameBy({ ...shown, page, query }, place);
      for (const tool of ['graven', 'curl', 'grpcurl']) {
        const text = all.find(([name]) => name === tool)?.[1];
        assert.ok(text !== undefined && text.includes('audit.example'), `${page} ${query} ${tool}`);
        assert.ok(page === 'logs' || text.includes('pay'), text);
        assert.ok(tool === 'curl' || text.includes('audit.example:9443'), text);
      }
    }
  const live = new Map(sameBy({ ...shown, page: 'live', query: 'outcome:denied' }, place));
  assert.equal(
    live.get('curl'),
    "curl -sN 'https://audit.example/a/logs/pay/live?q=outcome%3Adenied'",
  );
  assert.equal(makeLog(place), 'graven logs create NAME --server audit.example:9443 --tls');

  const ways = waysToSend('pay', place, new Date(now));
  assert.deepEqual(
    ways.map((way) => way.name),
    ['curl', 'grpcurl', 'Python', 'C++'],
  );
  // In what runs, and not only in what is said about it.
  for (const { name, text } of ways) {
    const code = text.replaceAll(/^(#|\/\/) .*$/gm, '');
    assert.match(code, name === 'curl' ? /audit\.example\/a\// : /audit\.example:9443/, name);
    assert.match(code, /\bpay\b/, name);
    assert.match(code, /Append|\/events/, name);
    assert.doesNotMatch(code, /plaintext|GRAVEN_TOKEN|client\.pem/, name);
  }
  const cpp = ways[3]!.text;
  assert.match(cpp, /tls\.enabled = true;\n/);
  assert.match(cpp, /Connect\(options\)[^]*->Append\(event\)/);
  const plain = waysToSend('pay', placed({ ...door, tls: false }), new Date(now));
  assert.doesNotMatch(plain[3]!.text, /tls/);
  assert.match(plain[1]!.text, /-plaintext/);
});

test("whatever stands in a log's name, a shell reads it as one word of the command", () => {
  const place = placed(door);
  const name = `e'vil;$(id)|\`id\`"&>x`;
  const of = (id: string): string => `${name}+${id}+${logKey.split('+')[2]}`;
  const key = of(/id is ([0-9a-f]{8})/.exec(parseVkey(of('00000000')) as string)![1]!);
  assert.equal((parseVkey(key) as Vkey).name, name, 'a key that is taken');
  const shown = { log: 'pay', page: 'trust', index: 0, query: '', order: 'newest' } as const;
  for (const command of [
    verifyReceipt(key, 'pay-7.tlog-proof'),
    verifyEvidence(key, 'pay-fork.evidence'),
    verifyAnswer({ log: 'pay', key, vkey: key }, place),
    sameBy({ ...shown, vkey: key }, place)[0]![1],
  ]) {
    const script = `graven() { printf '%s\\0' "$@"; }\n${command}`;
    const words = execFileSync('sh', ['-c', script], { encoding: 'utf8' }).split('\0');
    assert.ok(words.includes(key), command);
    assert.equal(words.filter((word) => word === '--key').length, 1);
  }
});

test("commands carry what the server asks of a caller, at the door's own address", () => {
  const shown = {
    log: 'pay',
    page: 'trust',
    index: 0,
    query: '',
    order: 'newest',
    vkey: '',
  } as const;
  const of = (grpc: Place['grpc'], base?: string): string[] => [
    ...sameBy(shown, placed(grpc, base)).map(([, text]) => text),
    ...waysToSend('pay', placed(grpc, base), new Date(now)).map((way) => way.text),
  ];
  const token = of({ ...door, token: true, clientCertificate: true });
  // A command of ours takes it from the environment.
  assert.equal(token[0], 'graven verify --log pay --server audit.example:9443 --tls');
  assert.ok(token.slice(1).every((text) => text.includes('GRAVEN_TOKEN')));
  assert.ok(token.every((text) => !text.includes('client.pem')));
  const certificate = of({ ...door, clientCertificate: true });
  assert.ok(
    certificate.every((text) => text.includes('client.pem') && text.includes('client.key')),
  );
  // Somewhere else than the page, which a proxy has behind its own TLS.
  const elsewhere = of({ ...door, host: 'grpc.example', port: 443 });
  assert.equal(elsewhere[0], 'graven verify --log pay --server grpc.example:443 --tls');
  assert.match(elsewhere[1]!, /^curl -s https:\/\/audit\.example\/a\//);
  const socket = of(null, 'http://audit.example/');
  assert.equal(socket[0], 'graven verify --log pay --server unix:SOCKET');
  assert.match(socket[2]!, /^grpcurl -plaintext -unix .* SOCKET graven\.v1/);
  // Nobody said: what it is by itself, and that this is a guess.
  assert.match(of('untold')[0]!, /--server audit\.example:7465 --tls$/);
  assert.match(beforeRunning(placed('untold')).join(' '), /did not say .* 7465/);
  assert.deepEqual(beforeRunning(placed({ ...door, tls: false })), []);
});

test('a status says where gRPC is, and nothing of it gets into a command that is no address', () => {
  const status = (grpc: unknown): Place['grpc'] => grpcOfStatus({ state: '', scrub: {}, grpc });
  assert.deepEqual(status({ ...door, port: 40_123 }), { ...door, port: 40_123 });
  assert.equal((status({ ...door, host: '2001:db8::1' }) as GrpcDoor).host, '[2001:db8::1]');
  assert.equal(grpcOfStatus({ state: '', scrub: {} }), null);
  for (const wrong of [
    { ...door, host: 'x; rm -r' },
    { ...door, port: 0 },
    { ...door, port: 'x' },
    7,
  ])
    assert.equal(status(wrong), 'untold');
});
