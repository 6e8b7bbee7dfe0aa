#pragma once

#include <memory>
#include <unordered_map>

#include "service/grpc_call.h"
#include "service/sync_calls.h"

namespace graven::service {

class WatchCall;

// Health.Watch on the completion queue: says how it is, and says so again when the server stops.
// All on the loop's thread.
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

  CallEnvironment& environment_;
  HealthServer& health_;
  const size_t calls_max_;
  std::unordered_map<WatchCall*, std::unique_ptr<WatchCall>> calls_;
  bool stopped_ = false;
};

}  // namespace graven::service
