// Has the newest checkpoints that are served stamped by a time stamp authority (RFC 3161): at most
// one of each log in an interval, and none that has not changed. Never on the way of an append.
//
// Thread: one of its own, which asks for one stamp at a time.
//
// Invariant: what the authority sends, or does not, changes nothing but the tokens: a reply has an
// end in time and size, a token is kept only when it holds under the trusted certificates, and a
// failure only makes the next question later (5 s, doubling up to 10 minutes).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/random.h"
#include "ledger/ledger.h"
#include "metrics/registry.h"
#include "upkeep/operational_log.h"

namespace graven::http {
class Client;
}

namespace graven::upkeep {

struct TimeStampSettings {
  std::string url;          // empty: no authority
  std::string trusted_pem;  // certificates that its tokens must lead to
  std::string tls_ca_file;  // of an https URL; empty: the system's
  uint64_t interval_s = 60;
  uint64_t timeout_s = 15;  // of one question
};

class TimeStamper {
 public:
  // All must outlive it. Without an authority it does nothing.
  TimeStamper(ledger::Ledger& ledger, Clock& clock, Random& random, TimeStampSettings settings,
              metrics::Registry& metrics, OperationalLog& log);
  ~TimeStamper();
  TimeStamper(const TimeStamper&) = delete;
  TimeStamper& operator=(const TimeStamper&) = delete;

  void Start();
  // The question under way is given up.
  void Stop();

 private:
  void Run();
  // All logs that have changed; a failure of the authority ends the round.
  absl::Status StampAll();
  absl::Status Stamp(ledger::LogRef log, const ledger::Published& served);
  absl::StatusOr<std::string> Ask(std::string_view text);
  // Says so once until it works again. Returns how long to wait.
  int64_t AfterFailure(const absl::Status& status);
  bool stopping() const;

  ledger::Ledger& ledger_;
  Clock& clock_;
  Random& random_;
  const TimeStampSettings settings_;
  metrics::Registry& metrics_;
  OperationalLog& log_;
  uint64_t failures_ = 0;  // in a row

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;           // guarded by mutex_
  http::Client* asking_ = nullptr;  // guarded by mutex_: the question under way
  std::thread thread_;
};

}  // namespace graven::upkeep
