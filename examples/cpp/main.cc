// A producer in C++: one event with a receipt that is checked offline, then a thousand through the
// pipelined stream, then what the log says.
//
// usage: example [ADDRESS]

#include <atomic>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "client/appender.h"
#include "client/client.h"
#include "client/receipt.h"
#include "client/tail_stream.h"

namespace {

namespace client = graven::client;
namespace v1 = graven::v1;

v1::Event MakeEvent(const std::string& action) {
  v1::Event event;
  event.mutable_actor()->set_id("alice");
  event.set_action(action);
  event.mutable_occurred_at()->set_seconds(absl::ToUnixSeconds(absl::Now()));
  event.set_outcome(v1::OUTCOME_SUCCESS);
  return event;
}

absl::Status AppendWithReceipt(client::Client& graven) {
  client::AppendOptions options;
  options.level = v1::RECEIPT_LEVEL_PUBLISHED;
  options.wait_timeout = absl::Seconds(10);
  const auto response = graven.Append(MakeEvent("invoice.approve"), options);
  if (!response.ok()) return response.status();
  const v1::Receipt& receipt = response->receipts(0);
  std::printf("record %llu, event %s\n", static_cast<unsigned long long>(receipt.index()),
              receipt.event_id().c_str());

  // A real auditor has the key from elsewhere; a key from the server itself only shows the way.
  const auto log = graven.GetLog();
  if (!log.ok()) return log.status();
  const auto verdict = client::CheckReceipt(receipt.tlog_proof(), log->vkey());
  if (!verdict.ok()) return verdict.status();
  std::printf("receipt holds: record %llu is in the signed tree of size %llu\n",
              static_cast<unsigned long long>(verdict->index.value),
              static_cast<unsigned long long>(verdict->checkpoint.size.value));
  return absl::OkStatus();
}

absl::Status AppendMany(client::Client& graven, int count) {
  client::AppenderOptions options;
  options.batch_events_max = 64;
  auto appender = client::Appender::Open(graven, options);
  if (!appender.ok()) return appender.status();
  std::atomic<int> durable = 0;
  for (int i = 0; i < count; ++i) {
    const absl::Status status = (*appender)->Append(
        MakeEvent("invoice.read"), [&](const absl::StatusOr<client::Appended>& answer) {
          if (answer.ok()) ++durable;
        });
    if (!status.ok()) return status;
  }
  if (const absl::Status status = (*appender)->Close(absl::Seconds(30)); !status.ok())
    return status;
  std::printf("%d of %d events durable\n", durable.load(), count);
  return durable == count ? absl::OkStatus() : absl::InternalError("some events were refused");
}

absl::Status CountRecords(client::Client& graven) {
  v1::TailRequest request;
  request.set_from_index(0);
  request.set_stop_at_end(true);
  auto tail = graven.Tail(request);
  unsigned long long records = 0;
  for (;;) {
    const auto batch = tail->Next();
    if (!batch.ok()) return batch.status();
    if (!batch->has_value()) break;
    records += static_cast<unsigned long long>((*batch)->records_size());
  }
  std::printf("%llu records read back\n", records);
  return absl::OkStatus();
}

absl::Status Run(const std::string& address) {
  client::ClientOptions options;
  options.address = address;
  auto graven = client::Client::Connect(options);
  if (!graven.ok()) return graven.status();
  for (const absl::Status& status :
       {AppendWithReceipt(**graven), AppendMany(**graven, 1000), CountRecords(**graven)}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status = Run(argc > 1 ? argv[1] : "127.0.0.1:7465");
  if (status.ok()) return 0;
  std::fprintf(stderr, "example: %s\n", status.ToString().c_str());
  return status.code() == absl::StatusCode::kUnavailable ? 3 : 1;
}
