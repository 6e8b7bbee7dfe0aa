#include "monitor/log_monitor.h"

#include "base/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "io/durable_file.h"
#include "io/simulated_file_system.h"
#include "monitor/planted_log_test.h"

namespace graven::monitor {
namespace {

using absl::StatusCode;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using verify::EvidenceVerdict;

constexpr int64_t kPatienceNs = 60'000'000'000;

class LogMonitorTest : public testing::Test {
 protected:
  explicit LogMonitorTest(uint64_t count = 1000) : log_(count) { Start(); }

  // As a process that was ended and started again.
  void Start() {
    monitor_.reset();
    memory_.reset();
    auto memory = Memory::Open(*fs_, "memory", log_.key.name());
    ASSERT_TRUE(memory.ok()) << memory.status();
    memory_ = *std::move(memory);
    monitor_ = std::make_unique<LogMonitor>(
        MonitorOptions(log_.key.verifier()), *memory_, log_, clock_,
        [this](const Finding& finding) { findings_.push_back(finding); });
  }

  void Look() { ASSERT_EQ(monitor_->Round(), absl::OkStatus()); }

  // The verdict of the file, as somebody else comes to it.
  verify::JudgedEvidence Judge(const Finding& finding) {
    const auto text = io::ReadWholeFile(*fs_, finding.evidence, verify::kEvidenceBytesMax);
    EXPECT_TRUE(text.ok()) << text.status();
    if (!text.ok()) return {};
    const auto evidence = verify::ParseEvidence(*text);
    EXPECT_TRUE(evidence.ok()) << evidence.status();
    return verify::JudgeEvidence(*evidence, log_.key.verifier());
  }

  void ExpectOne(FindingKind kind, EvidenceVerdict verdict) {
    ASSERT_THAT(findings_, SizeIs(1));
    EXPECT_EQ(KindName(findings_[0].kind), KindName(kind)) << findings_[0].message;
    EXPECT_EQ(findings_[0].verdict, verdict) << findings_[0].message;
    EXPECT_EQ(Judge(findings_[0]).verdict, verdict);
  }

  std::unique_ptr<io::SimulatedFileSystem> fs_ = std::make_unique<io::SimulatedFileSystem>(1);
  HandClock clock_;
  PlantedLog log_;
  std::unique_ptr<Memory> memory_;
  std::unique_ptr<LogMonitor> monitor_;
  std::vector<Finding> findings_;
};

TEST_F(LogMonitorTest, LogInOrderIsFollowedAndReadOnce) {
  Look();
  for (int i = 0; i < 300; ++i) log_.history.Add("more");
  Look();
  Look();
  EXPECT_EQ(monitor_->size().value, 1300);
  EXPECT_EQ(log_.reads, 1300);
  EXPECT_THAT(findings_, IsEmpty());
  Start();
  Look();
  EXPECT_EQ(log_.reads, 1300);
  EXPECT_FALSE(monitor_->IsWaiting());
}

TEST_F(LogMonitorTest, EmptyLogIsInOrder) {
  log_.history = History(log_.key.name(), 0);
  Look();
  log_.history.Add("first");
  Look();
  EXPECT_EQ(monitor_->size().value, 1);
  EXPECT_THAT(findings_, IsEmpty());
}

// 512 among the sizes: there a consistency proof does not hold the old root.
TEST_F(LogMonitorTest, ForkIsProvenWhateverTheSizes) {
  for (const uint64_t seen : {1, 2, 511, 512, 513}) {
    for (const uint64_t now : {600, 1000}) {
      SCOPED_TRACE(fmt::format("{} of {}", seen, now));
      findings_.clear();
      monitor_.reset();
      memory_.reset();
      fs_ = std::make_unique<io::SimulatedFileSystem>(1);
      log_.history = History(log_.key.name(), seen);
      Start();
      Look();
      log_.history = History(log_.key.name(), now, seen - 1);
      Look();
      Look();
      ExpectOne(FindingKind::kFork, EvidenceVerdict::kForkProven);
      EXPECT_TRUE(Judge(findings_[0]).signed_by_log);
      EXPECT_EQ(monitor_->size().value, seen);
    }
  }
}

TEST_F(LogMonitorTest, ForkOfTheSameSizeIsProven) {
  Look();
  log_.history = History(log_.key.name(), 1000, 500);
  Look();
  ExpectOne(FindingKind::kFork, EvidenceVerdict::kForkProven);
}

TEST_F(LogMonitorTest, ForkAtASmallerSizeIsProven) {
  Look();
  log_.history = History(log_.key.name(), 700, 500);
  Look();
  ExpectOne(FindingKind::kFork, EvidenceVerdict::kForkProven);
}

TEST_F(LogMonitorTest, ForkIsStillProvenAfterARestart) {
  Look();
  Start();
  log_.history = History(log_.key.name(), 1200, 999);
  Look();
  ExpectOne(FindingKind::kFork, EvidenceVerdict::kForkProven);
}

TEST_F(LogMonitorTest, ForkWithoutProofsIsAtLeastWithheld) {
  Look();
  log_.history = History(log_.key.name(), 1200, 500);
  log_.no_proofs = true;
  Look();
  ExpectOne(FindingKind::kWithheld, EvidenceVerdict::kWithheld);
}

TEST_F(LogMonitorTest, CheckpointOfAnotherTreeHandedInProvesTheFork) {
  Look();
  const History other(log_.key.name(), 900, 100);
  EXPECT_EQ(monitor_->TakeCheckpoint(log_.Sign(other, 800)), absl::OkStatus());
  ExpectOne(FindingKind::kFork, EvidenceVerdict::kForkProven);
}

TEST_F(LogMonitorTest, LargerCheckpointHandedInIsComparedOnceTheLogShowsIt) {
  Look();
  const History other(log_.key.name(), 1500, 1200);
  EXPECT_EQ(monitor_->TakeCheckpoint(log_.Sign(other, 1400)), absl::OkStatus());
  EXPECT_TRUE(monitor_->IsWaiting());
  Start();
  EXPECT_THAT(findings_, IsEmpty());
  while (log_.history.records.size() < 1500) log_.history.Add("body");
  Look();
  ExpectOne(FindingKind::kFork, EvidenceVerdict::kForkProven);
}

TEST_F(LogMonitorTest, SignedAndNotShownInTimeIsWithheld) {
  Look();
  History longer = log_.history;
  for (int i = 0; i < 10; ++i) longer.Add("more");
  EXPECT_EQ(monitor_->TakeCheckpoint(log_.Sign(longer, 1010)), absl::OkStatus());
  Look();
  EXPECT_THAT(findings_, IsEmpty());
  EXPECT_TRUE(monitor_->IsWaiting());
  clock_.now_ns += kPatienceNs;
  Look();
  ExpectOne(FindingKind::kWithheld, EvidenceVerdict::kWithheld);
  EXPECT_FALSE(monitor_->IsWaiting());
}

TEST_F(LogMonitorTest, SignedAndShownInTimeIsNoFinding) {
  Look();
  History longer = log_.history;
  for (int i = 0; i < 10; ++i) longer.Add("more");
  EXPECT_EQ(monitor_->TakeCheckpoint(log_.Sign(longer, 1010)), absl::OkStatus());
  log_.history = longer;
  Look();
  clock_.now_ns += 2 * kPatienceNs;
  Look();
  EXPECT_THAT(findings_, IsEmpty());
}

TEST_F(LogMonitorTest, CheckpointOfAnotherKeySaysNothing) {
  SeededRandom random(99);
  const auto key = *note::SignerKey::Generate(log_.key.name(), note::KeyType::kEd25519, random);
  const auto note = *note::SignCheckpoint({key.name(), TreeSize(5), Sha256("x"), {}}, key);
  EXPECT_EQ(monitor_->TakeCheckpoint(note).code(), StatusCode::kUnauthenticated);
  EXPECT_EQ(monitor_->TakeCheckpoint("nonsense").code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(findings_, IsEmpty());
}

TEST_F(LogMonitorTest, RollbackIsWithheldAfterTheTimeForIt) {
  Look();
  log_.shown = 400;
  Look();
  EXPECT_THAT(findings_, IsEmpty());
  clock_.now_ns += kPatienceNs;
  Look();
  ExpectOne(FindingKind::kWithheld, EvidenceVerdict::kWithheld);
  EXPECT_THAT(findings_[0].message, HasSubstr("rolled back"));
}

TEST_F(LogMonitorTest, RollbackThatGrowsAnotherWayIsAFork) {
  Look();
  log_.history = History(log_.key.name(), 400);
  Look();
  EXPECT_THAT(findings_, IsEmpty());
  while (log_.history.records.size() < 401) log_.history.Add("other");
  Look();
  ExpectOne(FindingKind::kFork, EvidenceVerdict::kForkProven);
}

TEST_F(LogMonitorTest, OldStateForAShortTimeIsNoFinding) {
  Look();
  log_.shown = 400;
  Look();
  log_.shown.reset();
  Look();
  clock_.now_ns += 2 * kPatienceNs;
  log_.shown = 400;
  Look();
  EXPECT_THAT(findings_, IsEmpty());
}

TEST_F(LogMonitorTest, EveryFlippedRecordIsAWrongAnswer) {
  for (const uint64_t flipped : {0, 1, 255, 256, 998, 999}) {
    SCOPED_TRACE(flipped);
    findings_.clear();
    monitor_.reset();
    memory_.reset();
    fs_ = std::make_unique<io::SimulatedFileSystem>(1);
    Start();
    int fired = 0;
    log_.tamper = [&](uint64_t index, std::string& record) {
      if (index != flipped) return;
      record.back() ^= 1;
      ++fired;
    };
    Look();
    EXPECT_GT(fired, 0);
    ExpectOne(FindingKind::kRecord, EvidenceVerdict::kWrongAnswer);
    EXPECT_EQ(monitor_->size().value, 0);
  }
}

// Every link holds, since all that follows was made anew: only the signed root tells.
TEST_F(LogMonitorTest, HistoryMadeAnewIsAWrongAnswerAndItsFirstRecordIsNamed) {
  const History other(log_.key.name(), 1000, 437);
  log_.tamper = [&](uint64_t index, std::string& record) { record = other.records[index]; };
  Look();
  ExpectOne(FindingKind::kRecord, EvidenceVerdict::kWrongAnswer);
  ASSERT_TRUE(findings_[0].index.has_value());
  EXPECT_EQ(findings_[0].index->value, 437);
  // Once the log answers what it signed, it is followed again.
  log_.tamper = nullptr;
  clock_.now_ns += kPatienceNs;
  Look();
  EXPECT_EQ(monitor_->size().value, 1000);
}

TEST_F(LogMonitorTest, SignedRecordWithABrokenLinkIsProven) {
  log_.history.Add("body", Sha256("elsewhere"));
  log_.history.Add("body");
  Look();
  ExpectOne(FindingKind::kRecord, EvidenceVerdict::kWrongAnswer);
  EXPECT_TRUE(Judge(findings_[0]).signed_by_log);
  EXPECT_EQ(findings_[0].index->value, 1000);
}

TEST_F(LogMonitorTest, SignedRecordWithATimeThatRunsBackIsProven) {
  Look();
  log_.history.Add("body", std::nullopt, -5);
  Look();
  ExpectOne(FindingKind::kRecord, EvidenceVerdict::kWrongAnswer);
  EXPECT_TRUE(Judge(findings_[0]).signed_by_log);
}

TEST_F(LogMonitorTest, RecordsKeptBackAreWithheldAfterTheTimeForIt) {
  log_.kept_back_from = 600;
  Look();
  EXPECT_TRUE(monitor_->IsWaiting());
  EXPECT_THAT(findings_, IsEmpty());
  clock_.now_ns += kPatienceNs;
  Look();
  ExpectOne(FindingKind::kWithheld, EvidenceVerdict::kWithheld);
}

TEST_F(LogMonitorTest, CheckpointThatTheKeyDidNotSignIsAWrongAnswer) {
  log_.checkpoint = log_.Sign(log_.history, 1000);
  log_.checkpoint[20] ^= 1;
  Look();
  ExpectOne(FindingKind::kCheckpoint, EvidenceVerdict::kWrongAnswer);
}

TEST_F(LogMonitorTest, SilenceIsWithheldOnlyAfterTheTimeForIt) {
  Look();
  log_.way = absl::UnavailableError("gone");
  EXPECT_EQ(monitor_->Round().code(), StatusCode::kUnavailable);
  EXPECT_THAT(findings_, IsEmpty());
  clock_.now_ns += kPatienceNs;
  EXPECT_EQ(monitor_->Round().code(), StatusCode::kUnavailable);
  ExpectOne(FindingKind::kWithheld, EvidenceVerdict::kWithheld);
}

// What was claimed as seen before the crash still is, and a fork from it is proven.
TEST_F(LogMonitorTest, CrashAtAnyMomentLosesNoMemoryAndMakesNothingUp) {
  uint64_t crashes = 0;
  for (uint64_t nth = 1; nth <= 40; ++nth) {
    SCOPED_TRACE(nth);
    findings_.clear();
    monitor_.reset();
    memory_.reset();
    fs_ = std::make_unique<io::SimulatedFileSystem>(nth);
    log_.history = History(log_.key.name(), 300);
    Start();
    Look();
    History longer = log_.history;
    for (int i = 0; i < 700; ++i) longer.Add("more");
    ASSERT_EQ(monitor_->TakeCheckpoint(log_.Sign(longer, 1000)), absl::OkStatus());
    log_.history = longer;
    fs_->AddFault({.kind = io::FaultKind::kCrash, .nth = nth});
    const bool looked = monitor_->Round().ok();
    const uint64_t claimed = looked ? monitor_->size().value : 300;
    fs_->ClearFaults();
    crashes += fs_->Counts().crashes;
    if (fs_->crashed()) fs_->Restart();
    Start();
    EXPECT_GE(monitor_->size().value, claimed);
    Look();
    EXPECT_EQ(monitor_->size().value, 1000);
    EXPECT_THAT(findings_, IsEmpty());
    log_.history = History(log_.key.name(), 1100, 299);
    Look();
    ExpectOne(FindingKind::kFork, EvidenceVerdict::kForkProven);
  }
  EXPECT_GT(crashes, 15u);
}

TEST_F(LogMonitorTest, DamagedMemoryIsSaidAndIsNoFinding) {
  Look();
  monitor_.reset();
  memory_.reset();
  ASSERT_TRUE(fs_->FlipBit("memory/hashes-00", 999 * 32 * 8).ok());
  EXPECT_EQ(Memory::Open(*fs_, "memory", log_.key.name()).status().code(), StatusCode::kDataLoss);
  ASSERT_TRUE(fs_->FlipBit("memory/hashes-00", 999 * 32 * 8).ok());
  ASSERT_TRUE(fs_->FlipBit("memory/memory", 700).ok());
  EXPECT_EQ(Memory::Open(*fs_, "memory", log_.key.name()).status().code(), StatusCode::kDataLoss);
}

TEST_F(LogMonitorTest, TwoMonitorsCannotShareAMemory) {
  EXPECT_EQ(Memory::Open(*fs_, "memory", log_.key.name()).status().code(),
            StatusCode::kFailedPrecondition);
  monitor_.reset();
  memory_.reset();
  EXPECT_EQ(Memory::Open(*fs_, "memory", "example.com/other").status().code(),
            StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace graven::monitor
