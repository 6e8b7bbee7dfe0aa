#include "upkeep/trouble.h"

#include <fmt/format.h>

#include <utility>

#include "base/absl_views.h"
#include "base/clock.h"

namespace graven::upkeep {

Trouble::Trouble(std::string what, metrics::Gauge gauge) : what_(std::move(what)), gauge_(gauge) {
  gauge_.Set(0);
}

void Trouble::Meet(const absl::Status& error, int64_t now_ns, OperationalLog* log) {
  gauge_.Set(1);
  if (since_ns_ && now_ns - said_ns_ < kSayAgainNs) return;
  said_ns_ = now_ns;
  if (!since_ns_) {
    since_ns_ = now_ns;
    log->Error(fmt::format("{}: {}", what_, ToStd(error.message())));
  } else {
    log->Error(fmt::format("{}, for {} s: {}", what_, (now_ns - *since_ns_) / kSecondNs,
                           ToStd(error.message())));
  }
}

void Trouble::End(int64_t now_ns, OperationalLog* log) {
  if (!since_ns_) return;
  log->Warning(fmt::format("{}: over after {} s", what_, (now_ns - *since_ns_) / kSecondNs));
  since_ns_.reset();
  gauge_.Set(0);
}

}  // namespace graven::upkeep
