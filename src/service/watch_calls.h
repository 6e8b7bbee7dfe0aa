#pragma once

#include <grpcpp/alarm.h>

#include <memory>
#include <unordered_map>

#include "service/grpc_call.h"
#include "service/sync_calls.h"

namespace graven::service {

class WatchCall;

// Health.Watch on the completion queue: says how it is, and says so again when that changes (it is
// looked at some times a second while anybody watches) and when the server stops. All on the loop's
// thread.
class WatchCalls {
 public:
  WatchCalls(CallEnvironment& environment, HealthServer& health, size_t calls_max);
  ~WatchCalls();

  // Arms one call; before the loop starts.
  void Start();
  void Stop();

 private:
  friend class WatchCall;
  void ArmOne();
  // Looks again after a while, unless that is under way already.
  void WatchState();
  void OnTick(bool ok);

  CallEnvironment& environment_;
  HealthServer& health_;
  const size_t calls_max_;
  std::unordered_map<WatchCall*, std::unique_ptr<WatchCall>> calls_;
  bool stopped_ = false;
  ledger::WriteState state_ = ledger::WriteState::kActive;  // when it was last looked at
  size_t watching_ = 0;                                     // calls that have begun
  bool ticking_ = false;
  CallTag<WatchCalls> tick_tag_;
  grpc::Alarm tick_;
};

}  // namespace graven::service
