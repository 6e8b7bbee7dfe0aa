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
#include "webhook/page_link.h"

namespace graven::upkeep {
namespace {

constexpr auto kPause = std::chrono::milliseconds(250);
constexpr uint64_t kRecordsPerLook = 4096;
// A place that has moved is kept so often; it says where to begin again, no more.
constexpr int64_t kKeepNs = 5 * kSecondNs;
constexpr int64_t kRestNsMin = 1 * kSecondNs;
constexpr int64_t kRestNsMax = 60 * kSecondNs;
constexpr size_t kHeadBytesMax = 128;

// A damaged range is stepped over in pieces of so many records at most.
constexpr uint64_t kSkippedPieceMax = 65'536;

// What makes a rule the same rule, of the same log; an origin of "": of whichever is made.
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
        not_judged(metrics.MakeCounter(metrics::kAlertNotJudged, {of.name})),
        lag(metrics.MakeGauge(metrics::kAlertLag, {of.name})) {}

  const search::AlertRule& rule;
  metrics::Counter raised, not_judged;
  metrics::Gauge lag;
  ledger::LogRef log;  // nothing: there is no such log yet
  bool waits = false;  // there was none when this server looked
  bool waits_is_kept = false;
  std::optional<search::AlertWindow> window;
  std::string kept;  // the place in the file
  int64_t kept_at_ns = 0;
  std::optional<LogIndex> damaged_at;  // could not be read once
  // After an error: how long it rests, longer each time, and until when.
  int64_t rest_ns = 0;
  int64_t rest_until_ns = 0;
};

Alerts::Alerts(io::FileSystem& fs, std::string folder, AlertPlan plan, search::Searches& searches,
               SystemEvents& events, OperationalLog& log)
    : fs_(fs),
      folder_(std::move(folder)),
      plan_(std::move(plan)),
      searches_(searches),
      events_(events),
      log_(log) {}

absl::StatusOr<std::unique_ptr<Alerts>> Alerts::Open(io::FileSystem& fs, std::string folder,
                                                     AlertPlan plan, search::Searches& searches,
                                                     metrics::Registry& metrics,
                                                     SystemEvents& events, OperationalLog& log) {
  std::unique_ptr<Alerts> alerts(
      new Alerts(fs, std::move(folder), std::move(plan), searches, events, log));
  if (alerts->plan_.rules.empty()) return alerts;
  RETURN_IF_ERROR(io::MakeDirectoryDurably(fs, alerts->folder_));
  if (!alerts->plan_.webhook_url.empty()) {
    RETURN_IF_ERROR(alerts->OpenWebhook());
    alerts->waiting_ = metrics.MakeGauge(metrics::kAlertNoticesWaiting);
    alerts->left_out_ = metrics.MakeCounter(metrics::kAlertNoticesLeftOut);
    alerts->failed_tries_ = metrics.MakeCounter(metrics::kAlertDeliveriesFailed);
  }
  for (const search::AlertRule& rule : alerts->plan_.rules) {
    alerts->watches_.push_back(std::make_unique<Watch>(rule, metrics));
    Watch* watch = alerts->watches_.back().get();
    // Tried again with the next look, and told of then.
    if (!searches.reads().FindLog(rule.log).ok()) (void)alerts->KeepWaiting(watch);
  }
  return alerts;
}

absl::Status Alerts::OpenWebhook() {
  webhook::OutboxOptions options;
  options.url = plan_.webhook_url;
  options.secret = plan_.webhook_secret;
  options.fetch.address_rule = http::AddressRule::kPublicOnly;
  options.fetch.allowed_hosts = plan_.webhook_allowed_hosts;
  ASSIGN_OR_RETURN(auto outbox,
                   webhook::Outbox::Open(fs_, io::JoinPath(folder_, "outbox"), std::move(options),
                                         SystemClock(), SystemRandom()));
  webhook_ = std::make_unique<webhook::Sender>(std::move(outbox));
  return absl::OkStatus();
}

void Alerts::Start() {
  if (watches_.empty()) return;
  thread_ = std::thread([this] { Run(); });
  NameThread(thread_, "graven-alerts");
}

Alerts::~Alerts() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  // A place that cannot be kept lets its rule begin at an older one.
  for (const auto& watch : watches_) {
    if (watch->window) (void)KeepPlace(watch.get());
  }
}

void Alerts::Run() {
  while (!stopping_) {
    const bool more = Look();
    ShowQueue();
    std::unique_lock lock(mutex_);
    if (!more) wake_.wait_for(lock, kPause, [this] { return stopping_.load(); });
  }
}

bool Alerts::Look() {
  bool more = false;
  for (const auto& watch : watches_) {
    if (stopping_) break;
    if (searches_.clock().SteadyNs() < watch->rest_until_ns) continue;
    const absl::StatusOr<bool> looked = LookAt(watch.get());
    if (looked.ok()) {
      more = more || *looked;
      watch->rest_ns = 0;
    } else {
      LetRest(watch.get(), looked.status());
    }
  }
  return more;
}

void Alerts::LetRest(Watch* watch, const absl::Status& error) {
  if (watch->rest_ns == 0) {
    log_.Error(fmt::format("alert {}: {}", watch->rule.name, ToStd(error.message())));
  }
  watch->rest_ns = std::clamp(2 * watch->rest_ns, kRestNsMin, kRestNsMax);
  watch->rest_until_ns = searches_.clock().SteadyNs() + watch->rest_ns;
  // What the window has seen since was not told: it will see it again.
  watch->window.reset();
}

absl::StatusOr<bool> Alerts::LookAt(Watch* watch) {
  if (!watch->log) {
    const absl::StatusOr<ledger::LogRef> found = searches_.reads().FindLog(watch->rule.log);
    if (!found.ok()) {
      RETURN_IF_ERROR(KeepWaiting(watch));
      return false;
    }
    watch->log = *found;
  }
  if (!watch->window) RETURN_IF_ERROR(Begin(watch));
  const TreeSize size = searches_.ledger().GetPublished(watch->log)->size;
  const LogIndex next = watch->window->next();
  watch->lag.Set(static_cast<double>(size.value - std::min(next.value, size.value)));
  if (next.value >= size.value) return false;
  const LogIndex end =
      watch->window->UpTo(LogIndex(std::min(size.value, next.value + kRecordsPerLook)));
  bool any_raised = false;
  const absl::Status judged = Judge(watch, size, end, &any_raised);
  if (absl::IsDataLoss(judged)) {
    RETURN_IF_ERROR(MeetDamage(watch, size, judged));
  } else {
    RETURN_IF_ERROR(judged);
    watch->damaged_at.reset();
  }
  const bool time_to_keep = searches_.clock().SteadyNs() - watch->kept_at_ns >= kKeepNs;
  if (any_raised || time_to_keep) RETURN_IF_ERROR(KeepPlace(watch));
  return watch->window->next().value < size.value && !watch->damaged_at;
}

absl::Status Alerts::Judge(Watch* watch, TreeSize size, LogIndex end, bool* any_raised) {
  // Every record is given to the window: time goes on with those that do not match, too.
  search::Scan scan = search::Scan::Within(searches_.SourceOf(watch->log, query::Query(), size),
                                           watch->window->next().value, end.value);
  std::vector<search::Alert> raised;
  absl::Status read = scan.Step(search::Turn(), [&](const search::Hit& hit) {
    watch->window->Add(hit.view, &raised);
    return stopping_ ? search::Verdict::kStop : search::Verdict::kGoOn;
  });
  if (!read.ok() && !absl::IsDataLoss(read)) return read;
  for (const search::Alert& alert : raised) RETURN_IF_ERROR(Tell(watch, alert));
  *any_raised = !raised.empty();
  return read;
}

absl::Status Alerts::MeetDamage(Watch* watch, TreeSize size, const absl::Status& damage) {
  const LogIndex first = watch->window->next();
  if (watch->damaged_at != first) {
    watch->damaged_at = first;
    watch->rest_until_ns = searches_.clock().SteadyNs() + kRestNsMin;
    return absl::OkStatus();
  }
  LogIndex end = first + 1;
  const LogIndex limit =
      watch->window->UpTo(LogIndex(std::min(size.value, first.value + kSkippedPieceMax)));
  while (end < limit && !CanRead(*watch, size, end)) {
    if (stopping_) return absl::OkStatus();
    end = end + 1;
  }
  RETURN_IF_ERROR(TellSkipped(watch, first, end, damage));
  watch->window->Skip(end);
  watch->damaged_at.reset();
  // So that it is not told again.
  return KeepPlace(watch);
}

bool Alerts::CanRead(const Watch& watch, TreeSize size, LogIndex index) {
  search::Scan scan = search::Scan::Within(searches_.SourceOf(watch.log, query::Query(), size),
                                           index.value, index.value + 1);
  // Any other error is met by the next look.
  return !absl::IsDataLoss(
      scan.Step(search::Turn(), [](const search::Hit&) { return search::Verdict::kGoOn; }));
}

absl::Status Alerts::Begin(Watch* watch) {
  const TreeSize size = searches_.ledger().GetPublished(watch->log)->size;
  const absl::StatusOr<std::string> text = io::ReadWholeFile(
      fs_, PlacePath(*watch), kHeadBytesMax + search::AlertWindow::kPlaceBytesMax);
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  const std::string head = HeadOf(watch->rule, watch->log.origin());
  if (text.ok() && text->starts_with(head)) {
    absl::StatusOr<search::AlertWindow> window =
        search::AlertWindow::BeginAgain(watch->rule, std::string_view(*text).substr(head.size()));
    if (window.ok() && window->next().value <= size.value) {
      watch->kept = text->substr(head.size());
      watch->window.emplace(*std::move(window));
      // One that a crash left beside the place would be believed once the place is gone.
      ASSIGN_OR_RETURN(const bool left_behind, HasWaited(*watch));
      if (left_behind) (void)fs_.Remove(WaitsPath(*watch));
      return absl::OkStatus();
    }
  }
  ASSIGN_OR_RETURN(const bool from_the_start, HasWaited(*watch));
  if (text.ok()) {
    // A damaged file, or the log was put back to an older state.
    log_.Warning(fmt::format("alert {}: its place is not one of this log; it begins at record {}",
                             watch->rule.name, from_the_start ? 0 : size.value));
  }
  watch->window.emplace(watch->rule, from_the_start ? LogIndex(0) : NextIndex(size));
  RETURN_IF_ERROR(KeepPlace(watch));
  watch->waits = false;
  // From here on the place says it. Left behind by a crash it means nothing while there is one.
  if (from_the_start) (void)fs_.Remove(WaitsPath(*watch));
  return absl::OkStatus();
}

absl::Status Alerts::KeepPlace(Watch* watch) {
  std::string place = watch->window->Place();
  watch->kept_at_ns = searches_.clock().SteadyNs();
  if (place == watch->kept) return absl::OkStatus();
  RETURN_IF_ERROR(io::WriteFileDurably(fs_, PlacePath(*watch),
                                       HeadOf(watch->rule, watch->log.origin()) + place));
  watch->kept = std::move(place);
  return absl::OkStatus();
}

absl::Status Alerts::KeepWaiting(Watch* watch) {
  watch->waits = true;
  if (watch->waits_is_kept) return absl::OkStatus();
  RETURN_IF_ERROR(io::WriteFileDurably(fs_, WaitsPath(*watch), HeadOf(watch->rule, "")));
  watch->waits_is_kept = true;
  return absl::OkStatus();
}

absl::StatusOr<bool> Alerts::HasWaited(const Watch& watch) {
  if (watch.waits) return true;
  const absl::StatusOr<std::string> text = io::ReadWholeFile(fs_, WaitsPath(watch), kHeadBytesMax);
  if (absl::IsNotFound(text.status())) return false;
  RETURN_IF_ERROR(text.status());
  return *text == HeadOf(watch.rule, "");
}

absl::Status Alerts::Tell(Watch* watch, const search::Alert& alert) {
  const search::AlertRule& rule = watch->rule;
  // First what may fail: what is tried again is neither logged nor counted twice.
  if (webhook_ != nullptr) RETURN_IF_ERROR(webhook_->Add(NoticeOf(*watch, alert)));
  watch->raised.Add();
  log_.Warning(fmt::format("alert {}: {} matches{} in {} s, records {} to {}", rule.name,
                           alert.count,
                           // Not its value: that is content of records.
                           rule.by ? fmt::format(" of one {}", rule.by->name()) : "",
                           rule.window_ns / kSecondNs, alert.first.value, alert.last.value));
  return absl::OkStatus();
}

absl::Status Alerts::TellSkipped(Watch* watch, LogIndex first, LogIndex end,
                                 const absl::Status& damage) {
  const std::string& name = watch->rule.name;
  if (webhook_ != nullptr) {
    RETURN_IF_ERROR(webhook_->Add(NoticeOfSkipped(*watch, first, end)));
  }
  watch->not_judged.Add(static_cast<double>(end.value - first.value));
  log_.Error(
      fmt::format("alert {}: records {} to {} of log {} cannot be read and were not judged: {}",
                  name, first.value, end.value - 1, watch->log.name(), ToStd(damage.message())));
  events_.Write({"alert.not_judged",
                 true,
                 {{"alert", name},
                  {"log", watch->log.name()},
                  {"first", fmt::format("{}", first.value)},
                  {"end", fmt::format("{}", end.value)},
                  {"what", std::string(damage.message())}}});
  return absl::OkStatus();
}

std::string Alerts::NoticeOf(const Watch& watch, const search::Alert& alert) const {
  const search::AlertRule& rule = watch.rule;
  json::ObjectText notice;
  notice.Text("kind", "alert").Text("id", fmt::format("{}-{}", rule.name, alert.id));
  notice.Text("alert", rule.name).Text("log", watch.log.name());
  notice.Text("origin", watch.log.origin()).Text("query", query::Canonical(rule.query));
  if (rule.by) notice.Text("by", rule.by->name());
  if (rule.by && plan_.webhook_values) notice.Text("value", alert.value);
  notice.Uint64("count", alert.count).Uint64("threshold", rule.threshold);
  notice.Uint64("windowSeconds", static_cast<uint64_t>(rule.window_ns / kSecondNs));
  notice.Uint64("firstIndex", alert.first.value).Uint64("lastIndex", alert.last.value);
  notice.TimeNs("firstReceivedAt", alert.first_received_ns);
  notice.TimeNs("lastReceivedAt", alert.last_received_ns);
  if (!plan_.page.empty()) {
    notice.Text("link",
                webhook::LinkToMatches(plan_.page, watch.log.name(), query::Canonical(rule.query),
                                       alert.first.value, alert.last.value + 1));
  }
  return notice.Finish();
}

std::string Alerts::NoticeOfSkipped(const Watch& watch, LogIndex first, LogIndex end) const {
  json::ObjectText notice;
  notice.Text("kind", "not-judged");
  notice.Text("id", fmt::format("{}-not-judged-{}-{}", watch.rule.name, first.value, end.value));
  notice.Text("alert", watch.rule.name).Text("log", watch.log.name());
  notice.Text("origin", watch.log.origin());
  notice.Uint64("firstIndex", first.value).Uint64("lastIndex", end.value - 1);
  if (!plan_.page.empty()) {
    notice.Text("link", webhook::LinkToRecord(plan_.page, watch.log.name(), first.value));
  }
  return notice.Finish();
}

// A rule may be called as the queue is; with its suffix its file is not.
std::string Alerts::PlacePath(const Watch& watch) const {
  return io::JoinPath(folder_, watch.rule.name + ".place");
}

std::string Alerts::WaitsPath(const Watch& watch) const {
  return io::JoinPath(folder_, watch.rule.name + ".waits");
}

void Alerts::ShowQueue() {
  if (webhook_ == nullptr) return;
  const webhook::OutboxCounters counters = webhook_->outbox().counters();
  waiting_.Set(static_cast<double>(counters.waiting));
  left_out_.RaiseTo(static_cast<double>(counters.left_out));
  failed_tries_.RaiseTo(static_cast<double>(counters.failed_tries));
}

}  // namespace graven::upkeep
