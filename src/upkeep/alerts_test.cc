// Rules on a simulated disk: what is damaged does not hold them up, and what a crash forgets is not
// lost.
#include "upkeep/alerts.h"

#include <chrono>
#include <thread>

#include "engine/publication_hub.h"
#include "ledger/ledger_fixture_test.h"
#include "query/parser.h"

namespace graven::upkeep {
namespace {

using ledger::TestEvent;
using testing::HasSubstr;

class AlertsTest : public ledger::LedgerTest {
 protected:
  void SetUp() override { Open(); }
  void TearDown() override { Close(); }

  // A server's start, without its threads.
  void Begin(const std::string& log = "default", SystemEvents* events = nullptr,
             size_t skipped_waiting_max = 1000) {
    AlertPlan plan;
    plan.skipped_waiting_max = skipped_waiting_max;
    search::AlertRule rule;
    rule.name = "rule";
    rule.log = log;
    rule.query = *query::Parse("action:alarm.*");
    rule.window_ns = 3600 * kSecondNs;
    plan.rules.push_back(rule);
    metrics_ = std::make_unique<metrics::Registry>();
    hub_ = std::make_unique<engine::PublicationHub>(*ledger, clock);
    searches_ = std::make_unique<search::Searches>(*ledger, *hub_, *hub_, clock);
    auto opened = Alerts::Open(disk, "/data/alerts", plan, *searches_, *metrics_,
                               events == nullptr ? events_ : *events, log_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    alerts_ = *std::move(opened);
  }
  void Close() {
    alerts_.reset();
    searches_.reset();
    hub_.reset();
  }
  // The process dies; the next one has the same rule.
  void KillAndBegin(const std::string& log = "default") {
    disk.Kill();
    Close();
    ledger.reset();
    disk.Restart();
    Open();
    Begin(log);
  }
  void Write(const std::string& log, std::vector<TestEvent> events) {
    ASSERT_TRUE(Append(ledger->FindLog(log), std::move(events)).status.ok());
    Publish();
  }
  void LookAll() {
    for (int looks = 0; alerts_->Look(); ++looks) ASSERT_LT(looks, 1000);
  }
  // The next `count` operations of this kind on such files fail.
  void FailNext(io::Operation operation, const std::string& path_part, uint64_t count) {
    for (uint64_t nth = 1; nth <= count; ++nth) {
      disk.AddFault({io::FaultKind::kError, operation, nth, path_part});
    }
  }
  void Later() { clock.steady_ns += 61 * kSecondNs; }
  void ExpectStandsStill(const std::string& reason, bool it_does) {
    EXPECT_THAT(metrics_->Expose("").body,
                HasSubstr("graven_alert_stands_still{alert=\"rule\",reason=\"" + reason + "\"} " +
                          (it_does ? "1\n" : "0\n")));
  }
  void ExpectCount(const std::string& metric, uint64_t count) {
    EXPECT_THAT(metrics_->Expose("").body,
                HasSubstr(metric + "{alert=\"rule\"} " + std::to_string(count) + "\n"));
  }

  std::unique_ptr<metrics::Registry> metrics_;
  std::unique_ptr<engine::PublicationHub> hub_;
  std::unique_ptr<search::Searches> searches_;
  SystemEvents events_;
  OperationalLog log_{"error", "text"};
  std::unique_ptr<Alerts> alerts_;
};

TEST_F(AlertsTest, ALogMadeBeforeACrashIsWatchedFromItsFirstRecord) {
  Begin("later");
  ASSERT_TRUE(ledger->CreateLog("later", "example.org/later", 0).ok());
  Write("later", {ledger::Event("1", "alarm.x"), ledger::Event("2", "alarm.x")});
  KillAndBegin("later");  // before it was looked at
  LookAll();
  ExpectCount("graven_alerts_total", 2);
  KillAndBegin("later");
  LookAll();
  ExpectCount("graven_alerts_total", 0);
}

TEST_F(AlertsTest, APlaceThatIsDeletedMeansTheEndAlthoughTheRuleWaitedOnce) {
  Begin("later");
  ASSERT_TRUE(ledger->CreateLog("later", "example.org/later", 0).ok());
  Write("later", {ledger::Event("1", "alarm.x")});
  LookAll();
  ExpectCount("graven_alerts_total", 1);
  Close();
  EXPECT_EQ(disk.Stat("/data/alerts/rule.waits").status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(disk.Remove("/data/alerts/rule.place").ok());
  Begin("later");
  LookAll();
  ExpectCount("graven_alerts_total", 0);
}

TEST_F(AlertsTest, APlaceThatCannotBeKeptTellsNothingTwiceAndIsKeptOnceItCan) {
  Begin();
  LookAll();
  Write("default", {ledger::Event("1", "alarm.x")});
  FailNext(io::Operation::kRename, "rule.place", 3);
  LookAll();
  ASSERT_GE(disk.Counts().errors, 1u);
  ExpectCount("graven_alerts_total", 1);
  ExpectStandsStill("place", true);
  // It goes on judging meanwhile.
  Write("default", {ledger::Event("2", "alarm.x")});
  for (int looks = 0; looks < 5; ++looks) {
    Later();
    LookAll();
  }
  ASSERT_EQ(disk.Counts().errors, 3u);
  ExpectCount("graven_alerts_total", 2);
  ExpectStandsStill("place", false);
  KillAndBegin();
  LookAll();
  ExpectCount("graven_alerts_total", 0);
}

TEST_F(AlertsTest, ACrashBeforeThePlaceIsKeptTellsAgain) {
  Begin();
  LookAll();
  Write("default", {ledger::Event("1", "alarm.x")});
  FailNext(io::Operation::kRename, "rule.place", 100);
  LookAll();
  ExpectCount("graven_alerts_total", 1);
  ASSERT_GE(disk.Counts().errors, 1u);
  KillAndBegin();
  disk.ClearFaults();
  LookAll();
  ExpectCount("graven_alerts_total", 1);
}

TEST_F(AlertsTest, APlaceThatCannotBeBegunIsTriedAgainLessAndLessOften) {
  Begin();
  FailNext(io::Operation::kRename, "rule.place", 100);
  for (int second = 0; second < 13; ++second) {
    LookAll();
    clock.steady_ns += kSecondNs;
  }
  // After 1, 2, 4 and 5 s.
  EXPECT_EQ(disk.Counts().errors, 5U);
  ExpectStandsStill("place", true);
}

// 200 records of which the first 100 lie in a segment, a byte of which is turned: its block cannot
// be read.
class DamagedAlertsTest : public AlertsTest {
 protected:
  void SetUp() override {
    options.journal_files_max = 3;
    AlertsTest::SetUp();
    events_.Attach(nullptr);  // there is no log _system
    Begin();
    LookAll();
    Close();
    for (int round = 0; round < 30; ++round) WriteRound(round);
    const auto names = disk.List("/data/logs/default/segments");
    ASSERT_EQ(names->size(), 1u);
    segment_ = "/data/logs/default/segments/" + names->front();
    // In the middle of its blocks.
    ASSERT_TRUE(disk.FlipBit(segment_, 200 * 8).ok());
    ASSERT_EQ(disk.Counts().bit_flips, 1u);
    ASSERT_EQ(PublishedSize(Default()), 600u);
  }
  void WriteRound(int round) {
    std::vector<TestEvent> events;
    for (int i = 0; i < 20; ++i) {
      const std::string id = std::to_string(round) + "-" + std::to_string(i);
      events.push_back(ledger::Event(id, "alarm." + std::string(200, 'x')));
    }
    Write("default", std::move(events));
    SealAll();
  }
  uint64_t NotJudged() {
    const std::string body = metrics_->Expose("").body;
    const std::string name = "graven_alert_records_not_judged_total{alert=\"rule\"} ";
    const size_t at = body.find(name);
    return at == std::string::npos ? 0 : std::stoull(body.substr(at + name.size()));
  }

  std::string segment_;
};

TEST_F(DamagedAlertsTest, DamageIsSteppedOverOnceItIsSoTwiceAndSaidOnce) {
  Begin();
  LookAll();
  EXPECT_EQ(NotJudged(), 0u);  // it may have been a bad read
  Later();
  LookAll();
  const uint64_t lost = NotJudged();
  EXPECT_GT(lost, 0u);
  EXPECT_LT(lost, 600u);
  ExpectCount("graven_alerts_total", 600 - lost);
  alerts_->Look();
  ExpectCount("graven_alert_lag_records", 0);
  KillAndBegin();
  LookAll();
  Later();
  LookAll();
  EXPECT_EQ(NotJudged(), 0u);
  Write("default", {ledger::Event("new", "alarm.x")});
  LookAll();
  ExpectCount("graven_alerts_total", 1);
}

TEST_F(DamagedAlertsTest, ABadReadThatDoesNotComeAgainStepsOverNothing) {
  Begin();
  LookAll();
  ASSERT_TRUE(disk.FlipBit(segment_, 200 * 8).ok());
  Later();
  LookAll();
  EXPECT_EQ(NotJudged(), 0u);
  ExpectCount("graven_alerts_total", 600);
}

TEST_F(DamagedAlertsTest, ADiskThatDoesNotAnswerIsShownAndTheRuleGoesOnOnceItDoes) {
  ASSERT_TRUE(disk.FlipBit(segment_, 200 * 8).ok());  // whole again
  Begin();
  FailNext(io::Operation::kRead, "/segments/", 1000);
  for (int looks = 0; looks < 5; ++looks) {
    LookAll();
    ExpectStandsStill("read", true);
    clock.steady_ns += 6 * kSecondNs;
  }
  ASSERT_GE(disk.Counts().errors, 5u);
  EXPECT_EQ(NotJudged(), 0u);
  disk.ClearFaults();
  LookAll();  // it rests for 5 s at most
  ExpectStandsStill("read", false);
  ExpectCount("graven_alerts_total", 600);
}

TEST_F(DamagedAlertsTest, ADiskThatDoesNotAnswerIsNotOverBeforeSomethingWasRead) {
  Begin();
  FailNext(io::Operation::kRead, "/segments/", 1000);
  LookAll();
  ExpectStandsStill("read", true);
  disk.ClearFaults();
  // From here on the disk answers, and what it says is damaged: nothing was read yet.
  Later();
  LookAll();
  EXPECT_EQ(NotJudged(), 0U);
  ExpectStandsStill("read", true);
  Later();
  LookAll();
  EXPECT_GT(NotJudged(), 0U);
  ExpectStandsStill("read", false);
}

TEST_F(DamagedAlertsTest, ADamagedBlockIsPassedWithoutReadingForEachOfItsRecords) {
  Begin();
  uint64_t reads = 0;
  disk.SetTrace([&](const std::string& line) {
    if (line.find("read ") != line.npos && line.find("segments/") != line.npos) ++reads;
  });
  LookAll();
  Later();
  LookAll();
  disk.SetTrace({});
  EXPECT_GE(NotJudged(), 100u);
  EXPECT_GE(reads, 2u);
  EXPECT_LT(reads, NotJudged());
  ExpectCount("graven_alerts_total", 600 - NotJudged());
}

TEST_F(DamagedAlertsTest, ThePlaceStaysUntilTheServersOwnLogHasWhatWasSteppedOver) {
  SystemEvents starting;  // a log _system that takes nothing yet
  Begin("default", &starting);
  LookAll();
  Later();
  LookAll();
  const uint64_t lost = NotJudged();
  EXPECT_GT(lost, 0u);
  Later();
  LookAll();
  EXPECT_EQ(NotJudged(), lost);  // said once in this life
  KillAndBegin();
  LookAll();
  Later();
  LookAll();
  EXPECT_EQ(NotJudged(), lost);  // and again in the next: nothing else knows of it
  KillAndBegin();
  LookAll();
  Later();
  LookAll();
  EXPECT_EQ(NotJudged(), 0u);
}

TEST_F(DamagedAlertsTest, APlaceThatWaitsForTheServersOwnLogIsShown) {
  SystemEvents starting;  // a log _system that takes nothing yet
  Begin("default", &starting);
  LookAll();
  Later();
  LookAll();
  EXPECT_GT(NotJudged(), 0U);
  ExpectStandsStill("place", false);  // it has only just been told
  Later();
  LookAll();
  ExpectStandsStill("place", true);
  starting.Attach(nullptr);
  LookAll();
  ExpectStandsStill("place", false);
  Close();
  Begin();
  LookAll();
  Later();
  LookAll();
  EXPECT_EQ(NotJudged(), 0U);
}

TEST_F(DamagedAlertsTest, AStopGivesTheServersOwnLogAMomentAndTellsNothingTwice) {
  SystemEvents starting;
  Begin("default", &starting);
  LookAll();
  Later();
  LookAll();
  EXPECT_GT(NotJudged(), 0U);
  std::thread taking([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    starting.Attach(nullptr);
  });
  Close();
  taking.join();
  Begin();
  LookAll();
  Later();
  LookAll();
  EXPECT_EQ(NotJudged(), 0U);
}

TEST_F(DamagedAlertsTest, NothingIsSkippedThatTheServersOwnLogMayNeverHearOf) {
  // Two damaged blocks of one segment with a whole one between.
  ASSERT_TRUE(disk.FlipBit(segment_, 200 * 8).ok());
  for (int round = 30; round < 60; ++round) WriteRound(round);
  segment_ = "/data/logs/default/segments/" + disk.List("/data/logs/default/segments")->back();
  const auto damage_at = [this](uint64_t byte) {
    EXPECT_TRUE(disk.FlipBit(segment_, byte * 8).ok());
    disk.Kill();
    Close();
    ledger.reset();
    disk.Restart();
    Open();
    const auto nothing = [](LogIndex, std::string_view, const Hash&) { return true; };
    return absl::IsDataLoss(ledger->ReadRecords(Default(), LogIndex(600), 1, nothing));
  };
  uint64_t third = 400;
  while (!damage_at(third)) {
    ASSERT_TRUE(disk.FlipBit(segment_, third * 8).ok());
    ASSERT_LT(third += 400, disk.Stat(segment_)->size);
  }
  damage_at(200);
  SystemEvents starting;
  Begin("default", &starting, 1);
  LookAll();
  Later();
  LookAll();
  const uint64_t first = NotJudged();
  EXPECT_EQ(first, 256U);
  for (int looks = 0; looks < 4; ++looks) {
    Later();
    LookAll();
    EXPECT_EQ(NotJudged(), first);
  }
  ExpectStandsStill("place", true);
  starting.Attach(nullptr);
  Later();
  LookAll();
  EXPECT_EQ(NotJudged(), 2 * first);
}

}  // namespace
}  // namespace graven::upkeep
