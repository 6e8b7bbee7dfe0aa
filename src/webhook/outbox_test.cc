#include "webhook/outbox.h"

#include "base/hand_clock_test.h"
#include "base/seeded_random_test.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/hostile_server_test.h"
#include "io/simulated_file_system.h"

namespace graven::webhook {
namespace {

using absl::StatusCode;
using testing::HasSubstr;
using testing::SizeIs;

// A receiver that answers with `status`, or says nothing, and keeps what it got.
class Receiver {
 public:
  Receiver()
      : server_([this](http::HostileServer::Connection& connection) {
          std::string request = connection.ReadRequest();
          const size_t head = request.find("\r\n\r\n") + 4;
          const size_t length = std::stoul(request.substr(request.find("Content-Length: ") + 16));
          while (request.size() < head + length && connection.ReadMore(request)) {
          }
          requests.push_back(request);
          if (status == 0) return;
          connection.Write(
              fmt::format("HTTP/1.1 {} X\r\nContent-Length: 0\r\nLocation: http://h/\r\n"
                          "Connection: close\r\n\r\n",
                          status));
        }) {}

  std::string url() const { return server_.Url("/hook"); }
  std::string Body(size_t i) const { return requests[i].substr(requests[i].find("\r\n\r\n") + 4); }
  std::string Field(size_t i, const std::string& name) const {
    const size_t at = requests[i].find("\r\n" + name + ": ");
    if (at == std::string::npos) return {};
    const size_t begin = at + name.size() + 4;
    return requests[i].substr(begin, requests[i].find("\r\n", begin) - begin);
  }

  int status = 200;
  std::vector<std::string> requests;

 private:
  http::HostileServer server_;
};

class OutboxTest : public testing::Test {
 protected:
  OutboxTest() : fs_(3), random_(4) {
    options_.url = receiver_.url();
    options_.secret = "a secret of enough bytes";
    Open();
  }

  // As after the end of the process.
  void Open() {
    outbox_.reset();
    auto outbox = Outbox::Open(fs_, "outbox", options_, clock_, random_);
    ASSERT_TRUE(outbox.ok()) << outbox.status();
    outbox_ = *std::move(outbox);
  }

  void Step() {
    clock_.now_ns += 3'000'000'000;
    ASSERT_EQ(outbox_->Step(), absl::OkStatus());
  }

  io::SimulatedFileSystem fs_;
  SeededRandom random_;
  HandClock clock_;
  Receiver receiver_;
  OutboxOptions options_;
  std::unique_ptr<Outbox> outbox_;
};

TEST_F(OutboxTest, NoticeIsDeliveredOnceAndSigned) {
  ASSERT_TRUE(outbox_->Add(R"({"a":1})").ok());
  Step();
  Step();
  ASSERT_THAT(receiver_.requests, SizeIs(1));
  const std::string body = receiver_.Body(0);
  const std::string id = receiver_.Field(0, "Graven-Delivery");
  EXPECT_EQ(body,
            fmt::format("{{\"delivery\":\"{}\",\"notices\":[{{\"a\":1}}],\"left_out\":0}}", id));
  const int64_t at = std::stoll(receiver_.Field(0, "Graven-Timestamp"));
  EXPECT_EQ(at, clock_.now_ns / 1'000'000'000 - 3);
  EXPECT_EQ(receiver_.Field(0, "Graven-Signature"), SignDelivery(options_.secret, at, id, body));
  EXPECT_LT(outbox_->DueInNs(), 0);
}

TEST_F(OutboxTest, SignatureCoversTimeIdAndBody) {
  const std::string good = SignDelivery("k", 1, "d", "b");
  EXPECT_NE(SignDelivery("k", 2, "d", "b"), good);
  EXPECT_NE(SignDelivery("k", 1, "e", "b"), good);
  EXPECT_NE(SignDelivery("k", 1, "d", "c"), good);
  EXPECT_NE(SignDelivery("l", 1, "d", "b"), good);
}

TEST_F(OutboxTest, StormGoesOutTogetherAndWhatIsTooMuchIsCounted) {
  options_.waiting_max = 30;
  options_.notices_per_delivery = 20;
  Open();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(outbox_->Add("{}").ok());
  for (int i = 0; i < 10; ++i) Step();
  ASSERT_THAT(receiver_.requests, SizeIs(2));
  EXPECT_THAT(receiver_.Body(0), HasSubstr("\"left_out\":70"));
  EXPECT_THAT(receiver_.Body(1), HasSubstr("\"left_out\":0"));
  EXPECT_EQ(outbox_->counters().delivered, 30u);
}

TEST_F(OutboxTest, WhatWasNotTakenIsTriedAgainLaterAndLater) {
  receiver_.status = 503;
  ASSERT_TRUE(outbox_->Add("{}").ok());
  for (int i = 0; i < 100; ++i) {
    clock_.now_ns += 1'000'000'000;
    ASSERT_TRUE(outbox_->Step().ok());
  }
  EXPECT_LE(receiver_.requests.size(), 8u);
  EXPECT_GE(receiver_.requests.size(), 5u);
  EXPECT_EQ(receiver_.Field(0, "Graven-Delivery"), receiver_.Field(3, "Graven-Delivery"));
  EXPECT_THAT(outbox_->last_error(), HasSubstr("503"));
  receiver_.status = 204;
  clock_.now_ns += options_.backoff_max_ns;
  ASSERT_TRUE(outbox_->Step().ok());
  EXPECT_LT(outbox_->DueInNs(), 0);
}

TEST_F(OutboxTest, RedirectIsNotFollowedAndNotTaken) {
  receiver_.status = 302;
  ASSERT_TRUE(outbox_->Add("{}").ok());
  Step();
  EXPECT_THAT(receiver_.requests, SizeIs(1));
  EXPECT_EQ(outbox_->counters().failed_tries, 1u);
}

TEST_F(OutboxTest, LoopbackIsNotCalledUnlessItIsAllowed) {
  options_.fetch.address_rule = http::AddressRule::kPublicOnly;
  Open();
  ASSERT_TRUE(outbox_->Add("{}").ok());
  Step();
  EXPECT_THAT(receiver_.requests, SizeIs(0));
  EXPECT_THAT(outbox_->last_error(), HasSubstr("127.0.0.1"));
  options_.fetch.allowed_hosts = {"127.0.0.1"};
  Open();
  Step();
  EXPECT_THAT(receiver_.requests, SizeIs(1));
}

TEST_F(OutboxTest, EveryNoticeOutlivesACrash) {
  for (uint64_t nth = 1; nth < 60; ++nth) {
    SCOPED_TRACE(nth);
    const uint64_t crashes = fs_.Counts().crashes;
    fs_.AddFault({.kind = io::FaultKind::kCrash, .nth = nth});
    std::vector<std::string> promised;
    for (int i = 0; i < 8 && !fs_.crashed(); ++i) {
      std::string text = fmt::format("{{\"n\":\"{}-{}\"}}", nth, i);
      if (outbox_->Add(text).ok()) promised.push_back(text);
      if (i == 4 && !fs_.crashed()) {
        clock_.now_ns += 3'000'000'000;
        outbox_->Step().IgnoreError();
      }
    }
    while (!fs_.crashed()) {
      clock_.now_ns += 3'000'000'000;
      ASSERT_TRUE(outbox_->Add("{}").ok() || fs_.crashed());
    }
    ASSERT_EQ(fs_.Counts().crashes, crashes + 1);
    outbox_.reset();
    fs_.Restart();
    Open();
    while (outbox_->DueInNs() >= 0) Step();
    std::string all;
    for (size_t i = 0; i < receiver_.requests.size(); ++i) all += receiver_.Body(i);
    for (const std::string& text : promised) ASSERT_THAT(all, HasSubstr(text));
  }
}

TEST_F(OutboxTest, ShortSecretAndBadUrlAreRefused) {
  options_.secret = "short";
  EXPECT_EQ(Outbox::Open(fs_, "other", options_, clock_, random_).status().code(),
            StatusCode::kInvalidArgument);
  options_.secret = "a secret of enough bytes";
  options_.url = "file:///etc/passwd";
  EXPECT_EQ(Outbox::Open(fs_, "other", options_, clock_, random_).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(outbox_->Add(std::string(kNoticeBytesMax + 1, 'x')).code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace graven::webhook
