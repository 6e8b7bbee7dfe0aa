#include "engine/scrub_loop.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/thread_name.h"

namespace graven::engine {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
// Shorter rests are put off and taken together.
constexpr int64_t kRestNsMin = 20'000'000;
constexpr int64_t kKeepPlaceEveryNs = 30 * kSecondNs;
constexpr int64_t kRetryNs = 10 * kSecondNs;
constexpr int kNiceness = 10;

int64_t ThreadCpuNs() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * kSecondNs + time.tv_nsec;
}

}  // namespace

int64_t ScrubRestNs(const ScrubBudget& budget, int64_t cpu_ns, uint64_t bytes) {
  const int64_t for_cpu = cpu_ns * (100 - budget.cpu_percent) / budget.cpu_percent;
  const double seconds = static_cast<double>(bytes) / static_cast<double>(budget.bytes_per_second);
  return std::max(for_cpu, static_cast<int64_t>(seconds * 1e9) - cpu_ns);
}

ScrubLoop::ScrubLoop(ledger::Ledger& ledger, Clock& clock, const ScrubBudget& budget,
                     metrics::Registry& metrics, OnFinding on_finding)
    : ledger_(ledger),
      clock_(clock),
      budget_(budget),
      scrubber_(ledger.MakeScrubber(
          [this, on_finding = std::move(on_finding)](const scrub::Finding& finding) {
            sound_ = false;
            metrics_.MakeCounter(metrics::kScrubFindings, {KindText(finding.kind)}).Add();
            if (on_finding) on_finding(finding);
          })),
      metrics_(metrics) {
  using scrub::FindingKind;
  for (const FindingKind kind :
       {FindingKind::kRecord, FindingKind::kFile, FindingKind::kCheckpoint}) {
    metrics_.MakeCounter(metrics::kScrubFindings, {KindText(kind)});  // 0 is said too
  }
  Show();
}

ScrubLoop::~ScrubLoop() { Stop(); }

void ScrubLoop::Start() {
  thread_ = std::thread([this] { Run(); });
  NameThread(thread_, "graven-scrub");
}

void ScrubLoop::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

bool ScrubLoop::Rest(int64_t ns) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, std::chrono::nanoseconds(ns), [&] { return stopping_; });
  return !stopping_;
}

absl::Status ScrubLoop::Pace(uint64_t bytes) {
  bytes_since_rest_ += bytes;
  const int64_t cpu_ns = ThreadCpuNs();
  const int64_t rest_ns = ScrubRestNs(budget_, cpu_ns - cpu_seen_ns_, bytes_since_rest_);
  if (rest_ns < kRestNsMin) return absl::OkStatus();
  cpu_seen_ns_ = cpu_ns;
  bytes_since_rest_ = 0;
  Show();
  if (!Rest(rest_ns)) return absl::CancelledError("the server stops");
  WatchIfDue();
  return absl::OkStatus();
}

void ScrubLoop::WatchIfDue() {
  const int64_t now_ns = clock_.SteadyNs();
  if (now_ns < next_watch_ns_) return;
  next_watch_ns_ = now_ns + budget_.watch_ns;
  scrubber_->Watch();
}

void ScrubLoop::KeepPlaceIfDue(bool now) {
  const int64_t now_ns = clock_.SteadyNs();
  if (!now && now_ns < next_keep_ns_) return;
  next_keep_ns_ = now_ns + kKeepPlaceEveryNs;
  // Nothing is written to a folder that is not to be touched, nor to a full disk.
  if (ledger_.status().write_state != ledger::WriteState::kActive) return;
  // The place is derived: without it the next start begins a new round.
  (void)scrubber_->KeepPlace();
}

void ScrubLoop::Show() {
  const scrub::State status = scrubber_->status();
  metrics_.MakeCounter(metrics::kScrubBytes).RaiseTo(static_cast<double>(status.bytes));
  metrics_.MakeCounter(metrics::kScrubRecords).RaiseTo(static_cast<double>(status.records));
  metrics_.MakeCounter(metrics::kScrubRounds).RaiseTo(static_cast<double>(status.rounds));
  metrics_.MakeGauge(metrics::kScrubProgress).Set(status.progress);
  metrics_.MakeGauge(metrics::kScrubRoundTime)
      .Set(static_cast<double>(status.last_round_ended_ns) * 1e-9);
}

void ScrubLoop::Run() {
  // Below all that answers somebody, but not idle: on a busy machine that would be never.
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kNiceness);
  cpu_seen_ns_ = ThreadCpuNs();
  next_keep_ns_ = clock_.SteadyNs() + kKeepPlaceEveryNs;
  while (true) {
    WatchIfDue();
    const absl::StatusOr<bool> ended =
        scrubber_->Step([this](uint64_t bytes) { return Pace(bytes); });
    Show();
    if (absl::IsCancelled(ended.status())) break;
    KeepPlaceIfDue(ended.ok() && *ended);
    // What cannot be read for want of file handles can be later.
    int64_t rest_ns = ended.ok() ? 0 : kRetryNs;
    if (ended.ok() && *ended) rest_ns = budget_.round_pause_ns;
    // The files are looked at in the pause too.
    bool go_on = true;
    for (int64_t piece_ns = 0; go_on && rest_ns > 0; rest_ns -= piece_ns) {
      piece_ns = std::min(rest_ns, budget_.watch_ns);
      go_on = Rest(piece_ns);
      if (go_on) WatchIfDue();
    }
    if (!go_on || !Rest(0)) break;
  }
  KeepPlaceIfDue(true);
}

}  // namespace graven::engine
