#include "engine/housekeeper.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "base/idle_priority.h"
#include "base/thread_name.h"

namespace graven::engine {
namespace {

constexpr auto kSleep = std::chrono::milliseconds(100);
// The preparer looks after so many bytes, so that a full journal file is followed by a ready one.
constexpr size_t kBytesPerWake = size_t{4} << 20;
// Filling new journal files costs more than sealing without compression does.
constexpr double kHasteAbove = 0.45;
// A burst: so many bytes a second. Sealing waits for its end while the journal is less full than
// this.
constexpr double kBurstBytesPerSecond = 120e6;
constexpr double kBurstFillMax = 0.35;
constexpr double kLeisureBelow = 0.25;

}  // namespace

Housekeeper::Housekeeper(ledger::Ledger& ledger, std::function<void(const absl::Status&)> failed,
                         std::function<void(bool passes)> on_burst)
    : ledger_(ledger), failed_(std::move(failed)), on_burst_(std::move(on_burst)) {}

Housekeeper::~Housekeeper() { Stop(); }

void Housekeeper::Start() {
  may_lower_ = MayRaiseAgain();
  preparer_ = std::thread([this] { RunPreparer(); });
  NameThread(preparer_, "graven-prepare");
  sealer_ = std::thread([this] { RunSealer(); });
  NameThread(sealer_, "graven-seal");
}

void Housekeeper::Notify(size_t bytes, bool urgent) {
  const size_t before = bytes_.fetch_add(bytes);
  if (!urgent && before / kBytesPerWake == (before + bytes) / kBytesPerWake) return;
  if (has_work_.exchange(true)) return;
  { std::lock_guard lock(mutex_); }
  wake_.notify_all();
}

void Housekeeper::Stop() {
  stopping_ = true;
  { std::lock_guard lock(mutex_); }
  wake_.notify_all();
  if (preparer_.joinable()) preparer_.join();
  if (sealer_.joinable()) sealer_.join();
}

void Housekeeper::RunPreparer() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    LookForBurst();
    Report(ledger_.PrepareJournal(in_burst_));
    SetHaste();
    lock.lock();
    wake_.wait_for(lock, kSleep, [&] { return stopping_ || has_work_.load(); });
    has_work_ = false;
  }
}

void Housekeeper::SetHaste() {
  const double fill = ledger_.journal_fill();
  const bool was = in_haste_;
  const bool now = was ? fill > kLeisureBelow : fill > kHasteAbove;
  if (now == was) return;
  in_haste_ = now;
  if (const pid_t sealer = sealer_thread_id_; sealer != 0 && may_lower_) {
    now ? RaiseAgain(sealer) : LowerToIdle(sealer);
  }
}

void Housekeeper::RunSealer() {
  sealer_thread_id_ = static_cast<pid_t>(syscall(SYS_gettid));
  if (may_lower_) LowerToIdle(sealer_thread_id_);
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    if (!in_burst_ || ledger_.journal_fill() > kBurstFillMax) SealWhileWanted();
    lock.lock();
    wake_.wait_for(lock, kSleep, [&] { return stopping_.load(); });
  }
}

void Housekeeper::LookForBurst() {
  const auto now = std::chrono::steady_clock::now();
  const std::chrono::duration<double> passed = now - looked_at_;
  if (passed < kSleep) return;
  const size_t bytes = bytes_;
  const auto arrived = static_cast<double>(bytes - std::exchange(bytes_seen_, bytes));
  in_burst_ = arrived > kBurstBytesPerSecond * passed.count();
  looked_at_ = now;
  // Sealing has to go on in one that fills the journal; what is told of it may wait for its end.
  if (std::exchange(burst_told_, in_burst_) != in_burst_ && on_burst_) on_burst_(in_burst_);
}

void Housekeeper::SealWhileWanted() {
  while (!stopping_) {
    absl::StatusOr<bool> sealed = ledger_.Seal(in_haste_);
    if (!sealed.ok()) {
      // The records stay in the journal; the next look comes after the sleep.
      Report(sealed.status());
      return;
    }
    if (!*sealed) return;
    // A retired journal file may be just what the preparer waits for.
    has_work_ = true;
    wake_.notify_all();
  }
}

// A full disk is a state of the ledger and not news; anything else is told once until it changes.
void Housekeeper::Report(const absl::Status& status) {
  if (absl::IsResourceExhausted(status)) return;
  std::lock_guard lock(report_mutex_);
  if (status.ok() || status == last_reported_) return;
  last_reported_ = status;
  if (failed_) failed_(status);
}

}  // namespace graven::engine
