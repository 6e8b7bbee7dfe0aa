#include "client/appender.h"

#include <utility>

#include "absl/synchronization/notification.h"
#include "base/status_macros.h"
#include "client/append_stream.h"
#include "client/event_encoding.h"

namespace graven::client {
namespace {

absl::Status CheckOptions(const AppenderOptions& options) {
  if (options.window_requests == 0) {
    return absl::InvalidArgumentError("window_requests: at least 1");
  }
  if (options.batch_events_max == 0 || options.batch_events_max > kRequestEventsMax) {
    return absl::InvalidArgumentError("batch_events_max: from 1 to 8,192");
  }
  if (options.batch_bytes_max > kRequestBytesMax - kRequestOverheadBytesMax) {
    return absl::InvalidArgumentError("batch_bytes_max: less than 4 MiB");
  }
  if (options.batch_delay_max < absl::ZeroDuration() ||
      options.answer_timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("batch_delay_max, answer_timeout: not negative");
  }
  return absl::OkStatus();
}

}  // namespace

struct AppendTicket::State {
  absl::Notification done;
  absl::StatusOr<Appended> answer = absl::UnknownError("not answered yet");
};

absl::StatusOr<Appended> AppendTicket::Wait() const {
  state_->done.WaitForNotification();
  return state_->answer;
}

bool AppendTicket::done() const { return state_->done.HasBeenNotified(); }

absl::StatusOr<std::unique_ptr<Appender>> Appender::Open(const Client& client,
                                                         AppenderOptions options) {
  RETURN_IF_ERROR(CheckOptions(options));
  if (options.log.empty()) options.log = client.options().log;
  auto stream = std::make_unique<Stream>(client.connection(), std::move(options));
  return std::unique_ptr<Appender>(new Appender(std::move(stream)));
}

Appender::Appender(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}

Appender::~Appender() { Close(stream_->options().close_timeout).IgnoreError(); }

absl::Status Appender::Append(const v1::Event& event, AppendCallback done) {
  std::string wire;
  AddEvent(event, stream_->ids(), &wire);
  RETURN_IF_ERROR(CheckRequestSize(1, wire.size()));
  return stream_->Add(std::move(wire), done, true);
}

absl::Status Appender::AppendBytes(std::string_view event, AppendCallback done) {
  std::string wire;
  AddEventBytes(event, stream_->ids(), &wire);
  RETURN_IF_ERROR(CheckRequestSize(1, wire.size()));
  return stream_->Add(std::move(wire), done, true);
}

absl::StatusOr<AppendTicket> Appender::Append(const v1::Event& event) {
  AppendTicket ticket;
  ticket.state_ = std::make_shared<AppendTicket::State>();
  RETURN_IF_ERROR(Append(event, [state = ticket.state_](const absl::StatusOr<Appended>& answer) {
    state->answer = answer;
    state->done.Notify();
  }));
  return ticket;
}

absl::Status Appender::TryAppend(const v1::Event& event, AppendCallback& done) {
  std::string wire;
  AddEvent(event, stream_->ids(), &wire);
  RETURN_IF_ERROR(CheckRequestSize(1, wire.size()));
  return stream_->Add(std::move(wire), done, false);
}

absl::Status Appender::TryAppendBytes(std::string_view event, AppendCallback& done) {
  std::string wire;
  AddEventBytes(event, stream_->ids(), &wire);
  RETURN_IF_ERROR(CheckRequestSize(1, wire.size()));
  return stream_->Add(std::move(wire), done, false);
}

absl::Status Appender::AppendGroup(std::span<const v1::Event> events, AppendCallback done,
                                   const std::optional<Hash>& expected_last_hash) {
  std::string wire;
  for (const v1::Event& event : events) AddEvent(event, stream_->ids(), &wire);
  RETURN_IF_ERROR(CheckRequestSize(events.size(), wire.size()));
  if (expected_last_hash) AddExpectedLastHash(*expected_last_hash, &wire);
  return stream_->AddGroup(std::move(wire), static_cast<uint32_t>(events.size()), done);
}

absl::Status Appender::AppendGroupBytes(std::span<const std::string_view> events,
                                        AppendCallback done,
                                        const std::optional<Hash>& expected_last_hash) {
  std::string wire;
  for (std::string_view event : events) AddEventBytes(event, stream_->ids(), &wire);
  RETURN_IF_ERROR(CheckRequestSize(events.size(), wire.size()));
  if (expected_last_hash) AddExpectedLastHash(*expected_last_hash, &wire);
  return stream_->AddGroup(std::move(wire), static_cast<uint32_t>(events.size()), done);
}

absl::Status Appender::Drain(absl::Duration timeout) { return stream_->Drain(timeout); }

absl::Status Appender::Close(absl::Duration timeout) { return stream_->Close(timeout); }

Appender::Counts Appender::counts() const { return stream_->counts(); }

}  // namespace graven::client
