#include "upkeep/alerts.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/absl_views.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "base/thread_name.h"
#include "io/durable_file.h"
#include "json/object_text.h"
#include "metrics/instruments.h"
#include "query/parser.h"

namespace graven::upkeep {
namespace {

constexpr auto kPause = std::chrono::milliseconds(250);
constexpr uint64_t kRecordsPerLook = 4096;
// A place that has moved is kept so often; it says where to begin again, no more.
constexpr int64_t kKeepNs = 5 * kSecondNs;
constexpr int64_t kRestNsMin = 1 * kSecondNs;
constexpr int64_t kRestNsMax = 60 * kSecondNs;
constexpr size_t kHeadBytesMax = 128;

// What makes a rule the same rule, of the same log.
Hash HashOf(const search::AlertRule& rule, std::string_view origin) {
  return Sha256(fmt::format("{}\n{}\n{}\n{}\n{}", origin, query::Canonical(rule.query),
                            rule.by ? rule.by->name() : "", rule.threshold, rule.window_ns));
}

// What the file of a place begins with.
std::string HeadOf(const search::AlertRule& rule, std::string_view origin) {
  return fmt::format("graven alert v1\n{}\n", HexEncode(HashOf(rule, origin)));
}

}  // namespace

struct Alerts::Watch {
  Watch(const search::AlertRule& of, metrics::Registry& metrics)
      : rule(of),
        raised(metrics.MakeCounter(metrics::kAlertsRaised, {of.name})),
        lag(metrics.MakeGauge(metrics::kAlertLag, {of.name})) {}

  const search::AlertRule& rule;
  metrics::Counter raised;
  metrics::Gauge lag;
  ledger::LogRef log;       // nothing: there is no such log yet
  bool log_is_new = false;  // there was none when the server started
  std::optional<search::AlertWindow> window;
  std::string kept;  // the place in the file
  int64_t kept_at_ns = 0;
  // After an error: how long it rests, longer each time, and until when.
  int64_t rest_ns = 0;
  int64_t rest_until_ns = 0;
};

Alerts::Alerts(std::string folder, AlertPlan plan, search::Searches& searches, OperationalLog& log)
    : folder_(std::move(folder)), plan_(std::move(plan)), searches_(searches), log_(log) {}

absl::StatusOr<std::unique_ptr<Alerts>> Alerts::Start(std::string folder, AlertPlan plan,
                                                      search::Searches& searches,
                                                      metrics::Registry& metrics,
                                                      OperationalLog& log) {
  std::unique_ptr<Alerts> alerts(new Alerts(std::move(folder), std::move(plan), searches, log));
  if (alerts->plan_.rules.empty()) return alerts;
  RETURN_IF_ERROR(alerts->Open(metrics));
  alerts->thread_ = std::thread([own = alerts.get()] { own->Run(); });
  NameThread(alerts->thread_, "graven-alerts");
  return alerts;
}

Alerts::~Alerts() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

absl::Status Alerts::Open(metrics::Registry& metrics) {
  io::FileSystem& fs = io::PosixFileSystem();
  RETURN_IF_ERROR(io::MakeDirectoryDurably(fs, folder_));
  if (!plan_.webhook_url.empty()) {
    webhook::OutboxOptions options;
    options.url = plan_.webhook_url;
    options.secret = plan_.webhook_secret;
    options.fetch.address_rule = http::AddressRule::kPublicOnly;
    options.fetch.allowed_hosts = plan_.webhook_allowed_hosts;
    ASSIGN_OR_RETURN(auto outbox,
                     webhook::Outbox::Open(fs, io::JoinPath(folder_, "outbox"), std::move(options),
                                           SystemClock(), SystemRandom()));
    webhook_ = std::make_unique<webhook::Sender>(std::move(outbox));
    waiting_ = metrics.MakeGauge(metrics::kAlertNoticesWaiting);
    left_out_ = metrics.MakeCounter(metrics::kAlertNoticesLeftOut);
    failed_tries_ = metrics.MakeCounter(metrics::kAlertDeliveriesFailed);
  }
  for (const search::AlertRule& rule : plan_.rules) {
    watches_.push_back(std::make_unique<Watch>(rule, metrics));
    watches_.back()->log_is_new = !searches_.reads().FindLog(rule.log).ok();
  }
  return absl::OkStatus();
}

void Alerts::Run() {
  while (true) {
    bool more = false;
    for (const auto& watch : watches_) {
      if (stopping_) break;
      if (searches_.clock().SteadyNs() < watch->rest_until_ns) continue;
      const absl::StatusOr<bool> looked = Look(watch.get());
      if (looked.ok()) {
        more = more || *looked;
        watch->rest_ns = 0;
        continue;
      }
      if (watch->rest_ns == 0) {
        log_.Error(fmt::format("alert {}: {}", watch->rule.name, ToStd(looked.status().message())));
      }
      watch->rest_ns = std::clamp(2 * watch->rest_ns, kRestNsMin, kRestNsMax);
      watch->rest_until_ns = searches_.clock().SteadyNs() + watch->rest_ns;
      // What the window has seen since was not told: it will see it again.
      watch->window.reset();
    }
    ShowQueue();
    std::unique_lock lock(mutex_);
    if (!more) wake_.wait_for(lock, kPause, [this] { return stopping_.load(); });
    if (stopping_) break;
  }
  // A place that cannot be kept lets its rule begin at an older one.
  for (const auto& watch : watches_) {
    if (watch->window) (void)KeepPlace(watch.get());
  }
}

absl::StatusOr<bool> Alerts::Look(Watch* watch) {
  if (!watch->log) {
    const absl::StatusOr<ledger::LogRef> found = searches_.reads().FindLog(watch->rule.log);
    if (!found.ok()) return false;
    watch->log = *found;
  }
  if (!watch->window) RETURN_IF_ERROR(Begin(watch));
  const TreeSize size = searches_.ledger().GetPublished(watch->log)->size;
  const uint64_t next = watch->window->next().value;
  watch->lag.Set(static_cast<double>(size.value - std::min(next, size.value)));
  if (next >= size.value) return false;
  const uint64_t end = std::min(size.value, next + kRecordsPerLook);
  // Every record is given to the window: time goes on with those that do not match, too.
  search::Scan scan =
      search::Scan::Within(searches_.SourceOf(watch->log, query::Query(), size), next, end);
  std::vector<search::Alert> raised;
  RETURN_IF_ERROR(scan.Step(search::Turn(), [&](const search::Hit& hit) {
    watch->window->Add(hit.view, &raised);
    return stopping_ ? search::Verdict::kStop : search::Verdict::kGoOn;
  }));
  for (const search::Alert& alert : raised) RETURN_IF_ERROR(Tell(watch, alert));
  const bool time_to_keep = searches_.clock().SteadyNs() - watch->kept_at_ns >= kKeepNs;
  if (!raised.empty() || time_to_keep) RETURN_IF_ERROR(KeepPlace(watch));
  return end < size.value;
}

absl::Status Alerts::Begin(Watch* watch) {
  const TreeSize size = searches_.ledger().GetPublished(watch->log)->size;
  const absl::StatusOr<std::string> text =
      io::ReadWholeFile(io::PosixFileSystem(), PlacePath(*watch),
                        kHeadBytesMax + search::AlertWindow::kPlaceBytesMax);
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  const std::string head = HeadOf(watch->rule, watch->log.origin());
  if (text.ok() && text->starts_with(head)) {
    absl::StatusOr<search::AlertWindow> window =
        search::AlertWindow::BeginAgain(watch->rule, std::string_view(*text).substr(head.size()));
    if (window.ok() && window->next().value <= size.value) {
      watch->kept = text->substr(head.size());
      watch->window.emplace(*std::move(window));
      return absl::OkStatus();
    }
    // A damaged file, or the log was put back to an older state.
    log_.Warning(fmt::format("alert {}: its place is not one of this log; it begins at record {}",
                             watch->rule.name, size.value));
  }
  const bool from_the_start = watch->log_is_new && !text.ok();
  watch->window.emplace(watch->rule, from_the_start ? LogIndex(0) : NextIndex(size));
  return KeepPlace(watch);
}

absl::Status Alerts::Tell(Watch* watch, const search::Alert& alert) {
  const search::AlertRule& rule = watch->rule;
  // First what may fail: what is tried again is neither logged nor counted twice.
  if (webhook_ != nullptr) RETURN_IF_ERROR(webhook_->Add(NoticeOf(*watch, alert)));
  watch->raised.Add();
  log_.Warning(fmt::format(
      "alert {}: {} matches{} in {} s, records {} to {}", rule.name, alert.count,
      rule.by ? fmt::format(" of {} \"{}\"", rule.by->name(), SafeText(alert.value, 128)) : "",
      rule.window_ns / kSecondNs, alert.first.value, alert.last.value));
  return absl::OkStatus();
}

std::string Alerts::NoticeOf(const Watch& watch, const search::Alert& alert) {
  const search::AlertRule& rule = watch.rule;
  json::ObjectText notice;
  notice.Text("kind", "alert").Text("id", fmt::format("{}-{}", rule.name, alert.id));
  notice.Text("alert", rule.name).Text("log", watch.log.name());
  notice.Text("origin", watch.log.origin()).Text("query", query::Canonical(rule.query));
  if (rule.by) notice.Text("by", rule.by->name()).Text("value", alert.value);
  notice.Uint64("count", alert.count).Uint64("threshold", rule.threshold);
  notice.Uint64("windowSeconds", static_cast<uint64_t>(rule.window_ns / kSecondNs));
  notice.Uint64("firstIndex", alert.first.value).Uint64("lastIndex", alert.last.value);
  notice.TimeNs("firstReceivedAt", alert.first_received_ns);
  notice.TimeNs("lastReceivedAt", alert.last_received_ns);
  return notice.Finish();
}

absl::Status Alerts::KeepPlace(Watch* watch) {
  std::string place = watch->window->Place();
  watch->kept_at_ns = searches_.clock().SteadyNs();
  if (place == watch->kept) return absl::OkStatus();
  RETURN_IF_ERROR(io::WriteFileDurably(io::PosixFileSystem(), PlacePath(*watch),
                                       HeadOf(watch->rule, watch->log.origin()) + place));
  watch->kept = std::move(place);
  return absl::OkStatus();
}

// A rule may be called as the queue is; with its suffix its file is not.
std::string Alerts::PlacePath(const Watch& watch) const {
  return io::JoinPath(folder_, watch.rule.name + ".place");
}

void Alerts::ShowQueue() {
  if (webhook_ == nullptr) return;
  const webhook::OutboxCounters counters = webhook_->outbox().counters();
  waiting_.Set(static_cast<double>(counters.waiting));
  left_out_.RaiseTo(static_cast<double>(counters.left_out));
  failed_tries_.RaiseTo(static_cast<double>(counters.failed_tries));
}

}  // namespace graven::upkeep
