#include "upkeep/alerts.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <utility>

#include "base/absl_views.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "base/thread_name.h"
#include "io/durable_file.h"
#include "metrics/instruments.h"
#include "query/parser.h"
#include "store/segment_reader.h"

namespace graven::upkeep {
namespace {

constexpr auto kPause = std::chrono::milliseconds(250);
constexpr uint64_t kRecordsPerLook = 4096;
// A place that has moved is kept so often; it says where to begin again, no more.
constexpr int64_t kKeepNs = 5 * kSecondNs;
constexpr int64_t kRestNsMin = 1 * kSecondNs;
// Short, so that a rule goes on soon after its disk does.
constexpr int64_t kRestNsMax = 5 * kSecondNs;
constexpr size_t kHeadBytesMax = 128;

// A damaged range is stepped over in pieces of so many records at most.
constexpr uint64_t kSkippedPieceMax = 65'536;
// Reads of one look that find out how far damage goes, where no reader says so.
constexpr int kProbesPerLook = 64;
// How long a stop waits for the log `_system` to take what was skipped.
constexpr auto kFatePatience = std::chrono::seconds(1);
constexpr auto kFatePause = std::chrono::milliseconds(5);

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
        lag(metrics.MakeGauge(metrics::kAlertLag, {of.name})),
        reading(fmt::format("alert {} stands still, its log cannot be read", of.name),
                metrics.MakeGauge(metrics::kAlertStandsStill, {of.name, "read"})),
        telling(fmt::format("alert {} stands still, what it found cannot be told", of.name),
                metrics.MakeGauge(metrics::kAlertStandsStill, {of.name, "tell"})),
        keeping(fmt::format("alert {}: its place cannot be kept", of.name),
                metrics.MakeGauge(metrics::kAlertStandsStill, {of.name, "place"})) {}

  bool HasTrouble() const { return reading.lasts() || telling.lasts() || keeping.lasts(); }

  // A range that cannot be read, as far as it is known.
  struct Damage {
    LogIndex first, end;
    std::string what;
    bool is_measured = false;
  };

  const search::AlertRule& rule;
  metrics::Counter raised, not_judged;
  metrics::Gauge lag;
  Trouble reading, telling, keeping;
  ledger::LogRef log;  // nothing: there is no such log yet
  bool waits = false;  // there was none when this server looked
  bool waits_is_kept = false;
  std::optional<search::AlertWindow> window;
  std::deque<search::Alert> untold;    // raised by the window
  std::string kept;                    // the place in the file
  int64_t kept_at_ns = 0;              // or tried
  bool must_keep = false;              // something was told since
  std::optional<LogIndex> damaged_at;  // could not be read once
  std::optional<Damage> damage;
  // What the log `_system` has not taken yet; the place waits for them.
  std::vector<SystemEvent> system_events;
  int64_t system_since_ns = 0;  // since when there are any
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
    // What fails is told, and tried again.
    if (!searches.reads().FindLog(rule.log).ok()) alerts->KeepWaiting(watch);
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
  // A place that is not kept lets its rule begin at an older one, so the log `_system` is given a
  // moment for what was told last.
  const auto until = std::chrono::steady_clock::now() + kFatePatience;
  for (const auto& watch : watches_) {
    if (!watch->window) continue;
    while (!SystemLogHasIt(watch.get()) && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(kFatePause);
    }
    KeepPlace(watch.get());
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
    if (!looked.ok()) {
      LetRest(watch.get(), &watch->reading, looked.status());
      continue;
    }
    if (!watch->HasTrouble()) watch->rest_ns = 0;
    more = more || *looked;
  }
  return more;
}

void Alerts::LetRest(Watch* watch, Trouble* trouble, const absl::Status& error) {
  const int64_t now_ns = searches_.clock().SteadyNs();
  trouble->Meet(error, now_ns, &log_);
  watch->rest_ns = std::clamp(2 * watch->rest_ns, kRestNsMin, kRestNsMax);
  watch->rest_until_ns = now_ns + watch->rest_ns;
}

absl::StatusOr<bool> Alerts::LookAt(Watch* watch) {
  if (!watch->log) {
    const absl::StatusOr<ledger::LogRef> found = searches_.reads().FindLog(watch->rule.log);
    if (!found.ok()) {
      KeepWaiting(watch);
      return false;
    }
    watch->log = *found;
  }
  if (!watch->window) {
    if (const absl::Status begun = Begin(watch); !begun.ok()) {
      watch->window.reset();
      LetRest(watch, &watch->keeping, begun);
      return false;
    }
  }
  const TreeSize size = searches_.ledger().GetPublished(watch->log)->size;
  const LogIndex next = watch->window->next();
  watch->lag.Set(static_cast<double>(size.value - std::min(next.value, size.value)));
  // What could not be told, or kept, before anything is found in addition to it.
  if (!TellAll(watch)) return false;
  absl::Status judged;
  if (watch->damage) {
    MeetDamage(watch, size);
  } else if (next.value < size.value) {
    judged = Judge(watch, size);
  }
  const bool told = TellAll(watch);
  const bool is_late = searches_.clock().SteadyNs() - watch->kept_at_ns >= kKeepNs;
  if (told && (is_late || (watch->must_keep && !watch->keeping.lasts()))) KeepPlace(watch);
  RETURN_IF_ERROR(judged);
  return told && watch->window->next().value < size.value && !watch->damaged_at;
}

absl::Status Alerts::Judge(Watch* watch, TreeSize size) {
  const LogIndex first = watch->window->next();
  const LogIndex end =
      watch->window->UpTo(LogIndex(std::min(size.value, first.value + kRecordsPerLook)));
  // Every record is given to the window: time goes on with those that do not match, too.
  search::Scan scan = search::Scan::Within(searches_.SourceOf(watch->log, query::Query(), size),
                                           first.value, end.value);
  std::vector<search::Alert> raised;
  const absl::Status read = scan.Step(search::Turn(), [&](const search::Hit& hit) {
    watch->window->Add(hit.view, &raised);
    return stopping_ ? search::Verdict::kStop : search::Verdict::kGoOn;
  });
  // Of an error too: what the window has seen by then it will not see again.
  watch->untold.insert(watch->untold.end(), raised.begin(), raised.end());
  if (!absl::IsDataLoss(read)) {
    RETURN_IF_ERROR(read);
    watch->damaged_at.reset();
    watch->reading.End(searches_.clock().SteadyNs(), &log_);
    return absl::OkStatus();
  }
  const LogIndex bad = watch->window->next();
  if (watch->damaged_at != bad) {
    // It may be a bad read that does not come again.
    watch->damaged_at = bad;
    watch->rest_until_ns = searches_.clock().SteadyNs() + kRestNsMin;
    return absl::OkStatus();
  }
  watch->damaged_at.reset();
  watch->damage = {.first = bad,
                   .end = std::max(bad + 1, EndOfDamage(read)),
                   .what = std::string(ToStd(read.message()))};
  return absl::OkStatus();
}

// Behind what the reader says is lost with the record that was asked for, or 0.
LogIndex Alerts::EndOfDamage(const absl::Status& status) {
  const std::optional<store::SegmentDamage> damage = store::SegmentDamageOf(status);
  return damage ? damage->end : LogIndex(0);
}

// What cannot be read twice, with a rest between, is told and stepped over.
void Alerts::MeetDamage(Watch* watch, TreeSize size) {
  Watch::Damage& damage = *watch->damage;
  const LogIndex limit =
      watch->window->UpTo(LogIndex(std::min(size.value, damage.first.value + kSkippedPieceMax)));
  damage.end = std::min(damage.end, limit);
  for (int probes = 0; !damage.is_measured; ++probes) {
    if (probes == kProbesPerLook || stopping_) return;  // goes on with the next look
    absl::Status read;
    if (damage.end < limit) {
      search::Scan scan = search::Scan::Within(searches_.SourceOf(watch->log, query::Query(), size),
                                               damage.end.value, damage.end.value + 1);
      read = scan.Step(search::Turn(), [](const search::Hit&) { return search::Verdict::kGoOn; });
    }
    // Any other error is met when the range behind this one is judged.
    if (!absl::IsDataLoss(read)) {
      damage.is_measured = true;
    } else {
      damage.end = std::min(limit, std::max(damage.end + 1, EndOfDamage(read)));
    }
  }
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
  // Not judged before that is kept: after a crash it would begin at another end.
  RETURN_IF_ERROR(WritePlace(watch));
  watch->waits = false;
  // From here on the place says it. Left behind by a crash it means nothing while there is one.
  if (from_the_start) (void)fs_.Remove(WaitsPath(*watch));
  return absl::OkStatus();
}

// A place that cannot be kept does not hold up the rule: what is told twice after a crash is better
// than what is told late.
void Alerts::KeepPlace(Watch* watch) {
  // It must not say that something was told that was not.
  if (!watch->untold.empty() || !SystemLogHasIt(watch)) return;
  const int64_t now_ns = searches_.clock().SteadyNs();
  watch->kept_at_ns = now_ns;
  if (const absl::Status kept = WritePlace(watch); !kept.ok()) {
    return watch->keeping.Meet(kept, now_ns, &log_);
  }
  watch->must_keep = false;
  watch->keeping.End(now_ns, &log_);
}

absl::Status Alerts::WritePlace(Watch* watch) {
  std::string place = watch->window->Place();
  if (place == watch->kept) return absl::OkStatus();
  RETURN_IF_ERROR(io::WriteFileDurably(fs_, PlacePath(*watch),
                                       HeadOf(watch->rule, watch->log.origin()) + place));
  watch->kept = std::move(place);
  return absl::OkStatus();
}

bool Alerts::SystemLogHasIt(Watch* watch) {
  std::erase_if(watch->system_events, [](const SystemEvent& event) {
    const EventFate fate = event.fate->load();
    return fate == EventFate::kDurable || fate == EventFate::kNoLog;
  });
  if (watch->system_events.empty()) return true;
  const int64_t now_ns = searches_.clock().SteadyNs();
  const bool is_lost = std::ranges::any_of(watch->system_events, [](const SystemEvent& event) {
    return event.fate->load() == EventFate::kLost;
  });
  const bool was_met = watch->keeping.lasts();
  if (is_lost || now_ns - watch->system_since_ns >= kKeepNs) {
    watch->keeping.Meet(absl::UnavailableError("the log _system does not take what was skipped"),
                        now_ns, &log_);
  }
  // What was lost is written again as often as a place is kept, not more.
  if (was_met && now_ns - watch->kept_at_ns < kKeepNs) return false;
  for (SystemEvent& event : watch->system_events) {
    if (event.fate->load() != EventFate::kLost) continue;
    watch->kept_at_ns = now_ns;
    event.fate = std::make_shared<std::atomic<EventFate>>(EventFate::kWaiting);
    events_.Write(event);
  }
  return false;
}

void Alerts::KeepWaiting(Watch* watch) {
  const int64_t now_ns = searches_.clock().SteadyNs();
  watch->waits = true;
  if (watch->waits_is_kept) return;
  const absl::Status kept = io::WriteFileDurably(fs_, WaitsPath(*watch), HeadOf(watch->rule, ""));
  watch->waits_is_kept = kept.ok();
  if (!kept.ok()) return LetRest(watch, &watch->keeping, kept);
  watch->keeping.End(now_ns, &log_);
}

absl::StatusOr<bool> Alerts::HasWaited(const Watch& watch) {
  if (watch.waits) return true;
  const absl::StatusOr<std::string> text = io::ReadWholeFile(fs_, WaitsPath(watch), kHeadBytesMax);
  if (absl::IsNotFound(text.status())) return false;
  RETURN_IF_ERROR(text.status());
  return *text == HeadOf(watch.rule, "");
}

bool Alerts::TellAll(Watch* watch) {
  absl::Status told;
  while (!watch->untold.empty() && told.ok()) {
    told = Tell(watch, watch->untold.front());
    // Within one life nothing is told twice, whatever fails after it.
    if (told.ok()) watch->untold.pop_front();
  }
  // After its alerts: they are of records before it.
  if (told.ok() && watch->damage && watch->damage->is_measured) {
    if (!MaySkip(watch)) return false;
    told = TellSkipped(watch);
  }
  if (!told.ok()) {
    LetRest(watch, &watch->telling, told);
    return false;
  }
  watch->telling.End(searches_.clock().SteadyNs(), &log_);
  return true;
}

// A log in ruins must fill no memory, nor may the place pass what `_system` may never hear of.
bool Alerts::MaySkip(Watch* watch) {
  if (watch->system_events.size() < plan_.skipped_waiting_max) return true;
  (void)SystemLogHasIt(watch);  // lets go of what it has
  if (watch->system_events.size() < plan_.skipped_waiting_max) return true;
  LetRest(watch, &watch->keeping,
          absl::UnavailableError("the log _system has not taken what was skipped before"));
  return false;
}

absl::Status Alerts::Tell(Watch* watch, const search::Alert& alert) {
  const search::AlertRule& rule = watch->rule;
  // First what may fail: what is tried again is neither logged nor counted twice.
  if (webhook_ != nullptr) {
    RETURN_IF_ERROR(webhook_->Add(NoticeOf(ContextOf(*watch), alert)));
  }
  watch->must_keep = true;
  watch->raised.Add();
  log_.Warning(fmt::format("alert {}: {} matches{} in {} s, records {} to {}", rule.name,
                           alert.count,
                           // Not its value: that is content of records.
                           rule.by ? fmt::format(" of one {}", rule.by->name()) : "",
                           rule.window_ns / kSecondNs, alert.first.value, alert.last.value));
  return absl::OkStatus();
}

absl::Status Alerts::TellSkipped(Watch* watch) {
  const std::string& name = watch->rule.name;
  const LogIndex first = watch->damage->first;
  const LogIndex end = watch->damage->end;
  const std::string& what = watch->damage->what;
  if (webhook_ != nullptr) {
    RETURN_IF_ERROR(webhook_->Add(NoticeOfSkipped(ContextOf(*watch), first, end)));
  }
  watch->not_judged.Add(static_cast<double>(end.value - first.value));
  log_.Error(
      fmt::format("alert {}: records {} to {} of log {} cannot be read and were not judged: {}",
                  name, first.value, end.value - 1, watch->log.name(), what));
  SystemEvent event = {"alert.not_judged",
                       true,
                       {{"alert", name},
                        {"log", watch->log.name()},
                        {"first", fmt::format("{}", first.value)},
                        {"end", fmt::format("{}", end.value)},
                        {"what", what}},
                       std::make_shared<std::atomic<EventFate>>(EventFate::kWaiting)};
  events_.Write(event);
  const int64_t now_ns = searches_.clock().SteadyNs();
  if (watch->system_events.empty()) watch->system_since_ns = now_ns;
  watch->system_events.push_back(std::move(event));
  watch->window->Skip(end);
  watch->damage.reset();
  watch->must_keep = true;
  watch->reading.End(now_ns, &log_);  // it goes on behind what cannot be read
  return absl::OkStatus();
}

NoticeContext Alerts::ContextOf(const Watch& watch) const {
  return {watch.rule, watch.log.name(), watch.log.origin(), plan_.page, plan_.webhook_values};
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
