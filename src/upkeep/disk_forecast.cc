#include "upkeep/disk_forecast.h"

#include <limits>

namespace graven::upkeep {
namespace {

constexpr int64_t kMinuteNs = 60'000'000'000;

}  // namespace

void DiskForecast::Look(int64_t steady_ns, uint64_t free_bytes) {
  now_ = {steady_ns, free_bytes};
  while (samples_.size() > 1 && steady_ns - samples_.front().steady_ns > 60 * kMinuteNs) {
    samples_.pop_front();
  }
  if (samples_.empty() || steady_ns - samples_.back().steady_ns >= kMinuteNs) {
    samples_.push_back(now_);
  }
}

double DiskForecast::SecondsUntil(uint64_t reserve_bytes) const {
  constexpr double kNever = std::numeric_limits<double>::infinity();
  if (samples_.empty()) return kNever;
  if (now_.free_bytes <= reserve_bytes) return 0;
  const Sample& oldest = samples_.front();
  const int64_t passed_ns = now_.steady_ns - oldest.steady_ns;
  if (passed_ns < kMinuteNs || now_.free_bytes >= oldest.free_bytes) return kNever;
  const double bytes_per_second = static_cast<double>(oldest.free_bytes - now_.free_bytes) /
                                  (static_cast<double>(passed_ns) * 1e-9);
  return static_cast<double>(now_.free_bytes - reserve_bytes) / bytes_per_second;
}

}  // namespace graven::upkeep
