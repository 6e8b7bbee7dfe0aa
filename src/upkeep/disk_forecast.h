#pragma once

#include <cstdint>
#include <deque>

namespace graven::upkeep {

// When a disk will be full if it goes on filling as in the last hour. Not thread-safe.
class DiskForecast {
 public:
  // Looked at now: so many bytes are free. A sample is kept each minute.
  void Look(int64_t steady_ns, uint64_t free_bytes);

  // Until only `reserve_bytes` are free, from the last look on; infinite when the disk does not
  // fill, or has not been looked at for a minute yet.
  double SecondsUntil(uint64_t reserve_bytes) const;

 private:
  struct Sample {
    int64_t steady_ns;
    uint64_t free_bytes;
  };
  std::deque<Sample> samples_;  // at most an hour old
  Sample now_{};
};

}  // namespace graven::upkeep
