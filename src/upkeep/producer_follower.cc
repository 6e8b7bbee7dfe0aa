#include "upkeep/producer_follower.h"

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/thread_name.h"
#include "record/record.h"

namespace graven::upkeep {
namespace {

constexpr auto kLookEvery = std::chrono::seconds(1);
// An event that was counted is published long before so many looks have passed.
constexpr int kLooksAfterChange = 30;
constexpr size_t kToldPerLook = 10;
// Of each log: a producer that floods takes no more than some megabytes.
constexpr size_t kStreamsMax = 4096;
constexpr size_t kStreamsPerWriterMax = 1024;

constexpr verify::ProducerFindingKind kKinds[] = {
    verify::ProducerFindingKind::kGap, verify::ProducerFindingKind::kRepeat,
    verify::ProducerFindingKind::kAfterClose, verify::ProducerFindingKind::kMissingTail};

}  // namespace

ProducerFollower::ProducerFollower(const ledger::Ledger& ledger,
                                   std::function<uint64_t()> numbered_events, Clock& clock,
                                   metrics::Registry& metrics, OperationalLog& log)
    : ledger_(ledger),
      numbered_events_(std::move(numbered_events)),
      clock_(clock),
      metrics_(metrics),
      log_(log) {
  for (const ledger::LogRef log_of_folder : ledger_.Logs()) {
    Find(log_of_folder).next = NextIndex(ledger_.GetPublished(log_of_folder)->size);
  }
  Show();
}

ProducerFollower::~ProducerFollower() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void ProducerFollower::Start() {
  thread_ = std::thread([this] { Run(); });
  NameThread(thread_, "graven-producer");
}

void ProducerFollower::Run() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, kLookEvery, [this] { return stopping_.load(); })) {
    lock.unlock();
    Look();
    lock.lock();
  }
}

// A log that is made while the server runs is followed from its beginning.
ProducerFollower::Followed& ProducerFollower::Find(ledger::LogRef log) {
  const verify::ProducerRules rules{.from_beginning = false,
                                    .heartbeat_deadline_ns = kDeadlineNs,
                                    .streams_max = kStreamsMax,
                                    .streams_per_writer_max = kStreamsPerWriterMax};
  return logs_.try_emplace(log.number(), Followed{LogIndex(0), verify::ProducerSequences(rules)})
      .first->second;
}

void ProducerFollower::Look() {
  const uint64_t numbered = numbered_events_();
  ++looks_since_change_;
  if (numbered != std::exchange(numbered_seen_, numbered)) looks_since_change_ = 0;
  const bool reads = numbered > 0 && looks_since_change_ <= kLooksAfterChange;
  for (const ledger::LogRef log : ledger_.Logs()) {
    Followed& followed = Find(log);
    if (reads) {
      Follow(log, &followed);
    } else {
      followed.next = NextIndex(ledger_.GetPublished(log)->size);  // nobody numbers events
    }
    followed.sequences.CheckDeadlines(clock_.WallNs());
    Tell(log, &followed);
  }
  Show();
}

void ProducerFollower::Show() {
  for (const verify::ProducerFindingKind kind : kKinds) {
    uint64_t count = 0;
    for (const auto& [number, followed] : logs_) {
      count += followed.sequences.settled_counts()[static_cast<size_t>(kind)];
    }
    metrics_.MakeCounter(metrics::kProducerFindings, {ProducerFindingText(kind)})
        .RaiseTo(static_cast<double>(count));
  }
}

void ProducerFollower::Follow(ledger::LogRef log, Followed* followed) {
  const uint64_t size = ledger_.GetPublished(log)->size.value;
  if (followed->next.value >= size) return;
  // What cannot be read is the scrubber's to tell; it is not followed.
  (void)ledger_.ReadRecords(log, followed->next, size - followed->next.value,
                            [this, followed](LogIndex, std::string_view record, const Hash&) {
                              if (const auto header = record::Decode(record); header.ok()) {
                                followed->sequences.Add(*header);
                              }
                              return !stopping_;  // many may have come since the last look
                            });
  followed->next = LogIndex(size);
}

void ProducerFollower::Tell(ledger::LogRef log, Followed* followed) {
  const std::vector<verify::ProducerFinding> found =
      followed->sequences.TakeFindings(clock_.WallNs() - kDeadlineNs);
  size_t told = 0;
  for (const verify::ProducerFinding& finding : found) {
    if (++told > kToldPerLook) continue;
    log_.Warning(fmt::format(
        "completeness: log {}: {} of producer {} of {}, epoch {}, numbers {} to {}, at record {}",
        log.name(), ProducerFindingText(finding.kind), finding.producer, finding.written_by,
        finding.epoch, finding.first_sequence, finding.last_sequence, finding.index.value));
  }
  if (told > kToldPerLook) {
    log_.Warning(fmt::format("completeness: log {}: {} findings more: graven verify names them",
                             log.name(), told - kToldPerLook));
  }
}

}  // namespace graven::upkeep
