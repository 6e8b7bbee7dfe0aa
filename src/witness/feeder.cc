#include "witness/feeder.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/absl_views.h"
#include "base/text_safety.h"
#include "base/thread_name.h"
#include "fmt/format.h"

namespace graven::witness {

Feeder::Feeder(FedLogs& logs, Clock& clock, note::Policy policy, FeederPace pace,
               DoorMaker make_door)
    : logs_(logs),
      clock_(clock),
      policy_(std::move(policy)),
      pace_(pace),
      make_door_(std::move(make_door)) {
  for (size_t i = 0; i < policy_.witnesses().size(); ++i) {
    const note::PolicyWitness& witness = policy_.witnesses()[i];
    if (!witness.key || witness.url.empty()) {
      logs_.Report(true, fmt::format("witness {} is not asked: {}", SafeText(witness.name),
                                     witness.key ? "the policy has no URL for it"
                                                 : "its key is of a type unknown here"));
      continue;
    }
    asked_.push_back({{witness.name, *witness.key, witness.url}, i});
  }
  last_log_.resize(asked_.size());
  answers_.resize(asked_.size());
}

Feeder::~Feeder() { Stop(); }

void Feeder::LookBeforeSigning() {
  std::mutex mutex;
  std::condition_variable changed;
  size_t busy = asked_.size();
  std::vector<std::unique_ptr<WitnessDoor>> doors;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < asked_.size(); ++i) doors.push_back(make_door_());
  for (size_t i = 0; i < asked_.size(); ++i) {
    threads.emplace_back([&, i] {
      LookAtAll(i, *doors[i]);
      std::lock_guard lock(mutex);
      --busy;
      changed.notify_one();
    });
  }
  {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, std::chrono::nanoseconds(pace_.start_ns), [&] { return busy == 0; });
    if (busy > 0) {
      logs_.Report(false, fmt::format("{} of {} witnesses did not answer in time before the first "
                                      "signature; they are asked later",
                                      busy, asked_.size()));
    }
  }
  for (auto& door : doors) door->Cancel();
  for (std::thread& thread : threads) thread.join();
}

void Feeder::LookAtAll(size_t witness, WitnessDoor& door) {
  Job job;
  int64_t wake_ns = 0;
  // Each log once: whatever the answer, it is not asked again at the same time.
  while (Next(witness, clock_.SteadyNs(), &job, &wake_ns)) Do(witness, door, job);
}

void Feeder::Start() {
  for (size_t i = 0; i < asked_.size(); ++i) doors_.push_back(make_door_());
  for (size_t i = 0; i < asked_.size(); ++i) {
    threads_.emplace_back([this, i] { Run(i, *doors_[i]); });
    NameThread(threads_.back(), "graven-feed");
  }
}

void Feeder::Notify() {
  {
    std::lock_guard lock(mutex_);
    ++notified_;
  }
  wake_.notify_all();
}

void Feeder::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& door : doors_) door->Cancel();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Feeder::Run(size_t witness, WitnessDoor& door) {
  // A log that is made later is seen after this at the latest.
  constexpr int64_t kSleepNsMax = 1'000'000'000;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const uint64_t notified = notified_;
    lock.unlock();
    Job job;
    const int64_t now_ns = clock_.SteadyNs();
    int64_t wake_ns = now_ns + kSleepNsMax;
    const bool found = Next(witness, now_ns, &job, &wake_ns);
    if (found) Do(witness, door, job);
    lock.lock();
    if (found) continue;
    wake_.wait_for(lock, std::chrono::nanoseconds(std::max<int64_t>(wake_ns - now_ns, 1'000'000)),
                   [&] { return stopping_ || notified_ != notified; });
  }
}

Feeder::FedLog& Feeder::Find(uint32_t number) {
  const auto [found, is_new] = fed_.try_emplace(number);
  if (is_new) found->second.standings.resize(asked_.size());
  return found->second;
}

// Takes up the newest checkpoint when the round that is under way has had its time.
void Feeder::AdvanceRound(uint32_t number, FedLog* log, int64_t now_ns) {
  const int64_t age_ns = now_ns - log->started_ns;
  const bool all_answered = std::ranges::all_of(log->standings, [&](const Standing& standing) {
    return standing.answered_round == log->round || standing.not_before_ns > now_ns;
  });
  const bool is_over = log->met || all_answered || age_ns >= pace_.round_patience_ns;
  const bool has_grown = logs_.NewestSize(number) > log->target.size;
  if (log->round != 0 && age_ns < pace_.refresh_ns &&
      !(has_grown && is_over && age_ns >= pace_.round_ns)) {
    return;
  }
  log->target = logs_.Newest(number);
  ++log->round;
  log->started_ns = now_ns;
  log->met = false;
  log->lines.assign(policy_.witnesses().size(), "");
}

bool Feeder::Next(size_t witness, int64_t now_ns, Job* job, int64_t* wake_ns) {
  std::vector<uint32_t> numbers = logs_.Numbers();
  std::ranges::sort(numbers);
  std::lock_guard lock(mutex_);
  // From the log behind the last one on, so that a busy log does not keep the others away.
  const auto first = std::ranges::upper_bound(numbers, last_log_[witness]);
  std::rotate(numbers.begin(), first, numbers.end());
  for (const uint32_t number : numbers) {
    FedLog& log = Find(number);
    AdvanceRound(number, &log, now_ns);
    if (log.target.checkpoint.empty()) continue;  // stored bytes do not reach what was signed
    const Standing& standing = log.standings[witness];
    if (standing.answered_round != log.round && standing.not_before_ns <= now_ns) {
      last_log_[witness] = number;
      *job = {number, log.round, log.target, standing.known_size, !standing.looked};
      return true;
    }
    const int64_t next_ns =
        standing.answered_round != log.round ? standing.not_before_ns
        : logs_.NewestSize(number) > log.target.size
            ? std::max(log.started_ns + pace_.round_ns, now_ns + pace_.round_ns / 10)
            : log.started_ns + pace_.refresh_ns;
    *wake_ns = std::min(*wake_ns, next_ns);
  }
  return false;
}

void Feeder::Do(size_t witness, WitnessDoor& door, const Job& job) {
  const WitnessAddress& address = asked_[witness].address;
  if (job.look) {
    const Shown shown = LookAtShown(door, address, logs_, job.log);
    std::lock_guard lock(mutex_);
    Standing& standing = Find(job.log).standings[witness];
    standing.looked = shown != Shown::kNoAnswer;
    if (shown == Shown::kStopped) {
      standing.answered_round = job.round;
      return;
    }
  }
  Job known = job;
  const SubmissionResult result =
      Submit(door, address, logs_, job.log, job.target, &known.known_size);
  Settle(witness, known, result);
  if (result.verdict == Verdict::kCosigned) Merge(job.log, job.round);
}

void Feeder::Settle(size_t witness, const Job& job, const SubmissionResult& result) {
  std::lock_guard lock(mutex_);
  FedLog& log = Find(job.log);
  Standing& standing = log.standings[witness];
  standing.known_size = job.known_size;
  ++answers_[witness][result.verdict];
  const int64_t now_ns = clock_.SteadyNs();
  ReportChange(witness, job.log, &standing, result);
  switch (result.verdict) {
    case Verdict::kCosigned:
      standing.answered_round = job.round;
      standing.backoff_ns = 0;
      if (log.round == job.round) log.lines[asked_[witness].position] = result.line;
      return;
    case Verdict::kAhead:
      // The next round is for the newest tree, which it knows a prefix of.
      standing.answered_round = job.round;
      return;
    case Verdict::kSuspect:
      standing.not_before_ns = now_ns + pace_.set_aside_ns;
      return;
    case Verdict::kRefused:
    case Verdict::kStopped:
      standing.not_before_ns = now_ns + pace_.backoff_last_ns;
      return;
    case Verdict::kUnreached:
      break;
  }
  standing.backoff_ns =
      std::clamp(standing.backoff_ns * 2, pace_.backoff_first_ns, pace_.backoff_last_ns);
  standing.not_before_ns =
      now_ns + std::max(standing.backoff_ns, result.retry_after_s * 1'000'000'000);
}

// Told when it begins, when it changes and when it ends, not at each try.
void Feeder::ReportChange(size_t witness, uint32_t log, Standing* standing,
                          const SubmissionResult& result) {
  if (result.verdict == Verdict::kAhead) return;
  standing->cosigned = result.verdict == Verdict::kCosigned;
  if (result.verdict == Verdict::kRefused && logs_.IsOptional(log)) return;
  if (standing->problem == result.problem || stopping_) return;
  const std::string who = fmt::format("witness {}, log {}", SafeText(asked_[witness].address.name),
                                      SafeText(logs_.Key(log).name()));
  if (result.problem.empty()) {
    logs_.Report(false, fmt::format("{}: cosigns again", who));
  } else {
    const bool alarm = result.verdict != Verdict::kUnreached;
    logs_.Report(
        alarm,
        fmt::format("{}: {}{}", who, result.problem,
                    result.verdict == Verdict::kSuspect ? "; it is set aside for a while" : ""));
  }
  standing->problem = result.problem;
}

void Feeder::Merge(uint32_t number, uint64_t round) {
  std::lock_guard merging(merge_mutex_);
  std::string note;
  {
    std::lock_guard lock(mutex_);
    const FedLog& log = Find(number);
    if (log.round != round) return;
    note = log.target.checkpoint;
    std::vector<bool> cosigned;
    for (const std::string& line : log.lines) {
      note += line;
      cosigned.push_back(!line.empty());
    }
    if (!policy_.IsMetBy(cosigned)) return;
  }
  const absl::Status added = logs_.AddCosigned(number, note);
  std::lock_guard lock(mutex_);
  if (!added.ok()) {
    logs_.Report(true,
                 fmt::format("a cosigned checkpoint is not served: {}", ToStd(added.message())));
  } else if (FedLog& log = Find(number); log.round == round) {
    log.met = true;
  }
}

std::vector<WitnessState> Feeder::states() const {
  std::lock_guard lock(mutex_);
  std::vector<WitnessState> states;
  for (size_t i = 0; i < asked_.size(); ++i) {
    WitnessState state;
    state.name = asked_[i].address.name;
    state.answers = answers_[i];
    for (const auto& [number, log] : fed_) {
      const Standing& standing = log.standings[i];
      if (standing.cosigned) ++state.cosigned;
      if (!standing.problem.empty()) {
        ++state.failing;
        state.problem = standing.problem;
      }
    }
    states.push_back(std::move(state));
  }
  return states;
}

}  // namespace graven::witness
