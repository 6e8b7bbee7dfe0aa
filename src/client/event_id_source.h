#pragma once

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "record/event_id.h"

namespace graven::client {

// The event ids of one connection. Thread-safe.
class EventIdSource {
 public:
  // Both outlive the source.
  EventIdSource(Clock& clock, Random& random) : maker_(clock, random) {}

  // A new UUIDv7 as text.
  std::string Next() {
    absl::MutexLock lock(&mutex_);
    return maker_.Next();
  }

 private:
  absl::Mutex mutex_;
  record::EventIdMaker maker_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace graven::client
