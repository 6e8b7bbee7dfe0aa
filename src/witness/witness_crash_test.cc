#include <map>
#include <random>

#include "base/encoding.h"
#include "base/sha256.h"
#include "fmt/format.h"
#include "gtest/gtest.h"
#include "io/simulated_file_system.h"
#include "note/note.h"
#include "witness/forked_log_test.h"
#include "witness/witness.h"

namespace graven::witness {
namespace {

constexpr uint64_t kCrashFork = 3;
constexpr uint64_t kCrashSizeMax = 40;

// What left the witness, whatever it remembers of it: must always be one history.
class History {
 public:
  void Add(int side, uint64_t size) {
    if (size <= kCrashFork) return;  // both histories have it
    if (side_ == -1) side_ = side;
    EXPECT_EQ(side, side_) << "two histories were cosigned";
    largest_ = std::max(largest_, size);
  }
  uint64_t largest() const { return largest_; }

 private:
  int side_ = -1;
  uint64_t largest_ = 0;
};

struct Totals {
  uint64_t crashes = 0;
  uint64_t faults = 0;
  uint64_t cosigned = 0;
  uint64_t forks_refused = 0;
};

// One dishonest log that shows both its histories to a witness whose machine fails.
class CrashRun {
 public:
  CrashRun(uint64_t seed, Totals* totals) : dice_(seed), fs_(seed), totals_(totals) {}

  void Go() {
    for (int crash = 0; crash < 8; ++crash) {
      fs_.AddFault(NextFault());
      Open();
      for (int request = 0; request < 6 && !fs_.crashed() && witness_ != nullptr; ++request) {
        Ask(static_cast<int>(dice_() % 2));
      }
      witness_.reset();
      fs_.ClearFaults();
      if (!fs_.crashed()) dice_() % 2 == 0 ? fs_.Crash() : fs_.Kill();
      fs_.Restart();
    }
    Open();
    ASSERT_NE(witness_, nullptr) << "without a fault it must open";
    EXPECT_GE(witness_->Logs()[0].second.value_or(0), history_.largest())
        << "a cosignature that left was forgotten";
    totals_->crashes += fs_.Counts().crashes + fs_.Counts().kills;
    totals_->faults += fs_.Counts().errors + fs_.Counts().errors_but_done +
                       fs_.Counts().partial_writes + fs_.Counts().disk_full;
  }

 private:
  io::Fault NextFault() {
    io::Fault fault;
    const uint64_t kind = dice_() % 8;
    fault.kind = kind == 0   ? io::FaultKind::kError
                 : kind == 1 ? io::FaultKind::kErrorButDone
                 : kind == 2 ? io::FaultKind::kPartialWrite
                 : kind == 3 ? io::FaultKind::kDiskFull
                             : io::FaultKind::kCrash;
    fault.nth = 1 + dice_() % 40;
    return fault;
  }

  void Open() {
    auto opened = Witness::Open(fs_, SystemClock(), SystemRandom(),
                                {"/w", "witness.example", {log_.key.verifier()}});
    witness_ = opened.ok() ? *std::move(opened) : nullptr;
    // A fault may hinder it, but never make it believe that its own state is damaged.
    EXPECT_NE(opened.status().code(), absl::StatusCode::kDataLoss) << opened.status();
    if (witness_ != nullptr) Look();
  }

  // The monitoring page says what was cosigned, too.
  void Look() {
    const auto shown = witness_->LastCosigned(hash_);
    if (!shown) return;
    const auto checkpoint = note::ParseCheckpoint(note::ParseNote(*shown)->text);
    ASSERT_TRUE(checkpoint.ok());
    const uint64_t size = checkpoint->size.value;
    const int side = checkpoint->root == log_.Root(0, size) ? 0 : 1;
    ASSERT_EQ(checkpoint->root, log_.Root(side, size));
    history_.Add(side, size);
  }

  void Ask(int side) {
    const uint64_t last = witness_->Logs()[0].second.value_or(0);
    const uint64_t size = std::min(kCrashSizeMax, last + dice_() % 4);
    const WitnessAnswer answer = witness_->AddCheckpointRequest(log_.Request(side, last, size));
    if (answer.status == 200) {
      history_.Add(side, size);
      ++totals_->cosigned;
    } else if (answer.status == 422) {
      ++totals_->forks_refused;
    }
  }

  std::mt19937_64 dice_;
  io::SimulatedFileSystem fs_;
  static const ForkedLog log_;
  static const std::string hash_;
  std::unique_ptr<Witness> witness_;
  History history_;
  Totals* totals_;
};

const ForkedLog CrashRun::log_("log.example/audit", kCrashFork, kCrashSizeMax);
const std::string CrashRun::hash_ = HexEncode(Sha256("log.example/audit"));

TEST(WitnessCrashTest, NoCrashMakesItCosignTwoHistories) {
  Totals totals;
  for (uint64_t seed = 1; seed <= 1000 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    CrashRun(seed, &totals).Go();
  }
  EXPECT_GT(totals.crashes, 7000);
  EXPECT_GT(totals.faults, 1000);
  EXPECT_GT(totals.cosigned, 5000);
  EXPECT_GT(totals.forks_refused, 2000);
}

}  // namespace
}  // namespace graven::witness
