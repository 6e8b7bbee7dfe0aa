#include "simulation.h"

#include <algorithm>
#include <iterator>

#include "base/status_text.h"
#include "judge.h"

namespace graven::crash {
namespace {

constexpr uint64_t kPointsPerRun = 10;
constexpr uint64_t kPointsPerLargeRun = 8;
// One run in so many is long enough for final segments; one in so many ends with a flipped bit.
constexpr uint64_t kLargeEvery = 40;
constexpr uint64_t kFlipEvery = 3;

uint64_t ErrorsOf(const io::FaultCounts& counts) {
  return counts.errors + counts.errors_but_done + counts.partial_writes + counts.disk_full;
}

}  // namespace

Simulation::Simulation(uint64_t seed, Tally& tally, bool told, bool traced)
    : world_(seed, tally, told, traced),
      setup_(world_.choices, seed % kLargeEvery == 7),
      writers_(world_, setup_.writers),
      server_(world_, model_, writers_, setup_) {}

uint64_t Simulation::Points() const {
  const io::FaultCounts counts = world_.disk.Counts();
  return counts.crashes + counts.kills;
}

void Simulation::Run() {
  CRASH_EXPECT(world_.disk.MakeDirectory(kGuardFolder).ok() && world_.disk.SyncDirectory("/").ok(),
               "no folder for the guard");
  Reopen();
  if (setup_.large) server_.FillRange();
  const uint64_t points = setup_.large ? kPointsPerLargeRun : kPointsPerRun;
  while (Points() < points) {
    Live();
    EndLife();
    Reopen();
  }
  Last();
  if (world_.seed % kFlipEvery == 0) {
    LiveUntilFlip();
    const Flip flip = PickFlip();
    world_.story.Tell("== one bit of {} turns, at byte {}", flip.path, flip.bit / 8);
    absl::Status flipped = world_.disk.FlipBit(flip.path, flip.bit);
    CRASH_EXPECT(flipped.ok(), "no bit to turn: {}", MessageOf(flipped));
    JudgeFlipped(flip);
  }
  server_.Discard();
  world_.tally.AddFaults(world_.disk.Counts());
  world_.tally.points += Points();
  ++world_.tally.runs;
}

// --- from one life to the next
// -------------------------------------------------------------------------

bool Simulation::TryOpen() {
  Choices& choices = world_.choices;
  io::SimulatedFileSystem& disk = world_.disk;
  disk.ClearFaults();
  if (disk.crashed()) disk.Restart();
  if (choices.Percent(85)) disk.SetCapacity(std::nullopt);
  const uint64_t dice = choices.Below(100);
  if (dice < 18) {
    disk.AddFault({.kind = io::FaultKind::kCrash, .nth = choices.Between(1, 30)});
  } else if (dice < 28) {
    const io::FaultKind kinds[] = {io::FaultKind::kError, io::FaultKind::kErrorButDone};
    disk.AddFault({.kind = kinds[choices.Below(2)], .nth = choices.Between(1, 30)});
  }
  const uint64_t errors_before = ErrorsOf(disk.Counts());
  absl::Status opened = server_.Open();
  disk.ClearFaults();
  world_.story.Tell("open: {}", opened.ok() ? "ok" : MessageOf(opened));
  if (opened.ok() && !disk.crashed()) return true;
  if (disk.crashed()) {
    if (server_.is_open()) server_.Die();
    stopped_cleanly_ = false;
    world_.tally.Add(Kind::kPowerLossInOpen);
    return false;
  }
  CRASH_EXPECT(ErrorsOf(disk.Counts()) > errors_before || absl::IsResourceExhausted(opened),
               "the folder cannot be opened: {}", MessageOf(opened));
  stopped_cleanly_ = false;
  disk.SetCapacity(std::nullopt);
  world_.tally.Add(Kind::kErrorInOpen);
  return false;
}

void Simulation::AdoptDefaultLog() {
  if (model_.logs.contains("default")) return;
  CRASH_EXPECT(first_open_, "the log default is gone");
  ledger::LogRef ref = server_.ledger().FindLog("default");
  CRASH_EXPECT(bool(ref), "a new folder has no log default");
  const ledger::LogInfo info = server_.ledger().Info(ref);
  auto log = std::make_unique<LogModel>(info.name, info.origin, info.duplicate_window);
  log->acknowledged = true;
  log->vkey = info.vkey;
  log->number = ref.number();
  model_.logs.emplace("default", std::move(log));
  first_open_ = false;
}

void Simulation::Reopen() {
  world_.story.Tell("== opened again, {} points", Points());
  int tries = 0;
  while (!TryOpen()) CRASH_EXPECT(++tries < 100, "the folder cannot be opened");
  world_.disk.SetCapacity(std::nullopt);
  const std::string report = server_.ledger().status().recovery_report;
  if (report.find("cut") != std::string::npos) world_.tally.Add(Kind::kTornEndCut);
  CRASH_EXPECT(!stopped_cleanly_ || report.empty(),
               "after a clean stop there was something to recover: {}", report);
  stopped_cleanly_ = false;
  AdoptDefaultLog();
  JudgeReopened(world_, server_.ledger(), model_, false);
}

void Simulation::ArmFaults() {
  Choices& choices = world_.choices;
  io::Fault fault;
  const uint64_t dice = choices.Below(100);
  if (dice < 50) {
    fault.kind = io::FaultKind::kCrash;
    fault.nth = choices.Between(1, choices.Percent(50) ? 20 : 120);
    world_.disk.AddFault(fault);
  }
  if (dice < 40 || dice >= 70) return;
  const io::FaultKind kinds[] = {io::FaultKind::kError, io::FaultKind::kErrorButDone,
                                 io::FaultKind::kPartialWrite, io::FaultKind::kDiskFull};
  fault.kind = kinds[choices.Below(4)];
  fault.nth = choices.Between(1, 30);
  const std::optional<io::Operation> operations[] = {
      std::nullopt, io::Operation::kSync, io::Operation::kWrite, io::Operation::kSyncDirectory,
      io::Operation::kRename};
  // Most often those that the others depend on: a failed sync is the one that is easily believed.
  fault.operation = operations[choices.Percent(40) ? 1 : choices.Below(5)];
  if (fault.operation && fault.operation != io::Operation::kSync)
    fault.nth = choices.Between(1, 10);
  const char* parts[] = {"", "journal", "guard", "segments"};
  fault.path_part = parts[choices.Below(4)];
  world_.disk.AddFault(fault);
}

void Simulation::Live() {
  ArmFaults();
  const uint64_t steps = world_.choices.Between(3, world_.choices.Percent(30) ? 150 : 50);
  for (uint64_t i = 0; i < steps && !world_.disk.crashed(); ++i) {
    // After a failure it only says so: a few steps show that, then somebody restarts it.
    if (server_.stopped() && world_.choices.Percent(20)) break;
    server_.Step();
  }
}

void Simulation::EndLife() {
  Choices& choices = world_.choices;
  io::SimulatedFileSystem& disk = world_.disk;
  const bool was_stopped = server_.stopped();
  const uint64_t dice = choices.Below(100);
  if (disk.crashed()) {
    world_.story.Tell("== power was lost within a step");
    world_.tally.Add(Kind::kPowerLossInside);
    server_.Die();
  } else if (dice < 30) {
    world_.story.Tell("== power is lost between two steps");
    disk.Crash();
    world_.tally.Add(Kind::kPowerLossBetween);
    server_.Die();
  } else if (dice < 60) {
    world_.story.Tell("== the process is killed");
    disk.Kill();
    world_.tally.Add(Kind::kProcessKilled);
    server_.Die();
  } else {
    world_.story.Tell("== the server stops");
    const bool clean = server_.Close() && !was_stopped;
    if (was_stopped) world_.tally.Add(Kind::kRestartAfterError);
    if (disk.crashed()) {
      world_.tally.Add(Kind::kPowerLossInside);
    } else if (clean) {
      world_.tally.Add(Kind::kCleanStop);
      stopped_cleanly_ = true;
      if (choices.Percent(30)) disk.Crash();
    }
  }
}

// The end: everything has to go on, stop cleanly, and be there.
void Simulation::Last() {
  world_.story.Tell("== the last life");
  server_.ExpectProgress();
  if (setup_.large) CheckFinalSegment();
  for (auto& [name, log] : model_.logs) {
    auto segments = world_.disk.List(fmt::format("{}/logs/{}/segments", kFolder, name));
    CRASH_EXPECT(segments.ok(), "log {}: its folder of segments is gone", name);
    if (!setup_.large && !segments->empty()) world_.tally.Add(Kind::kProvisionalSegment);
  }
  const bool clean = server_.Close();
  CRASH_EXPECT(clean, "the server cannot stop cleanly on a good disk");
  world_.disk.Crash();
  world_.disk.Restart();
  absl::Status opened = server_.Open();
  CRASH_EXPECT(opened.ok(), "the folder cannot be opened after a clean stop: {}",
               MessageOf(opened));
  CRASH_EXPECT(server_.ledger().status().recovery_report.empty(),
               "after a clean stop there was something to recover: {}",
               server_.ledger().status().recovery_report);
  JudgeReopened(world_, server_.ledger(), model_, true);
}

void Simulation::CheckFinalSegment() {
  LogModel& log = *model_.logs.at("default");
  while (log.size() < 65'536) {
    server_.Submit(writers_.ComposeLarge(log, 500));
    server_.DrainWriters();
    server_.BackgroundStep();
  }
  while (true) {
    auto sealed = server_.ledger().Seal(false);
    CRASH_EXPECT(sealed.ok(), "nothing can be sealed: {}", MessageOf(sealed.status()));
    if (!*sealed) break;
  }
  auto names = world_.disk.List(fmt::format("{}/logs/default/segments", kFolder));
  const std::string final_name = fmt::format("{:020}-{:020}", 0, 65'536);
  CRASH_EXPECT(names.ok() && std::find(names->begin(), names->end(), final_name) != names->end(),
               "65,536 records and no final segment");
  world_.tally.Add(Kind::kFinalSegment);
}

}  // namespace graven::crash
