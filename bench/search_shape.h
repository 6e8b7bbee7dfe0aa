// The records that search is measured with, and how.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "graven/v1/event.pb.h"

namespace graven::bench {

inline constexpr int64_t kYearNs = int64_t{365} * 86'400 * 1'000'000'000;
inline constexpr int64_t kStartNs = 1'735'689'600'000'000'000;  // 2025-01-01
inline constexpr uint64_t kActors = 100'000;
inline constexpr uint64_t kActions = 200;
inline constexpr uint64_t kResources = 1'000'000;
inline constexpr uint64_t kVocabulary = 20'000;
inline constexpr int kWordsPerRecord = 8;

// 100,000 actors, 200 actions, 1,000,000 resources, 8 of 20,000 words, all skewed (the k-th of n
// comes as k = n * u^3); a trace for three records; 12 months.
class Shape {
 public:
  explicit Shape(uint64_t records) : records_(records) {}

  struct Fields {
    std::string actor, action, resource, trace, words, outcome;
    int64_t time_ns = 0;
  };

  Fields Make(uint64_t index) {
    random_.seed(index);
    Fields fields;
    fields.actor = fmt::format("user-{}", Skewed(kActors));
    fields.action = fmt::format("service{}.verb{}", Skewed(20), Skewed(kActions / 20));
    fields.resource = fmt::format("r{}", Skewed(kResources));
    std::mt19937_64 trace(index / 3);
    fields.trace = fmt::format("{:016x}{:016x}", trace(), trace());
    for (int i = 0; i < kWordsPerRecord; ++i) {
      if (i > 0) fields.words += ' ';
      fields.words += fmt::format("w{}", Skewed(kVocabulary));
    }
    const uint64_t outcome = random_() % 20;
    fields.outcome = outcome == 0 ? "denied" : outcome == 1 ? "failure" : "success";
    fields.time_ns =
        kStartNs + static_cast<int64_t>(static_cast<double>(kYearNs) * static_cast<double>(index) /
                                        static_cast<double>(records_));
    return fields;
  }

  // A graven.v1.Event; its id begins at the third byte and has kIdBytes.
  std::string Event(uint64_t index) { return EventOf(index, Make(index)); }

  static constexpr size_t kIdBytes = 21;
  static std::string Id(uint64_t index) { return fmt::format("01890000-{:012x}", index); }

 private:
  static std::string EventOf(uint64_t index, const Fields& fields) {
    v1::Event event;
    event.set_event_id(Id(index));
    event.mutable_actor()->set_id(fields.actor);
    event.set_action(fields.action);
    auto* target = event.add_targets();
    target->set_type("resource");
    target->set_id(fields.resource);
    event.mutable_occurred_at()->set_seconds(fields.time_ns / 1'000'000'000);
    event.set_outcome(fields.outcome == "denied"    ? v1::OUTCOME_DENIED
                      : fields.outcome == "failure" ? v1::OUTCOME_FAILURE
                                                    : v1::OUTCOME_SUCCESS);
    event.set_outcome_reason(fields.words);
    event.set_trace_id(fields.trace);
    return event.SerializeAsString();
  }

  uint64_t Skewed(uint64_t n) {
    const double u = static_cast<double>(random_() >> 11) * 0x1.0p-53;
    return static_cast<uint64_t>(static_cast<double>(n) * u * u * u);
  }

  const uint64_t records_;
  std::mt19937_64 random_;
};

// Of this thread: what others do to the machine does not count.
inline double Worked() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

inline double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline constexpr int kRounds = 21;

inline double MedianMs(const std::function<void(int)>& run) {
  std::vector<double> times;
  for (int i = 0; i < kRounds; ++i) {
    const double begin = Now();
    run(i);
    times.push_back((Now() - begin) * 1000);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

}  // namespace graven::bench
