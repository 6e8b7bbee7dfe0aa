// Rules on a simulated disk: what is damaged does not hold them up, and what a crash forgets is not
// lost.
#include "upkeep/alerts.h"

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
  void Begin(const std::string& log = "default") {
    AlertPlan plan;
    search::AlertRule rule;
    rule.name = "rule";
    rule.log = log;
    rule.query = *query::Parse("action:alarm.*");
    rule.window_ns = 3600 * kSecondNs;
    plan.rules.push_back(rule);
    metrics_ = std::make_unique<metrics::Registry>();
    hub_ = std::make_unique<engine::PublicationHub>(*ledger, clock);
    searches_ = std::make_unique<search::Searches>(*ledger, *hub_, *hub_, clock);
    auto opened = Alerts::Open(disk, "/data/alerts", plan, *searches_, *metrics_, events_, log_);
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
  void Later() { clock.steady_ns += 61 * kSecondNs; }
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

// 200 records of which the first 100 lie in a segment, a byte of which is turned: its block cannot
// be read.
class DamagedAlertsTest : public AlertsTest {
 protected:
  void SetUp() override {
    options.journal_files_max = 3;
    AlertsTest::SetUp();
    Begin();
    LookAll();
    Close();
    for (int round = 0; round < 30; ++round) {
      std::vector<TestEvent> events;
      for (int i = 0; i < 20; ++i) {
        const std::string id = std::to_string(round) + "-" + std::to_string(i);
        events.push_back(ledger::Event(id, "alarm." + std::string(200, 'x')));
      }
      Write("default", std::move(events));
      SealAll();
    }
    const auto names = disk.List("/data/logs/default/segments");
    ASSERT_EQ(names->size(), 1u);
    segment_ = "/data/logs/default/segments/" + names->front();
    // In the middle of its blocks.
    ASSERT_TRUE(disk.FlipBit(segment_, 200 * 8).ok());
    ASSERT_EQ(disk.Counts().bit_flips, 1u);
    ASSERT_EQ(PublishedSize(Default()), 600u);
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

}  // namespace
}  // namespace graven::upkeep
