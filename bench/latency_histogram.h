#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace graven::bench {

// Counts durations in buckets that are 6 % wide. One thread.
class LatencyHistogram {
 public:
  void Add(int64_t ns) { ++buckets_[Bucket(ns < 1 ? 1 : static_cast<uint64_t>(ns))], ++count_; }

  // The duration below which the fraction `part` lies, in nanoseconds; 0 without any.
  double Quantile(double part) const {
    uint64_t left = static_cast<uint64_t>(part * static_cast<double>(count_));
    for (size_t i = 0; i < buckets_.size(); ++i) {
      if (buckets_[i] > left) return Middle(i);
      left -= buckets_[i];
    }
    return 0;
  }

 private:
  static constexpr int kStepBits = 4;

  static size_t Bucket(uint64_t ns) {
    const int width = std::bit_width(ns);
    if (width <= kStepBits) return ns;
    const int shift = width - kStepBits - 1;
    return (static_cast<size_t>(shift + 1) << kStepBits) + ((ns >> shift) & 15);
  }
  static double Middle(size_t bucket) {
    if (bucket < 16) return static_cast<double>(bucket);
    const int shift = static_cast<int>(bucket >> kStepBits) - 1;
    return (static_cast<double>((bucket & 15) + 16) + 0.5) *
           static_cast<double>(uint64_t{1} << shift);
  }

  std::array<uint64_t, 64 << kStepBits> buckets_{};
  uint64_t count_ = 0;
};

}  // namespace graven::bench
