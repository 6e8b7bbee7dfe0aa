#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/instruments.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

// What the process measures of itself, as Prometheus reads it.
//
// Threads: a Registry may be used by any; so may counters and gauges. A Histogram handle belongs to
// one thread at a time (it has memory of its own); a Tally to one thread.
//
// Invariants: every series belongs to an Instrument of the table; a metric has at most
// kSeriesMax series, so that names that strangers choose cannot fill the memory: handles beyond
// that do nothing, and are counted.
namespace graven::metrics {

inline constexpr size_t kSeriesMax = 2000;

class Counter {
 public:
  Counter() = default;
  void Add(double value = 1);
  // For a count that somebody else keeps: raises it to `value`; a smaller one is passed over.
  void RaiseTo(double value);

 private:
  friend class Registry;
  explicit Counter(prometheus::Counter* counter) : counter_(counter) {}
  prometheus::Counter* counter_ = nullptr;
};

class Gauge {
 public:
  Gauge() = default;
  void Set(double value);

 private:
  friend class Registry;
  explicit Gauge(prometheus::Gauge* gauge) : gauge_(gauge) {}
  prometheus::Gauge* gauge_ = nullptr;
};

// Samples that are gathered without any lock, to be merged into a Histogram now and then: some
// nanoseconds a sample.
class Tally {
 public:
  // `value` in the raw unit of the instrument: nanoseconds, events, bytes. Negative counts as 0.
  void Add(int64_t value) {
    const uint64_t positive = value > 0 ? static_cast<uint64_t>(value) : 0;
    // The number of the smallest power of two that is not below it.
    const int power = positive < 2 ? 0 : std::bit_width(positive - 1);
    ++counts_[static_cast<size_t>(power)];
    sum_ += static_cast<double>(positive);
    ++samples_;
  }
  bool empty() const { return samples_ == 0; }

 private:
  friend class Histogram;
  std::array<uint32_t, 65> counts_{};
  uint64_t samples_ = 0;
  double sum_ = 0;
};

class Histogram {
 public:
  Histogram() = default;
  // Adds what `tally` has and empties it.
  void Merge(Tally* tally);
  void Observe(int64_t value);

 private:
  friend class Registry;
  Histogram(prometheus::Histogram* histogram, const Instrument& instrument);
  prometheus::Histogram* histogram_ = nullptr;
  const Instrument* instrument_ = nullptr;
  std::vector<double> increments_;
};

struct Exposition {
  std::string content_type;
  std::string body;
};

class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // The series of these label values, in the order of the instrument's labels; made when it is not
  // there yet. REQUIRES (checked): the instrument is in the table, of this kind, with so many
  // labels. Handles live as long as the registry.
  Counter MakeCounter(const Instrument& instrument,
                      std::initializer_list<std::string_view> label_values = {});
  Gauge MakeGauge(const Instrument& instrument,
                  std::initializer_list<std::string_view> label_values = {});
  Histogram MakeHistogram(const Instrument& instrument,
                          std::initializer_list<std::string_view> label_values = {});

  // Called before each exposition, one at a time, to set what is only looked up when asked for.
  // Returns a ticket for StopRefreshing; after that the function is not called any more.
  uint64_t Refresh(std::function<void()> refresh);
  void StopRefreshing(uint64_t ticket);

  // The text of all series: OpenMetrics 1.0 where the Accept header of the request asks for it,
  // else Prometheus text 0.0.4.
  Exposition Expose(std::string_view accept);

 private:
  struct Families;
  const std::unique_ptr<Families> families_;
};

}  // namespace graven::metrics
