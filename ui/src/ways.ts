// The four ways to send a first event, filled in with the server's address and the log: what is copied runs as it is.

import {
  curlCommand,
  doorOf,
  grpcAddress,
  grpcurlAddress,
  grpcurlFlags,
  wantsCertificate,
  type Place,
} from './commands.ts';

export interface Way {
  readonly name: string;
  readonly text: string;
}

function pythonWay(log: string, place: Place): string {
  const door = doorOf(place);
  const grpc = grpcAddress(place);
  const tls = door.tls && place.grpc !== null;
  const own = tls && wantsCertificate(door);
  const credentials = own
    ? `grpc.ssl_channel_credentials(
    private_key=open("client.key", "rb").read(), certificate_chain=open("client.pem", "rb").read())`
    : 'grpc.ssl_channel_credentials()';
  const channel = tls ? `secure_channel("${grpc}", ${credentials})` : `insecure_channel("${grpc}")`;
  const token = door.token
    ? ', metadata=[("authorization", "Bearer " + os.environ["GRAVEN_TOKEN"])]'
    : '';
  return `# python3-grpcio, and stubs of proto/graven/v1 by grpc_tools.protoc
import grpc, ${door.token ? 'os, ' : ''}time
from graven.v1 import audit_log_service_pb2 as pb, audit_log_service_pb2_grpc as rpc

log = rpc.AuditLogServiceStub(grpc.${channel})
request = pb.AppendRequest(log="${log}")
event = request.events.add(action="invoice.approve", outcome="OUTCOME_SUCCESS")
event.actor.id = "alice"
event.targets.add(type="invoice", id="42")
event.occurred_at.FromNanoseconds(time.time_ns())
print(log.Append(request${token}).receipts[0].index)`;
}

function cppOptions(log: string, place: Place): string {
  const door = doorOf(place);
  const lines = [`options.address = "${grpcAddress(place)}";`, `options.log = "${log}";`];
  if (door.tls && place.grpc !== null) {
    lines.push('options.tls.enabled = true;');
    if (wantsCertificate(door))
      lines.push(
        'options.tls.certificate_file = "client.pem";',
        'options.tls.key_file = "client.key";',
      );
  }
  if (door.token)
    lines.push('if (const char* token = std::getenv("GRAVEN_TOKEN")) options.token = token;');
  return lines.map((line) => `  ${line}`).join('\n');
}

export function waysToSend(log: string, place: Place, at: Date): Way[] {
  const { base } = place;
  const { token } = doorOf(place);
  const now = at.toISOString().slice(0, 19) + 'Z';
  return [
    {
      name: 'curl',
      text: `${curlCommand(`${base}logs/${log}/events`, '-s', place)} -H 'Content-Type: application/json' -d '{
  "actor": {"id": "alice", "type": "user"}, "action": "invoice.approve",
  "targets": [{"type": "invoice", "id": "42"}],
  "outcome": "OUTCOME_SUCCESS", "occurredAt": "${now}"}'`,
    },
    {
      name: 'grpcurl',
      text: `grpcurl ${grpcurlFlags(place)}-d '{"log": "${log}", "events": [{
  "actor": {"id": "alice", "type": "user"}, "action": "invoice.approve",
  "targets": [{"type": "invoice", "id": "42"}],
  "outcome": "OUTCOME_SUCCESS", "occurred_at": "${now}"}]}' \\
  ${grpcurlAddress(place)} graven.v1.AuditLogService/Append`,
    },
    {
      name: 'Python',
      text: pythonWay(log, place),
    },
    {
      name: 'C++',
      text: `// find_package(graven REQUIRED); target_link_libraries(service PRIVATE graven::client)
${token ? '#include <cstdlib>\n' : ''}#include <ctime>
#include <iostream>

#include "client/client.h"

int Failed(const absl::Status& status) {
  std::cerr << status << "\\n";
  return 1;
}

int main() {
  graven::client::ClientOptions options;
${cppOptions(log, place)}
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
