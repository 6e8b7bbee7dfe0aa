#include "upkeep/system_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "base/text_safety.h"
#include "base/thread_name.h"
#include "record/time_text.h"
#include "record/wire.h"
#include "store/log_meta.h"

namespace graven::upkeep {
namespace {

constexpr size_t kLabelBytesMax = 1024;
constexpr size_t kKeysPerEventMax = 60;  // an event has at most 64 labels
constexpr size_t kEventsPerAppend = 100;
constexpr auto kLookForLogsEvery = std::chrono::seconds(1);
constexpr auto kAppendPatience = std::chrono::seconds(10);

// Field numbers of graven.v1.Event.
constexpr uint32_t kEventId = 1, kActor = 2, kAction = 3, kOccurredAt = 5, kOutcome = 6,
                   kLabels = 16;
constexpr uint64_t kSuccess = 1, kFailure = 2;

void SetFate(const std::shared_ptr<std::atomic<EventFate>>& of, EventFate fate) {
  if (of != nullptr) *of = fate;
}

// Cuts between code points.
std::string_view Cut(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xc0) == 0x80) --bytes_max;
  return text.substr(0, bytes_max);
}

}  // namespace

SystemEvent ScrubFindingEvent(const scrub::Finding& finding) {
  SystemEvent event{"scrub.finding", true, {{"kind", std::string(scrub::KindText(finding.kind))}}};
  if (!finding.log.empty()) event.labels.emplace_back("log", finding.log);
  if (finding.first_bad) {
    event.labels.emplace_back("first_bad_index", fmt::format("{}", finding.first_bad->value));
  }
  event.labels.emplace_back("file", finding.file);
  event.labels.emplace_back("offset", fmt::format("{}", finding.offset));
  event.labels.emplace_back("what", finding.what);
  return event;
}

std::pair<std::string, std::string> SignedSinceStart(const ledger::LedgerStatus& status) {
  return {"checkpoints_signed_since_start", fmt::format("{}", status.checkpoints_signed)};
}

std::string EncodeSystemEvent(const SystemEvent& event, std::string_view event_id, int64_t now_ns) {
  std::string bytes, part;
  record::AppendBytesField(kEventId, event_id, &bytes);
  record::AppendBytesField(1, engine::kServerIdentity, &part);
  record::AppendBytesField(2, "service", &part);
  record::AppendBytesField(kActor, part, &bytes);
  record::AppendBytesField(kAction, event.action, &bytes);
  const record::TimePoint at = record::FromNs(now_ns);
  part.clear();
  if (at.seconds != 0) record::AppendVarintField(1, static_cast<uint64_t>(at.seconds), &part);
  if (at.nanos != 0) record::AppendVarintField(2, static_cast<uint64_t>(at.nanos), &part);
  record::AppendBytesField(kOccurredAt, part, &bytes);
  record::AppendVarintField(kOutcome, event.failure ? kFailure : kSuccess, &bytes);
  for (const auto& [key, value] : event.labels) {
    part.clear();
    record::AppendBytesField(1, key, &part);
    record::AppendBytesField(2, Cut(SafeText(value), kLabelBytesMax), &part);
    record::AppendBytesField(kLabels, part, &bytes);
  }
  return bytes;
}

SystemLog::SystemLog(engine::AppendDoor& door, ledger::Ledger& ledger, Clock& clock,
                     int64_t counters_every_ns, OperationalLog* log)
    : door_(door),
      ledger_(ledger),
      clock_(clock),
      counters_every_ns_(counters_every_ns),
      log_(log),
      started_ns_(clock.WallNs()),
      logs_seen_(ledger.Logs().size()),
      next_counters_ns_(clock.SteadyNs() + counters_every_ns),
      records_told_(RecordsOfOthers()) {
  thread_ = std::thread([this] { Run(); });
  NameThread(thread_, "graven-system");
}

SystemLog::~SystemLog() { Stop(0); }

void SystemLog::Write(SystemEvent event) {
  const int64_t now_ns = clock_.WallNs();
  std::lock_guard lock(mutex_);
  if (closed_) return SetFate(event.fate, EventFate::kLost);
  if (pending_.size() >= kPendingMax) {
    ++dropped_;
    return SetFate(event.fate, EventFate::kLost);
  }
  if (dropped_ > 0) event.labels.emplace_back("events_lost_before", fmt::format("{}", dropped_));
  dropped_ = 0;
  // A second attempt after an unknown outcome is found to be the same event.
  const std::string id = fmt::format("graven-{:x}-{}", started_ns_, ++written_);
  pending_.push_back({EncodeSystemEvent(event, id, now_ns), std::move(event.fate)});
  changed_.notify_all();
}

void SystemLog::WriteKeys(std::string_view action,
                          const std::vector<std::pair<std::string, std::string>>& others) {
  SystemEvent event{std::string(action), false, others};
  for (const ledger::LogRef log : ledger_.Logs()) {
    event.labels.emplace_back("log:" + log.name(), ledger_.Info(log).vkey);
    if (event.labels.size() < kKeysPerEventMax) continue;
    Write(std::exchange(event, {std::string(action), false, {}}));
  }
  if (!event.labels.empty()) Write(std::move(event));
}

void SystemLog::Stop(int64_t patience_ns) {
  {
    std::unique_lock lock(mutex_);
    closed_ = true;
    changed_.notify_all();
    // Whatever is refused now is refused for longer than a stop may take.
    changed_.wait_for(lock, std::chrono::nanoseconds(patience_ns),
                      [this] { return pending_.empty() || refused_at_end_; });
    if (!std::exchange(stopping_, true) && !pending_.empty()) {
      log_->Warning(fmt::format("{} events of the log {} could not be written", pending_.size(),
                                ledger::kSystemLogName));
    }
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

EventFate SystemLog::AppendFirst(std::vector<std::string> events) {
  struct Answer {
    std::mutex mutex;
    std::condition_variable came;
    std::optional<absl::Status> status;
  };
  // Shared: the answer may come when nobody waits for it any more.
  const auto answer = std::make_shared<Answer>();
  engine::AppendOrder order;
  order.log = ledger::kSystemLogName;
  order.events = std::move(events);
  order.written_by = engine::kServerIdentity;
  door_.Append(std::move(order), [answer](absl::StatusOr<engine::AppendAnswer> done) {
    std::lock_guard lock(answer->mutex);
    answer->status = done.status();
    answer->came.notify_all();
  });
  std::unique_lock lock(answer->mutex);
  answer->came.wait_for(lock, kAppendPatience, [&] { return answer->status.has_value(); });
  if (!answer->status) return EventFate::kWaiting;
  if (answer->status->ok()) return EventFate::kDurable;
  const absl::Status& status = *answer->status;
  // Full, or not known: the same ids find out later. Anything else will not get better.
  if (absl::IsResourceExhausted(status) || absl::IsUnavailable(status)) {
    return EventFate::kWaiting;
  }
  if (!std::exchange(gave_up_, true)) {
    log_->Warning(fmt::format("the log {} takes no events: {}", ledger::kSystemLogName,
                              std::string(status.message())));
  }
  return EventFate::kLost;
}

void SystemLog::LookForNewLogs() {
  const std::vector<ledger::LogRef> logs = ledger_.Logs();
  if (logs.size() == logs_seen_) return;
  std::vector<ledger::LogRef> newest = logs;
  std::sort(newest.begin(), newest.end(),
            [](ledger::LogRef a, ledger::LogRef b) { return a.number() > b.number(); });
  newest.resize(std::min(newest.size(), logs.size() - logs_seen_));
  logs_seen_ = logs.size();
  for (const ledger::LogRef log : newest) {
    const ledger::LogInfo info = ledger_.Info(log);
    Write(
        {"log.create", false, {{"log", info.name}, {"origin", info.origin}, {"vkey", info.vkey}}});
  }
}

uint64_t SystemLog::RecordsOfOthers() const {
  uint64_t records = 0;
  for (const ledger::LogRef log : ledger_.Logs()) {
    if (log.name() != ledger::kSystemLogName) records += ledger_.GetPublished(log)->size.value;
  }
  return records;
}

void SystemLog::TellSignatures() {
  const int64_t now_ns = clock_.SteadyNs();
  if (now_ns < next_counters_ns_) return;
  next_counters_ns_ = now_ns + counters_every_ns_;
  // What is signed for this very log says nothing, and would never end.
  const uint64_t records = RecordsOfOthers();
  if (records == std::exchange(records_told_, records)) return;
  Write({"signatures.count",
         false,
         {SignedSinceStart(ledger_.status()), {"records_published", fmt::format("{}", records)}}});
}

void SystemLog::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (pending_.empty()) {
      changed_.wait_for(lock, kLookForLogsEvery);
      if (stopping_ || closed_) continue;
      lock.unlock();
      LookForNewLogs();
      TellSignatures();
      lock.lock();
      continue;
    }
    const size_t count = std::min(pending_.size(), kEventsPerAppend);
    std::vector<std::string> events;
    for (size_t i = 0; i < count; ++i) events.push_back(pending_[i].bytes);
    lock.unlock();
    const EventFate fate = AppendFirst(std::move(events));
    lock.lock();
    if (fate != EventFate::kWaiting) {
      for (size_t i = 0; i < count; ++i) SetFate(pending_[i].fate, fate);
      pending_.erase(pending_.begin(), pending_.begin() + static_cast<int64_t>(count));
      changed_.notify_all();
    } else if (closed_) {
      refused_at_end_ = true;
      changed_.notify_all();
      changed_.wait(lock, [this] { return stopping_; });
    } else {
      changed_.wait_for(lock, kLookForLogsEvery, [this] { return closed_; });
    }
  }
}

}  // namespace graven::upkeep
