#include "upkeep/life_log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "base/clock.h"

namespace graven::upkeep {
namespace {

constexpr int64_t kStopPatienceNs = 5'000'000'000;

}  // namespace

void SystemEvents::Write(SystemEvent event) {
  std::lock_guard lock(mutex_);
  if (log_ != nullptr) return log_->Write(std::move(event));
  if (!ended_ && waiting_.size() < kWaitingMax) {
    waiting_.push_back(std::move(event));
  } else if (event.fate != nullptr) {
    *event.fate = ended_ && !had_log_ ? EventFate::kNoLog : EventFate::kLost;
  }
}

void SystemEvents::Attach(SystemLog* log) {
  std::lock_guard lock(mutex_);
  log_ = log;
  ended_ = log == nullptr;
  had_log_ = had_log_ || log != nullptr;
  for (SystemEvent& event : waiting_) {
    if (log != nullptr) {
      log->Write(std::move(event));
    } else if (event.fate != nullptr) {
      *event.fate = EventFate::kNoLog;
    }
  }
  waiting_.clear();
}

LifeLog::LifeLog(engine::AppendDoor& door, ledger::Ledger& ledger, Facts facts,
                 SystemEvents& events, OperationalLog* log)
    : ledger_(ledger), facts_(std::move(facts)), events_(events) {
  const ledger::LedgerStatus status = ledger.status();
  if (!ledger.FindLog(ledger::kSystemLogName) ||
      status.write_state == ledger::WriteState::kReadOnly) {
    events_.Attach(nullptr);  // nothing can be written to a folder that is damaged
    return;
  }
  system_log_ =
      std::make_unique<SystemLog>(door, ledger, SystemClock(), facts_.counters_every_ns, log);
  system_log_->Write({"server.start",
                      false,
                      {{"version", facts_.version},
                       {"pid", fmt::format("{}", getpid())},
                       {"logs", fmt::format("{}", status.log_count)},
                       {"configuration_sha256", facts_.configuration_sha256}}});
  if (!status.recovery_report.empty()) {
    system_log_->Write({"server.recovery", false, {{"report", status.recovery_report}}});
  }
  system_log_->WriteKeys("key.load", facts_.other_keys);
  events_.Attach(system_log_.get());
}

LifeLog::~LifeLog() {
  events_.Attach(nullptr);
  if (system_log_ == nullptr) return;
  system_log_->WriteKeys("key.unload", facts_.other_keys);
  system_log_->Write({"server.stop", false, {SignedSinceStart(ledger_.status())}});
  system_log_->Stop(kStopPatienceNs);
}

}  // namespace graven::upkeep
