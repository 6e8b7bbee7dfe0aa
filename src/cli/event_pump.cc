#include "cli/event_pump.h"

#include <algorithm>

#include "base/absl_views.h"
#include "base/status_macros.h"
#include "client/call_status.h"
#include "fmt/format.h"

namespace graven::cli {
using console::CommandContext;

namespace {

constexpr size_t kBatchEventsMax = 100;
constexpr absl::Duration kStopTimeout = absl::Seconds(10);

}  // namespace

absl::StatusOr<std::unique_ptr<EventPump>> EventPump::Open(CommandContext& context,
                                                           const client::Client& client,
                                                           OnRefusal on_refusal) {
  client::AppenderOptions options;
  options.batch_events_max = kBatchEventsMax;
  ASSIGN_OR_RETURN(auto appender, client::Appender::Open(client, options));
  return std::unique_ptr<EventPump>(new EventPump(context, on_refusal, std::move(appender)));
}

EventPump::EventPump(CommandContext& context, OnRefusal on_refusal,
                     std::unique_ptr<client::Appender> appender)
    : context_(context), on_refusal_(on_refusal), appender_(std::move(appender)) {}

EventPump::~EventPump() = default;

absl::Status EventPump::Push(std::string_view event, std::string where) {
  RETURN_IF_ERROR(SayAndCheck());
  const auto answered = [state = state_, on_refusal = on_refusal_,
                         where](const absl::StatusOr<client::Appended>& answer) {
    Answered(*state, on_refusal, where, answer);
  };
  const absl::Status pushed = appender_->AppendBytes(event, answered);
  if (absl::IsInvalidArgument(pushed)) return Refuse(where, pushed);
  return pushed;
}

absl::Status EventPump::Refuse(std::string_view where, const absl::Status& reason) {
  {
    absl::MutexLock lock(&state_->mutex);
    ++state_->counts.refused;
  }
  const std::string text = fmt::format("{}: {}", where, ToStd(reason.message()));
  if (on_refusal_ == OnRefusal::kStop) return absl::Status(reason.code(), text);
  context_.PrintNotice("refused: " + text);
  return absl::OkStatus();
}

// On the library's thread.
void EventPump::Answered(State& state, OnRefusal on_refusal, const std::string& where,
                         const absl::StatusOr<client::Appended>& answer) {
  absl::MutexLock lock(&state.mutex);
  if (answer.ok()) {
    state.counts.duplicates += answer->duplicate_count;
    state.counts.appended += answer->count - answer->duplicate_count;
    state.counts.first_index = std::min(state.counts.first_index, answer->first_index.value);
    const uint64_t last = answer->indexes.empty()
                              ? answer->first_index.value + answer->count - 1
                              : *std::max_element(answer->indexes.begin(), answer->indexes.end());
    state.counts.last_index = std::max(state.counts.last_index, last);
    return;
  }
  const std::string text = fmt::format("{}: {}", where, ToStd(answer.status().message()));
  const bool about_the_event =
      absl::IsInvalidArgument(answer.status()) || absl::IsAlreadyExists(answer.status());
  if (about_the_event) ++state.counts.refused;
  if (about_the_event && on_refusal == OnRefusal::kCount) {
    state.to_say.push_back("refused: " + text);
  } else if (state.error.ok()) {
    state.error = absl::Status(answer.status().code(), text);
  }
}

absl::Status EventPump::SayAndCheck() {
  std::vector<std::string> to_say;
  absl::Status error;
  {
    absl::MutexLock lock(&state_->mutex);
    to_say.swap(state_->to_say);
    error = state_->error;
  }
  for (const std::string& line : to_say) context_.PrintNotice(line);
  return error;
}

absl::StatusOr<PumpCounts> EventPump::Finish() {
  RETURN_IF_ERROR(appender_->Drain(absl::InfiniteDuration()));
  RETURN_IF_ERROR(SayAndCheck());
  absl::MutexLock lock(&state_->mutex);
  return state_->counts;
}

PumpCounts EventPump::Stop() {
  // The error that stopped the run is the one to say, not what comes of it here.
  (void)appender_->Drain(kStopTimeout);
  (void)SayAndCheck();
  absl::MutexLock lock(&state_->mutex);
  return state_->counts;
}

uint64_t EventPump::answered() const {
  absl::MutexLock lock(&state_->mutex);
  return state_->counts.appended + state_->counts.duplicates + state_->counts.refused;
}

}  // namespace graven::cli
