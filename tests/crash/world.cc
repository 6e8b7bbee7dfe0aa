#include "world.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <vector>

namespace graven::crash {
namespace {

constexpr const char* kKindNames[] = {
    "requests",
    "requests of many events",
    "ids assigned by the server",
    "duplicates",
    "duplicates within a request",
    "duplicates in other bytes",
    "ids beyond the window",
    "conflicts",
    "right preconditions",
    "stale preconditions",
    "retries that found the event",
    "retries that did not",
    "batches of many logs",
    "applied again before the sync",
    "refusals for want of room",
    "refusals after a failure",
    "publications",
    "journal files asked for",
    "pieces sealed",
    "pieces sealed in haste",
    "provisional segments",
    "final segments",
    "logs created",
    "creations of unknown outcome",
    "reads by the tailer",
    "receipts",
    "proofs",
    "clocks set back",
    "full disks",
    "full disks noticed",
    "steps within a step",
    "clean stops",
    "processes killed",
    "restarts after an error",
    "power losses between steps",
    "power losses within a step",
    "power losses while opening",
    "errors while opening",
    "unknown outcomes: stored",
    "unknown outcomes: lost",
    "torn ends cut",
    "flipped bits found",
    "flipped bits that did no harm",
};
static_assert(std::size(kKindNames) == static_cast<size_t>(Kind::kCount));

struct NamedFault {
  const char* name;
  uint64_t io::FaultCounts::*count;
};
constexpr NamedFault kFaults[] = {
    {"fault: error", &io::FaultCounts::errors},
    {"fault: error, but done", &io::FaultCounts::errors_but_done},
    {"fault: partial write", &io::FaultCounts::partial_writes},
    {"fault: disk full", &io::FaultCounts::disk_full},
    {"fault: crash", &io::FaultCounts::crashes},
    {"fault: kill", &io::FaultCounts::kills},
    {"fault: bit flip", &io::FaultCounts::bit_flips},
    {"crash: sectors kept", &io::FaultCounts::sectors_kept},
    {"crash: sectors lost", &io::FaultCounts::sectors_lost},
    {"crash: files torn", &io::FaultCounts::files_torn},
    {"crash: sizes kept", &io::FaultCounts::sizes_kept},
    {"crash: sizes lost", &io::FaultCounts::sizes_lost},
    {"crash: sizes torn", &io::FaultCounts::sizes_torn},
    {"crash: entries kept", &io::FaultCounts::entries_kept},
    {"crash: entries lost", &io::FaultCounts::entries_lost},
    {"crash: early writebacks", &io::FaultCounts::early_writebacks},
    {"written ahead", &io::FaultCounts::writebacks_asked},
    {"failed sync: sectors kept", &io::FaultCounts::sync_sectors_kept},
    {"failed sync: sectors lost", &io::FaultCounts::sync_sectors_lost},
};

}  // namespace

uint64_t g_seed_under_way = 0;

void ReportViolation(const std::string& what) {
  std::fflush(stdout);
  std::fprintf(stderr, "seed %llu: %s\n  replay it: ./dev crash --seed %llu\n",
               static_cast<unsigned long long>(g_seed_under_way), what.c_str(),
               static_cast<unsigned long long>(g_seed_under_way));
  std::_Exit(1);
}

uint64_t Choices::Next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

int64_t SimulatedClock::WallNs() {
  wall_ns_ += static_cast<int64_t>(choices_.Below(3)) * 1000;  // often stands still
  return wall_ns_;
}

void SeededRandom::Fill(std::span<uint8_t> out) {
  while (!out.empty()) {
    const uint64_t word = choices_.Next();
    const size_t n = std::min(out.size(), sizeof word);
    std::memcpy(out.data(), &word, n);
    out = out.subspan(n);
  }
}

const char* KindName(Kind kind) { return kKindNames[static_cast<size_t>(kind)]; }

void Tally::AddFaults(const io::FaultCounts& counts) {
  for (const NamedFault& fault : kFaults) faults.*fault.count += counts.*fault.count;
}

std::string Missing(const Tally& tally) {
  std::string missing;
  for (size_t i = 0; i < std::size(kKindNames); ++i) {
    if (tally.kinds[i] == 0) missing += fmt::format("  {}\n", kKindNames[i]);
  }
  for (const NamedFault& fault : kFaults) {
    if (tally.faults.*fault.count == 0) missing += fmt::format("  {}\n", fault.name);
  }
  return missing;
}

std::string Describe(const Tally& tally) {
  std::string text;
  for (size_t i = 0; i < std::size(kKindNames); ++i) {
    text += fmt::format("{:>12}  {}\n", tally.kinds[i], kKindNames[i]);
  }
  for (const NamedFault& fault : kFaults) {
    text += fmt::format("{:>12}  {}\n", tally.faults.*fault.count, fault.name);
  }
  return text;
}

void Story::Trace(const std::string& line) {
  for (const char c : line)
    fingerprint_ = (fingerprint_ ^ static_cast<uint8_t>(c)) * 1099511628211u;
  Tell("      {}", line);
}

World::World(uint64_t seed_of_run, Tally& tally_of_all, bool told, bool traced)
    : seed(seed_of_run),
      choices(seed_of_run * 4 + 1),
      clock(seed_of_run * 4 + 2),
      random(seed_of_run * 4 + 3),
      disk(seed_of_run * 4 + 4),
      story(told),
      tally(tally_of_all) {
  if (told || traced) {
    disk.SetTrace([this](const std::string& line) { story.Trace(line); });
  }
}

}  // namespace graven::crash
