#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/appender.h"
#include "console/command_context.h"

namespace graven::cli {

// What became of the events of one run.
struct PumpCounts {
  uint64_t appended = 0;
  uint64_t duplicates = 0;
  uint64_t refused = 0;
  // Of the records appended or found; first > last when there are none.
  uint64_t first_index = UINT64_MAX;
  uint64_t last_index = 0;
};

// Carries many events to the server over one pipelined stream that survives its connection. One
// thread pushes; answers come on the library's thread.
//
// Invariant: when Finish returned OK, each pushed event is durable, was so before, or is counted as
// refused and was named on standard error.
class EventPump {
 public:
  // Stops at the first refused event, or counts them and goes on.
  enum class OnRefusal { kStop, kCount };

  static absl::StatusOr<std::unique_ptr<EventPump>> Open(console::CommandContext& context,
                                                         const client::Client& client,
                                                         OnRefusal on_refusal);
  ~EventPump();

  // Hands over one event as protobuf serialises it; `where` names it in errors ("FILE:12"). Waits
  // while the window is full. An error: an event before this one was refused, or the server went
  // away for good.
  absl::Status Push(std::string_view event, std::string where);

  // Counts an event that could not be sent, says so, and goes on or fails as OnRefusal says.
  absl::Status Refuse(std::string_view where, const absl::Status& reason);

  // Waits for all answers.
  absl::StatusOr<PumpCounts> Finish();

  // After an error: waits a while for the answers to what had been sent already, and returns what
  // became of it. Not counted is what has no answer still.
  PumpCounts Stop();

  // Events answered so far.
  uint64_t answered() const;

 private:
  // What the callbacks change; they may outlive a pump that ended with an error.
  struct State {
    absl::Mutex mutex;
    PumpCounts counts ABSL_GUARDED_BY(mutex);
    absl::Status error ABSL_GUARDED_BY(mutex);
    std::vector<std::string> to_say ABSL_GUARDED_BY(mutex);
  };

  EventPump(console::CommandContext& context, OnRefusal on_refusal,
            std::unique_ptr<client::Appender> appender);
  static void Answered(State& state, OnRefusal on_refusal, const std::string& where,
                       const absl::StatusOr<client::Appended>& answer);
  absl::Status SayAndCheck();

  console::CommandContext& context_;
  const OnRefusal on_refusal_;
  const std::shared_ptr<State> state_ = std::make_shared<State>();
  std::unique_ptr<client::Appender> appender_;
};

}  // namespace graven::cli
