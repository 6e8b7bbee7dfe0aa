#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/random.h"
#include "fmt/format.h"
#include "io/simulated_file_system.h"

// What a simulated run stands in: chance, time, a disk, and a pen that writes down what happens.
// All of it is a function of the seed. One thread.
namespace graven::crash {

// The seed of the run that is under way, for whoever has to say which one it was.
extern uint64_t g_seed_under_way;

// The ledger broke a promise: says which, and in which run, and ends the process at once (with 1):
// the objects of a run that went wrong are in no state to be destroyed.
[[noreturn]] void ReportViolation(const std::string& what);

template <typename... Args>
[[noreturn]] void Fail(fmt::format_string<Args...> format, Args&&... args) {
  ReportViolation(fmt::format(format, std::forward<Args>(args)...));
}

#define CRASH_EXPECT(condition, ...)                      \
  do {                                                    \
    if (!(condition)) ::graven::crash::Fail(__VA_ARGS__); \
  } while (false)

// SplitMix64: small, fast, and the same everywhere.
class Choices {
 public:
  explicit Choices(uint64_t seed) : state_(seed) {}

  uint64_t Next();
  // 0 to n - 1. REQUIRES: n > 0.
  uint64_t Below(uint64_t n) { return Next() % n; }
  uint64_t Between(uint64_t low, uint64_t high) { return low + Below(high - low + 1); }
  bool Percent(uint64_t percent) { return Below(100) < percent; }

 private:
  uint64_t state_;
};

// A wall clock that moves a little at each look, and that the run sets back now and then.
class SimulatedClock final : public Clock {
 public:
  explicit SimulatedClock(uint64_t seed) : choices_(seed) {}

  int64_t WallNs() override;
  int64_t SteadyNs() override { return steady_ns_ += 1000; }
  void Jump(int64_t ns) { wall_ns_ += ns; }
  // Time goes by.
  void Pass(int64_t ns) {
    wall_ns_ += ns;
    steady_ns_ += ns;
  }

 private:
  Choices choices_;
  int64_t wall_ns_ = 1'700'000'000'000'000'000;
  int64_t steady_ns_ = 1'000'000'000;
};

class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : choices_(seed) {}
  void Fill(std::span<uint8_t> out) override;

 private:
  Choices choices_;
};

// Writes the story of one run to standard output, or nothing.
class Story {
 public:
  explicit Story(bool told) : told_(told) {}

  bool told() const { return told_; }
  // Every operation of the disk ends up in here, so that two runs of one seed can be compared.
  void Trace(const std::string& line);
  uint64_t fingerprint() const { return fingerprint_; }
  template <typename... Args>
  void Tell(fmt::format_string<Args...> format, Args&&... args) const {
    if (told_)
      std::fputs((fmt::format(format, std::forward<Args>(args)...) + "\n").c_str(), stdout);
  }

 private:
  bool told_;
  uint64_t fingerprint_ = 14695981039346656037u;
};

// What happened in a run that is worth counting: a kind that never comes is a hole in the
// simulation.
enum class Kind {
  kRequest,
  kManyEvents,
  kAssignedId,
  kDuplicate,
  kDuplicateInRequest,
  kDuplicateOtherBytes,
  kBeyondWindow,
  kConflict,
  kRightPrecondition,
  kStalePrecondition,
  kRetryFoundStored,
  kRetryFoundLost,
  kBatchOfManyLogs,
  kAppliedAgain,
  kRefusedNoRoom,
  kRefusedStopped,
  kPublish,
  kPrepareJournal,
  kSeal,
  kSealInHaste,
  kProvisionalSegment,
  kFinalSegment,
  kCreateLog,
  kCreateLogUnknown,
  kTailRead,
  kReceipt,
  kProof,
  kClockBack,
  kDiskFull,
  kDiskFullStopped,
  kInterleaved,
  kCleanStop,
  kProcessKilled,
  kRestartAfterError,
  kPowerLossBetween,
  kPowerLossInside,
  kPowerLossInOpen,
  kErrorInOpen,
  kUnknownStored,
  kUnknownLost,
  kTornEndCut,
  kFlipFound,
  kFlipHarmless,
  kCount,
};

const char* KindName(Kind kind);

struct Tally {
  uint64_t kinds[static_cast<size_t>(Kind::kCount)] = {};
  io::FaultCounts faults;
  uint64_t runs = 0;
  uint64_t points = 0;  // crashes and kills

  void Add(Kind kind) { ++kinds[static_cast<size_t>(kind)]; }
  void AddFaults(const io::FaultCounts& counts);
};

// The names of kinds and faults that never came.
std::string Missing(const Tally& tally);
// All of them with their numbers, for people.
std::string Describe(const Tally& tally);

struct World {
  // `told`: the story is printed. `traced`: it is fingerprinted.
  World(uint64_t seed_of_run, Tally& tally_of_all, bool told, bool traced);

  const uint64_t seed;
  Choices choices;
  SimulatedClock clock;
  SeededRandom random;
  io::SimulatedFileSystem disk;
  Story story;
  Tally& tally;
};

}  // namespace graven::crash
