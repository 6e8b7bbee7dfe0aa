#include "upkeep/time_stamper.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "base/status_macros.h"
#include "base/text_safety.h"
#include "base/thread_name.h"
#include "http/client.h"
#include "metrics/instruments.h"
#include "note/time_stamp.h"

namespace graven::upkeep {
namespace {

constexpr int64_t kBackOffFirstS = 5;
constexpr int64_t kBackOffMaxS = 600;
constexpr std::chrono::milliseconds kConnectTimeout{5000};
// Its clock or ours is wrong by then.
constexpr int64_t kClocksApartMaxS = 300;

http::FetchOptions ClientOptions(const TimeStampSettings& settings) {
  http::FetchOptions options;
  options.total_timeout = std::chrono::seconds(settings.timeout_s);
  options.connect_timeout = std::min(kConnectTimeout, options.total_timeout);
  options.body_bytes_max = note::kTimeStampReplyBytesMax;
  options.ca_file = settings.tls_ca_file;
  return options;
}

}  // namespace

TimeStamper::TimeStamper(ledger::Ledger& ledger, Clock& clock, Random& random,
                         TimeStampSettings settings, metrics::Registry& metrics,
                         OperationalLog& log)
    : ledger_(ledger),
      clock_(clock),
      random_(random),
      settings_(std::move(settings)),
      metrics_(metrics),
      log_(log) {}

TimeStamper::~TimeStamper() { Stop(); }

void TimeStamper::Start() {
  if (settings_.url.empty()) return;
  // Both are there from the start, so that what is missing can be told from what never was.
  for (const char* result : {"kept", "failed"}) {
    metrics_.MakeCounter(metrics::kTimeStamps, {result}).Add(0);
  }
  thread_ = std::thread([this] { Run(); });
  NameThread(thread_, "time-stamps");
}

void TimeStamper::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    if (asking_ != nullptr) asking_->Cancel();
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool TimeStamper::stopping() const {
  std::lock_guard lock(mutex_);
  return stopping_;
}

void TimeStamper::Run() {
  while (!stopping()) {
    int64_t wait_s = static_cast<int64_t>(settings_.interval_s);
    const absl::Status stamped = StampAll();
    if (stamped.ok()) {
      if (failures_ > 0) log_.Info("the time stamp authority answers again");
      failures_ = 0;
    } else if (!stopping()) {
      wait_s = AfterFailure(stamped);
    }
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(wait_s), [this] { return stopping_; });
  }
}

int64_t TimeStamper::AfterFailure(const absl::Status& status) {
  metrics_.MakeCounter(metrics::kTimeStamps, {"failed"}).Add(1);
  if (failures_ == 0) {
    log_.Warning(fmt::format("no time stamp from {}: {}", SafeText(settings_.url, 200),
                             SafeText(std::string(status.message()), 300)));
  }
  const uint64_t doublings = std::min<uint64_t>(failures_++, 10);
  return std::min(kBackOffMaxS, kBackOffFirstS << doublings);
}

absl::Status TimeStamper::StampAll() {
  for (const ledger::LogRef log : ledger_.Logs()) {
    const auto served = ledger_.GetCheckpoint(log, ledger::CheckpointLevel::kServed);
    if (served == nullptr || served->size.value == 0 || served->checkpoint.empty()) continue;
    const auto stamped = ledger_.GetCheckpoint(log, ledger::CheckpointLevel::kStamped);
    if (stamped != nullptr && stamped->size >= served->size) continue;
    if (stopping()) return absl::OkStatus();
    RETURN_IF_ERROR(Stamp(log, *served));
  }
  return absl::OkStatus();
}

absl::Status TimeStamper::Stamp(ledger::LogRef log, const ledger::Published& served) {
  const std::string_view text = note::TextOfNote(served.checkpoint);
  ASSIGN_OR_RETURN(const std::string token, Ask(text));
  ASSIGN_OR_RETURN(const note::TimeStamp stamp,
                   note::CheckTimeStamp(token, text, settings_.trusted_pem));
  const int64_t now_s = clock_.WallNs() / 1'000'000'000;
  if (std::abs(now_s - stamp.time_s) > kClocksApartMaxS) {
    log_.Warning(fmt::format(
        "the time stamp authority's clock and ours are {} s apart: one of them is wrong",
        std::abs(now_s - stamp.time_s)));
  }
  // No failure of the authority's: the other logs come in spite of it.
  if (absl::Status kept = ledger_.AddTimeStamp(log, served.checkpoint, token); !kept.ok()) {
    log_.Warning(fmt::format("log {}: the time stamp is not kept: {}", log.name(),
                             SafeText(std::string(kept.message()), 300)));
    return absl::OkStatus();
  }
  metrics_.MakeCounter(metrics::kTimeStamps, {"kept"}).Add(1);
  metrics_.MakeGauge(metrics::kTimeStampTime, {log.name()}).Set(static_cast<double>(stamp.time_s));
  return absl::OkStatus();
}

absl::StatusOr<std::string> TimeStamper::Ask(std::string_view text) {
  const uint64_t nonce = random_.Uint64() >> 1;
  http::FetchRequest request;
  request.method = "POST";
  request.url = settings_.url;
  request.headers = {{"Content-Type", "application/timestamp-query"},
                     {"Accept", "application/timestamp-reply"}};
  request.body = note::MakeTimeStampQuery(text, nonce);
  // A connection of its own: one that was kept for a minute may be closed, and a POST is not sent
  // twice.
  http::Client client(ClientOptions(settings_));
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return absl::CancelledError("stopping");
    asking_ = &client;
  }
  const absl::StatusOr<http::FetchResponse> fetched = client.Fetch(request);
  {
    std::lock_guard lock(mutex_);
    asking_ = nullptr;
  }
  RETURN_IF_ERROR(fetched.status());
  const http::FetchResponse& response = *fetched;
  if (response.status != 200) {
    return absl::UnavailableError(fmt::format("HTTP status {}", response.status));
  }
  return note::TakeTimeStampReply(response.body, text, nonce);
}

}  // namespace graven::upkeep
