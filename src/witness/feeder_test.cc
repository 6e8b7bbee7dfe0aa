#include "witness/feeder.h"

#include <set>

#include "base/encoding.h"
#include "base/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "io/simulated_file_system.h"
#include "note/note.h"
#include "witness/forked_log_test.h"
#include "witness/witness.h"

namespace graven::witness {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

constexpr uint64_t kFork = 5;
constexpr uint64_t kSizeMax = 64;

// One log of a server, as far as the feeder can see it.
class OneLog final : public FedLogs {
 public:
  bool optional = false;
  bool IsOptional(uint32_t) override { return optional; }
  std::vector<uint32_t> Numbers() override { return {1}; }
  note::VerifierKey Key(uint32_t) override { return log.key.verifier(); }
  TreeSize NewestSize(uint32_t) override { return TreeSize(size); }
  SignedState Newest(uint32_t) override {
    const uint64_t now = size;
    return {TreeSize(now), log.Checkpoint(0, now)};
  }
  absl::StatusOr<std::vector<Hash>> ConsistencyProof(uint32_t, TreeSize old_size,
                                                     TreeSize new_size) override {
    return log.Proof(0, old_size.value, new_size.value);
  }
  absl::StatusOr<Hash> RootAt(uint32_t, TreeSize at) override { return log.Root(0, at.value); }
  absl::Status AddCosigned(uint32_t, const std::string& note) override {
    std::lock_guard lock(mutex);
    served.push_back(note);
    return absl::OkStatus();
  }
  void StopSigning(const std::string& reason) override {
    std::lock_guard lock(mutex);
    stop_reason = reason;
  }
  void Report(bool alarm, const std::string& text) override {
    std::lock_guard lock(mutex);
    (alarm ? alarms : reports).push_back(text);
  }

  std::string Stopped() {
    std::lock_guard lock(mutex);
    return stop_reason;
  }
  std::vector<std::string> Served() {
    std::lock_guard lock(mutex);
    return served;
  }
  std::vector<std::string> Alarms() {
    std::lock_guard lock(mutex);
    return alarms;
  }

  const ForkedLog log{"log.example/audit", kFork, kSizeMax};
  std::atomic<uint64_t> size = 8;
  std::mutex mutex;
  std::vector<std::string> served;
  std::vector<std::string> alarms;
  std::vector<std::string> reports;
  std::string stop_reason;
};

// A witness behind a door that does not always let through.
struct TestWitness {
  enum Mode { kHonest, kDead, kHangs, kBareNumber, kGarbage, kOverloaded, kRestless, kStranger };

  explicit TestWitness(const std::string& witness_name, const note::VerifierKey& log_key)
      : name(witness_name) {
    witness = *Witness::Open(fs, SystemClock(), SystemRandom(), {"/w", name, {log_key}});
  }

  std::string name;
  io::SimulatedFileSystem fs{1};
  std::unique_ptr<Witness> witness;
  std::atomic<Mode> mode = kHonest;
  std::atomic<bool> shows = false;
  std::atomic<int> requests = 0;
};

class TestDoor final : public WitnessDoor {
 public:
  explicit TestDoor(std::vector<std::unique_ptr<TestWitness>>& witnesses) : witnesses_(witnesses) {}

  absl::StatusOr<http::FetchResponse> Fetch(const http::FetchRequest& request) override {
    TestWitness& to = *witnesses_[request.url[std::string("http://").size()] - 'a'];
    if (to.mode == TestWitness::kDead) return absl::UnavailableError("nobody listens");
    if (to.mode == TestWitness::kHangs) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return cancelled_; });
      return absl::CancelledError("cancelled");
    }
    http::FetchResponse response;
    response.status = 404;
    if (request.method == "GET") {
      const auto note = to.witness->LastCosigned(HexEncode(Sha256("log.example/audit")));
      if (to.shows && note) response = {200, {}, *note};
      return response;
    }
    ++to.requests;
    const int count = to.requests;
    switch (to.mode) {
      case TestWitness::kBareNumber:
        return http::FetchResponse{409, {{"Content-Type", "text/x.tlog.size"}}, "99999\n"};
      case TestWitness::kRestless:
        return http::FetchResponse{
            409, {{"Content-Type", "text/x.tlog.size"}}, fmt::format("{}\n", 1 + count % 2)};
      case TestWitness::kGarbage:
        return http::FetchResponse{200, {}, "\xe2\x80\x94 b.example AAAAAAAA\n"};
      case TestWitness::kStranger:
        return response;  // 404: it does not know the log
      case TestWitness::kOverloaded:
        return http::FetchResponse{429, {{"Retry-After", "100"}}, "later\n"};
      default:
        break;
    }
    const WitnessAnswer answer = to.witness->AddCheckpointRequest(request.body);
    return http::FetchResponse{answer.status, {{"Content-Type", answer.content_type}}, answer.body};
  }
  void Cancel() override {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    changed_.notify_all();
  }

 private:
  std::vector<std::unique_ptr<TestWitness>>& witnesses_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool cancelled_ = false;
};

class FeederTest : public testing::Test {
 protected:
  FeederTest() {
    for (const char* name : {"a.example", "b.example", "c.example"}) {
      witnesses_.push_back(std::make_unique<TestWitness>(name, logs_.log.key.verifier()));
    }
    pace_.round_ns = 2'000'000;
    pace_.backoff_first_ns = 5'000'000;
    pace_.start_ns = 50'000'000;
  }

  note::Policy Policy(const std::string& quorum = "2") const {
    std::string text;
    for (size_t i = 0; i < witnesses_.size(); ++i) {
      text += fmt::format("witness w{} {} http://{}/\n", i, witnesses_[i]->witness->key().Format(),
                          witnesses_[i]->name);
    }
    return *note::Policy::Parse(text + "group g " + quorum + " w0 w1 w2\nquorum g\n");
  }

  void Make(const std::string& quorum = "2") {
    feeder_ = std::make_unique<Feeder>(logs_, SystemClock(), Policy(quorum), pace_,
                                       [this] { return std::make_unique<TestDoor>(witnesses_); });
  }

  void Start(const std::string& quorum = "2") {
    Make(quorum);
    feeder_->Start();
  }

  template <typename Condition>
  bool Eventually(Condition condition) {
    for (int i = 0; i < 20'000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }

  // The size and the number of witnesses of the newest that is served.
  std::pair<uint64_t, size_t> Newest(const std::string& quorum = "2") {
    const std::vector<std::string> served = logs_.Served();
    if (served.empty()) return {UINT64_MAX, 0};
    const auto opened =
        note::OpenCosigned(served.back(), std::span(&logs_.log.key.verifier(), 1), Policy(quorum));
    EXPECT_TRUE(opened.ok()) << opened.status();
    EXPECT_TRUE(opened->meets_quorum);
    return {opened->checkpoint.size.value, opened->cosigners.size()};
  }

  OneLog logs_;
  std::vector<std::unique_ptr<TestWitness>> witnesses_;
  FeederPace pace_;
  std::unique_ptr<Feeder> feeder_;
};

TEST_F(FeederTest, EveryCosignatureIsMergedAndGrowthFollowed) {
  Start();
  ASSERT_TRUE(Eventually([&] { return Newest() == std::pair<uint64_t, size_t>(8, 3); }));
  for (const uint64_t size : {9, 20, 64}) {
    logs_.size = size;
    feeder_->Notify();
    ASSERT_TRUE(Eventually([&] { return Newest() == std::pair(size, size_t{3}); })) << size;
  }
  EXPECT_TRUE(logs_.Alarms().empty());
}

TEST_F(FeederTest, DeadOrHangingWitnessDoesNotHoldUpTheQuorum) {
  witnesses_[0]->mode = TestWitness::kDead;
  Start();
  ASSERT_TRUE(Eventually([&] { return Newest().first == 8; }));
  witnesses_[0]->mode = TestWitness::kHangs;
  logs_.size = 9;
  ASSERT_TRUE(Eventually([&] { return Newest().first == 9; }));
  logs_.size = 10;
  ASSERT_TRUE(Eventually([&] { return Newest().first == 10; }));
  EXPECT_EQ(Newest().second, 2);
  EXPECT_EQ(logs_.Stopped(), "");
  feeder_->Stop();
}

TEST_F(FeederTest, WithoutAQuorumNothingIsServedUntilTheWitnessIsBack) {
  witnesses_[1]->mode = TestWitness::kDead;
  Start("all");
  ASSERT_TRUE(Eventually([&] { return witnesses_[0]->requests > 0; }));
  logs_.size = 12;
  ASSERT_TRUE(Eventually([&] { return witnesses_[0]->witness->Logs()[0].second == 12; }));
  EXPECT_TRUE(logs_.Served().empty());
  witnesses_[1]->mode = TestWitness::kHonest;
  EXPECT_TRUE(Eventually([&] { return Newest("all") == std::pair<uint64_t, size_t>(12, 3); }));
}

TEST_F(FeederTest, SizeThatTheWitnessKnowsIsTakenFromTheConflict) {
  ASSERT_EQ(witnesses_[0]->witness->AddCheckpointRequest(logs_.log.Request(0, 0, 6)).status, 200);
  Start("all");
  ASSERT_TRUE(Eventually([&] { return Newest("all").first == 8; }));
  feeder_->Stop();
  EXPECT_EQ(witnesses_[0]->requests, 2);
  EXPECT_EQ(witnesses_[0]->witness->counters().conflicts, 1);
  EXPECT_EQ(witnesses_[1]->requests, 1);
}

TEST_F(FeederTest, UnchangedCheckpointIsResubmitted) {
  pace_.refresh_ns = 20'000'000;
  Start();
  ASSERT_TRUE(Eventually([&] { return witnesses_[0]->witness->counters().cosigned >= 4; }));
  EXPECT_EQ(Newest().first, 8);
}

TEST_F(FeederTest, LargerCheckpointThatIsShownStopsTheSigning) {
  ASSERT_EQ(witnesses_[2]->witness->AddCheckpointRequest(logs_.log.Request(0, 0, 20)).status, 200);
  witnesses_[2]->shows = true;
  Make();
  feeder_->LookBeforeSigning();
  EXPECT_THAT(logs_.Stopped(), HasSubstr("witness w2"));
  EXPECT_THAT(logs_.Stopped(), HasSubstr("of 20 records, and only 8 were signed"));
}

TEST_F(FeederTest, CheckpointOfAnotherTreeThatIsShownStopsTheSigning) {
  // Smaller than ours, signed by us, and not a prefix.
  ASSERT_EQ(witnesses_[2]->witness->AddCheckpointRequest(logs_.log.Request(1, 0, 7)).status, 200);
  witnesses_[2]->shows = true;
  Make();
  feeder_->LookBeforeSigning();
  EXPECT_THAT(logs_.Stopped(), HasSubstr("of 7 records with another root"));
}

TEST_F(FeederTest, LargerCheckpointIsFoundByAConflictWhileRunningToo) {
  Start();
  ASSERT_TRUE(Eventually([&] { return Newest() == std::pair<uint64_t, size_t>(8, 3); }));
  ASSERT_EQ(witnesses_[1]->witness->AddCheckpointRequest(logs_.log.Request(0, 8, 30)).status, 200);
  witnesses_[1]->shows = true;
  logs_.size = 9;
  EXPECT_TRUE(Eventually([&] { return logs_.Stopped() != ""; }));
  EXPECT_THAT(logs_.Stopped(), HasSubstr("of 30 records"));
}

TEST_F(FeederTest, BareNumberAlarmsAndSetsAsideAndStopsNothing) {
  witnesses_[0]->mode = TestWitness::kBareNumber;
  Make();
  feeder_->LookBeforeSigning();
  feeder_->Start();
  for (const uint64_t size : {9, 10, 11}) {
    logs_.size = size;
    ASSERT_TRUE(Eventually([&] { return Newest() == std::pair(size, size_t{2}); }));
  }
  EXPECT_EQ(logs_.Stopped(), "");
  EXPECT_EQ(witnesses_[0]->requests, 1) << "it was not set aside";
  EXPECT_THAT(logs_.Alarms(), Contains(HasSubstr("99999 records, and 8 are signed here")));
}

TEST_F(FeederTest, CheckpointWithAnotherKeysSignatureProvesNothing) {
  const ForkedLog impostor("log.example/audit", kFork, kSizeMax);
  witnesses_[0] = std::make_unique<TestWitness>("a.example", impostor.key.verifier());
  ASSERT_EQ(witnesses_[0]->witness->AddCheckpointRequest(impostor.Request(0, 0, 40)).status, 200);
  witnesses_[0]->shows = true;
  Make();
  feeder_->LookBeforeSigning();
  EXPECT_EQ(logs_.Stopped(), "");
}

TEST_F(FeederTest, SignatureThatDoesNotVerifyIsNotMerged) {
  witnesses_[1]->mode = TestWitness::kGarbage;
  Start();
  ASSERT_TRUE(Eventually([&] { return Newest().first == 8; }));
  feeder_->Stop();
  EXPECT_EQ(Newest().second, 2);
  EXPECT_EQ(witnesses_[1]->requests, 1);
  EXPECT_THAT(logs_.Alarms(), Contains(HasSubstr("without a valid signature")));
}

TEST_F(FeederTest, WitnessThatNamesAnotherSizeEachTimeIsSetAside) {
  witnesses_[1]->mode = TestWitness::kRestless;
  Start();
  ASSERT_TRUE(Eventually([&] { return logs_.Alarms().size() == 1; }));
  feeder_->Stop();
  EXPECT_EQ(witnesses_[1]->requests, 3);
}

TEST_F(FeederTest, OverloadedWitnessIsLeftAloneForAsLongAsItAsks) {
  witnesses_[1]->mode = TestWitness::kOverloaded;
  Start();
  for (const uint64_t size : {9, 10, 11}) {
    logs_.size = size;
    ASSERT_TRUE(Eventually([&] { return Newest().first == size; }));
  }
  EXPECT_EQ(witnesses_[1]->requests, 1);
  EXPECT_TRUE(logs_.Alarms().empty());
}

TEST_F(FeederTest, HangingWitnessDelaysTheFirstSignatureByItsTimeOnly) {
  witnesses_[0]->mode = TestWitness::kHangs;
  Make();
  feeder_->LookBeforeSigning();  // ends
  EXPECT_EQ(logs_.Stopped(), "");
  EXPECT_EQ(Newest(), (std::pair<uint64_t, size_t>(8, 2)));
  EXPECT_THAT(logs_.reports, Contains(HasSubstr("1 of 3 witnesses did not answer in time")));
  // Who was slow is looked at before his first submission.
  ASSERT_EQ(witnesses_[0]->witness->AddCheckpointRequest(logs_.log.Request(0, 0, 20)).status, 200);
  witnesses_[0]->shows = true;
  witnesses_[0]->mode = TestWitness::kHonest;
  feeder_->Start();
  EXPECT_TRUE(Eventually([&] { return logs_.Stopped() != ""; }));
}

TEST_F(FeederTest, LogThatAWitnessNeedNotKnowIsNoFailureOfTheWitness) {
  for (const bool optional : {false, true}) {
    logs_.optional = optional;
    witnesses_[0]->mode = TestWitness::kStranger;
    Start();
    ASSERT_TRUE(Eventually([&] { return feeder_->states()[0].answers[Verdict::kRefused] > 0; }));
    EXPECT_EQ(feeder_->states()[0].cosigned, 0u);
    EXPECT_EQ(feeder_->states()[0].failing, optional ? 0u : 1u);
    EXPECT_EQ(logs_.Alarms().size(), 1u);  // of the first time
    feeder_->Stop();
  }
}

TEST_F(FeederTest, WitnessWithoutAUrlIsReportedAndNotAsked) {
  const note::Policy policy = *note::Policy::Parse(
      fmt::format("witness quiet {}\nquorum quiet\n", witnesses_[0]->witness->key().Format()));
  Feeder feeder(logs_, SystemClock(), policy, pace_);
  EXPECT_TRUE(feeder.states().empty());
  EXPECT_THAT(logs_.Alarms(), Contains(HasSubstr("no URL")));
}

}  // namespace
}  // namespace graven::witness
