#include "base/clock.h"

#include <ctime>

namespace graven {
namespace {

int64_t ReadNs(clockid_t id) {
  timespec now;
  clock_gettime(id, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

class OsClock final : public Clock {
 public:
  int64_t WallNs() override { return ReadNs(CLOCK_REALTIME); }
  int64_t SteadyNs() override { return ReadNs(CLOCK_MONOTONIC); }
};

}  // namespace

Clock& SystemClock() {
  static OsClock clock;
  return clock;
}

}  // namespace graven
