// No event yet: the four ways to send one, filled in, and a mark that listens. It turns into the first row by itself.

import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { placeOfPage } from '../commands.ts';
import { Command } from '../parts/text.tsx';
import { SealShape } from '../parts/seal.tsx';

interface Way {
  name: string;
  text: string;
}

function ways(log: string): Way[] {
  const { base, host, tls } = placeOfPage();
  const grpc = `${host}:7465`;
  const plain = !tls;
  const now = new Date().toISOString().slice(0, 19) + 'Z';
  return [
    {
      name: 'curl',
      text: `curl -s ${base}logs/${log}/events -H 'Content-Type: application/json' -d '{
  "actor": {"id": "alice", "type": "user"}, "action": "invoice.approve",
  "targets": [{"type": "invoice", "id": "42"}],
  "outcome": "OUTCOME_SUCCESS", "occurredAt": "${now}"}'`,
    },
    {
      name: 'grpcurl',
      text: `grpcurl ${plain ? '-plaintext ' : ''}-d '{"log": "${log}", "events": [{
  "actor": {"id": "alice", "type": "user"}, "action": "invoice.approve",
  "targets": [{"type": "invoice", "id": "42"}],
  "outcome": "OUTCOME_SUCCESS", "occurred_at": "${now}"}]}' \\
  ${grpc} graven.v1.AuditLogService/Append`,
    },
    {
      name: 'Python',
      text: `# python3-grpcio, and stubs of proto/graven/v1 by grpc_tools.protoc
import grpc, time
from graven.v1 import audit_log_service_pb2 as pb, audit_log_service_pb2_grpc as rpc

log = rpc.AuditLogServiceStub(grpc.${plain ? `insecure_channel("${grpc}")` : `secure_channel("${grpc}", grpc.ssl_channel_credentials())`})
request = pb.AppendRequest(log="${log}")
event = request.events.add(action="invoice.approve", outcome="OUTCOME_SUCCESS")
event.actor.id = "alice"
event.targets.add(type="invoice", id="42")
event.occurred_at.FromNanoseconds(time.time_ns())
print(log.Append(request).receipts[0].index)`,
    },
    {
      name: 'C++',
      text: `// find_package(graven REQUIRED); target_link_libraries(service PRIVATE graven::client)
#include "client/client.h"

graven::v1::Event event;
event.mutable_actor()->set_id("alice");
event.set_action("invoice.approve");
event.mutable_occurred_at()->set_seconds(time(nullptr));
// The server is ${grpc}, the log "${log}"; docs/client.md has the whole program.`,
    },
  ];
}

export function FirstEvent({ log }: { log: string }): JSX.Element {
  const all = ways(log);
  const [shown, setShown] = useState('curl');
  return (
    <div class="first-run">
      <h1>
        <SealShape kind="checking" size={28} /> Listening for the first event of <code>{log}</code>
      </h1>
      <p>
        The log is there, its empty tree is signed, and this page has verified that. Send something;
        it appears here by itself.
      </p>
      <div class="tabs" role="tablist" aria-label="Ways to send an event">
        {all.map((way) => (
          <button
            key={way.name}
            type="button"
            role="tab"
            id={`tab-${way.name}`}
            aria-selected={way.name === shown}
            aria-controls="way"
            onClick={() => setShown(way.name)}
          >
            {way.name}
          </button>
        ))}
      </div>
      <div id="way" role="tabpanel" aria-labelledby={`tab-${shown}`}>
        <Command text={all.find((way) => way.name === shown)!.text} />
      </div>
      {shown !== 'curl' && (
        <p class="fine">
          gRPC listens on port 7465 unless the server was told otherwise; <code>graven serve</code>{' '}
          prints the address at its start.
        </p>
      )}
    </div>
  );
}
