// Tells somebody elsewhere about findings: a queue on disk, and signed POSTs until each was taken.
//
//   POST URL
//   Content-Type: application/json
//   Graven-Delivery: <id>           the same for each try of a delivery
//   Graven-Timestamp: <seconds>     of this try
//   Graven-Signature: v1=<hex>      HMAC-SHA-256(secret, "<timestamp>.<id>." || body)
//
//   {"delivery": id, "notices": [...], "left_out": n}
//
// Threads: Add from any; Step from one, which may block as long as a call may take.
//
// Invariants: a notice for which Add returned OK is delivered at least once, through any crash, or
// counted in `left_out`; what waits on the disk and in memory is bounded; in a storm the notices
// that wait go out together, and no delivery follows another sooner than `gap_ns`.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/random.h"
#include "http/client.h"
#include "io/file_system.h"

namespace graven::webhook {

inline constexpr size_t kNoticeBytesMax = 64 << 10;
inline constexpr size_t kSecretBytesMin = 16;

struct OutboxOptions {
  std::string url;
  // At least kSecretBytesMin.
  std::string secret;
  // By default only addresses of the internet at large are called.
  http::FetchOptions fetch;
  int64_t gap_ns = 2'000'000'000;
  // After a failed try: doubles from the first to the last.
  int64_t backoff_first_ns = 1'000'000'000;
  int64_t backoff_max_ns = 300'000'000'000;
  size_t notices_per_delivery = 50;
  // Beyond these a notice is only counted.
  size_t waiting_max = 1000;
};

struct OutboxCounters {
  uint64_t delivered = 0;  // notices
  uint64_t deliveries = 0;
  uint64_t failed_tries = 0;
  uint64_t left_out = 0;
  uint64_t waiting = 0;
};

class Outbox {
 public:
  // Opens the queue in `folder`, or makes it (its parent must exist). kInvalidArgument: URL or
  // secret. kDataLoss: the queue is damaged; says where.
  static absl::StatusOr<std::unique_ptr<Outbox>> Open(io::FileSystem& fs, std::string folder,
                                                      OutboxOptions options, Clock& clock,
                                                      Random& random);

  // Queues one notice, the text of a JSON object. On return OK it is durable, or counted as left
  // out because `waiting_max` wait. kInvalidArgument: longer than kNoticeBytesMax.
  absl::Status Add(std::string_view json);

  // Delivers what waits, if its time has come: at most one call. Errors of the disk; a call that
  // fails is none.
  absl::Status Step();

  // Nanoseconds until Step has something to do; negative when nothing waits.
  int64_t DueInNs();

  // Ends a call under way and all later ones. Any thread.
  void Cancel() { client_.Cancel(); }

  OutboxCounters counters();
  // Of the last try that failed, empty since the last that did not.
  std::string last_error();

 private:
  Outbox(io::FileSystem& fs, std::string folder, OutboxOptions options, Clock& clock,
         Random& random);

  absl::Status Load();
  absl::Status Deliver(size_t count, uint64_t left_out) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Forget(size_t count, uint64_t left_out) ABSL_LOCKS_EXCLUDED(mutex_);
  std::string PathOf(uint64_t number) const;

  io::FileSystem& fs_;
  const std::string folder_;
  const OutboxOptions options_;
  Clock& clock_;
  Random& random_;
  http::Client client_;
  // Of this queue, so that ids of two never meet.
  std::string queue_id_;

  Mutex mutex_;
  // Numbers of the notices that wait; each is a file of that name.
  std::deque<uint64_t> waiting_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_ ABSL_GUARDED_BY(mutex_) = 1;
  uint64_t left_out_ ABSL_GUARDED_BY(mutex_) = 0;
  OutboxCounters counters_ ABSL_GUARDED_BY(mutex_);
  std::string last_error_ ABSL_GUARDED_BY(mutex_);
  int64_t due_ns_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t backoff_ns_ ABSL_GUARDED_BY(mutex_) = 0;
};

// The signature of a delivery, as it stands in the header field.
std::string SignDelivery(std::string_view secret, int64_t timestamp_s, std::string_view delivery,
                         std::string_view body);

}  // namespace graven::webhook
