#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "metrics/registry.h"
#include "upkeep/operational_log.h"

namespace graven::upkeep {

// Something that cannot be done for as long as it lasts: a gauge says so all the time, the
// operational log at the beginning, at the end, and every kSayAgainNs. One thread.
class Trouble {
 public:
  static constexpr int64_t kSayAgainNs = 600'000'000'000;

  // `what`: of whom, and what cannot be done. `gauge` is 1 while it lasts, else 0.
  Trouble(std::string what, metrics::Gauge gauge);

  void Meet(const absl::Status& error, int64_t now_ns, OperationalLog* log);
  void End(int64_t now_ns, OperationalLog* log);
  bool lasts() const { return since_ns_.has_value(); }

 private:
  const std::string what_;
  metrics::Gauge gauge_;
  std::optional<int64_t> since_ns_;
  int64_t said_ns_ = 0;
};

}  // namespace graven::upkeep
