// The four ways to send a first event, filled in with the server's address and the log: what is copied runs as it is.

import { grpcPort, type Place } from './commands.ts';

export interface Way {
  readonly name: string;
  readonly text: string;
}

export function waysToSend(log: string, { base, host, tls }: Place, at: Date): Way[] {
  const grpc = `${host}:${grpcPort}`;
  const plain = !tls;
  const now = at.toISOString().slice(0, 19) + 'Z';
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
#include <ctime>
#include <iostream>

#include "client/client.h"

int Failed(const absl::Status& status) {
  std::cerr << status << "\\n";
  return 1;
}

int main() {
  graven::client::ClientOptions options;
  options.address = "${grpc}";
  options.log = "${log}";${plain ? '' : '\n  options.tls.enabled = true;'}
  auto log = graven::client::Client::Connect(options);
  if (!log.ok()) return Failed(log.status());

  graven::v1::Event event;
  event.mutable_actor()->set_id("alice");
  event.set_action("invoice.approve");
  auto* target = event.add_targets();
  target->set_type("invoice");
  target->set_id("42");
  event.set_outcome(graven::v1::OUTCOME_SUCCESS);
  event.mutable_occurred_at()->set_seconds(std::time(nullptr));
  const auto sent = (*log)->Append(event);
  if (!sent.ok()) return Failed(sent.status());
  std::cout << "record " << sent->receipts(0).index() << "\\n";
}`,
    },
  ];
}
