#pragma once

#include <algorithm>
#include <cstdint>

#include "absl/status/statusor.h"
#include "base/clock.h"

namespace graven::search {

// Until when a piece of work goes on. Who works looks at the clock once in so much work, not at
// each record, so that a turn lasts some milliseconds longer than it should.
struct Turn {
  Clock* clock = nullptr;  // null: without end
  int64_t until_ns = INT64_MAX;

  bool IsPast(int64_t ns) const { return clock != nullptr && clock->SteadyNs() >= ns; }
  bool is_over() const { return IsPast(until_ns); }
  // The same, ended by `ns` too.
  Turn Until(int64_t ns) const { return {clock, std::min(until_ns, ns)}; }
};

// How long others wait for one turn, and how long it may take to notice that a client has left.
inline constexpr int64_t kTurnNs = 20'000'000;

// An answer that is worked out in turns: a page, numbers. So few threads serve many who ask, and a
// short question is answered while long ones are under way. One thread at a time.
class Work {
 public:
  virtual ~Work() = default;

  // Goes on until the turn is over, and a little at least. True: the answer is there. Neither after
  // that nor after an error may it be called again. kDataLoss.
  virtual absl::StatusOr<bool> GoOn(const Turn& turn) = 0;
};

}  // namespace graven::search
