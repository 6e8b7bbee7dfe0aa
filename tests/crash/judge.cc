#include "judge.h"

#include <algorithm>
#include <vector>

#include "base/encoding.h"
#include "base/status_text.h"
#include "merkle/leaf.h"
#include "merkle/proof.h"
#include "note/checkpoint.h"
#include "note/receipt_file.h"
#include "note/tlog_proof.h"
#include "record/record.h"

namespace graven::crash {
namespace {

// Logs up to this size are read wholly each time.
constexpr uint64_t kSmallLogRecords = 4000;
constexpr uint64_t kSampleRecords = 1000;

note::Checkpoint OpenSigned(const LogModel& log, std::string_view signed_note,
                            std::string_view where) {
  auto key = note::VerifierKey::Parse(log.vkey);
  CRASH_EXPECT(key.ok(), "log {}: its vkey does not parse: {}", log.name, MessageOf(key.status()));
  auto checkpoint = note::OpenCheckpoint(signed_note, *key);
  CRASH_EXPECT(checkpoint.ok(), "log {}: {} does not verify: {}", log.name, where,
               MessageOf(checkpoint.status()));
  CRASH_EXPECT(checkpoint->origin == log.origin, "log {}: {} has another origin", log.name, where);
  CRASH_EXPECT(checkpoint->size.value <= log.size(),
               "log {}: {} of size {} is signed, but only {} records are durable", log.name, where,
               checkpoint->size.value, log.size());
  CRASH_EXPECT(checkpoint->root == log.RootAt(checkpoint->size.value),
               "log {}: {} of size {} has a root that the records do not have: two histories",
               log.name, where, checkpoint->size.value);
  return *std::move(checkpoint);
}

}  // namespace

void LookAtPublished(World&, const ledger::Ledger& ledger, LogModel& log) {
  ledger::LogRef ref = ledger.FindLog(log.name);
  CRASH_EXPECT(bool(ref), "log {} is gone", log.name);
  std::shared_ptr<const ledger::Published> published = ledger.GetPublished(ref);
  const uint64_t size = published->size.value;
  CRASH_EXPECT(
      size >= log.published_seen,
      "log {}: the published size went back from {} to {}: signed or shown before the guard "
      "was synced",
      log.name, log.published_seen, size);
  const bool seen_before = size == log.published_seen && size > 0;
  CRASH_EXPECT(size <= log.size(), "log {}: {} records are published, {} are durable", log.name,
               size, log.size());
  CRASH_EXPECT(log.IsBatchEnd(size), "log {}: published size {} is within a batch", log.name, size);
  CRASH_EXPECT(published->root == log.RootAt(size), "log {}: published root of size {} is wrong",
               log.name, size);
  const int64_t last_ns = size == 0 ? 0 : log.at(size - 1).received_at_ns;
  CRASH_EXPECT(published->last_received_at_ns == last_ns, "log {}: published time is wrong",
               log.name);
  if (!seen_before) OpenSigned(log, published->checkpoint, "the published checkpoint");
  log.published_seen = size;
}

void LookAtAllPublished(World& world, const ledger::Ledger& ledger, Model& model) {
  for (auto& [name, log] : model.logs) {
    if (log->acknowledged) LookAtPublished(world, ledger, *log);
  }
}

void CheckRecord(const LogModel& log, uint64_t index, std::string_view bytes, const Hash& hash) {
  CRASH_EXPECT(index < log.size(), "log {}: a record {} is read, but only {} are durable", log.name,
               index, log.size());
  const ModelRecord& expected = log.at(index);
  CRASH_EXPECT(merkle::HashLeaf(bytes) == hash, "log {}: record {} does not have its hash",
               log.name, index);
  CRASH_EXPECT(hash == expected.hash, "log {}: record {} is not the one that was acknowledged",
               log.name, index);
  auto header = record::Decode(bytes);
  CRASH_EXPECT(header.ok(), "log {}: record {} is malformed: {}", log.name, index,
               MessageOf(header.status()));
  const Hash& previous = index == 0 ? log.genesis : log.hash(index - 1);
  const EventSpec& event = *expected.event;
  CRASH_EXPECT(header->index.value == index && header->previous_hash == previous &&
                   header->received_at_ns == expected.received_at_ns,
               "log {}: record {} has the wrong index, chain link or time", log.name, index);
  CRASH_EXPECT(header->kind == event.kind && header->body == event.body &&
                   header->written_by == expected.written_by &&
                   header->traceparent == expected.traceparent &&
                   header->assigned_event_id == (event.id_assigned ? event.id : ""),
               "log {}: record {} does not hold what was submitted", log.name, index);
}

uint64_t CheckRecords(const ledger::Ledger& ledger, const LogModel& log, uint64_t first,
                      uint64_t count, bool damage_allowed) {
  uint64_t next = first;
  absl::Status read = ledger.ReadRecords(
      ledger.FindLog(log.name), LogIndex(first), count,
      [&](LogIndex index, std::string_view record, const Hash& hash) {
        CRASH_EXPECT(index.value == next, "log {}: record {} is read where {} belongs", log.name,
                     index.value, next);
        CheckRecord(log, next, record, hash);
        ++next;
        return true;
      });
  if (damage_allowed && absl::IsDataLoss(read)) return next - first;
  CRASH_EXPECT(read.ok(), "log {}: record {} cannot be read: {}", log.name, next, MessageOf(read));
  return next - first;
}

void CheckProofs(World& world, const ledger::Ledger& ledger, const LogModel& log) {
  const uint64_t published = log.published_seen;
  if (published == 0) return;
  ledger::LogRef ref = ledger.FindLog(log.name);
  Choices& choices = world.choices;
  auto random_size = [&] {
    if (log.size() <= kSmallLogRecords) return choices.Between(1, published);
    return std::clamp<uint64_t>(log.RandomBatchEnd(choices.Next()), 1, published);
  };
  const uint64_t size = random_size();
  const uint64_t index = choices.Below(size);
  auto inclusion = ledger.InclusionProof(ref, LogIndex(index), TreeSize(size));
  CRASH_EXPECT(inclusion.ok(), "log {}: no inclusion proof of {} in {}: {}", log.name, index, size,
               MessageOf(inclusion.status()));
  absl::Status included = merkle::CheckInclusion(LogIndex(index), TreeSize(size), log.hash(index),
                                                 inclusion->hashes, log.RootAt(size));
  CRASH_EXPECT(included.ok() && inclusion->leaf_hash == log.hash(index),
               "log {}: the inclusion proof of {} in {} is wrong: {}", log.name, index, size,
               MessageOf(included));
  const uint64_t other = random_size();
  const TreeSize from(std::min(size, other)), to(std::max(size, other));
  auto consistency = ledger.ConsistencyProof(ref, from, to);
  CRASH_EXPECT(consistency.ok(), "log {}: no consistency proof from {} to {}: {}", log.name,
               from.value, to.value, MessageOf(consistency.status()));
  absl::Status consistent = merkle::CheckConsistency(from, to, consistency->hashes,
                                                     log.RootAt(from.value), log.RootAt(to.value));
  CRASH_EXPECT(consistent.ok(), "log {}: the consistency proof from {} to {} is wrong: {}",
               log.name, from.value, to.value, MessageOf(consistent));
  world.tally.Add(Kind::kProof);
}

void CheckFindEvent(World& world, const ledger::Ledger& ledger, const LogModel& log) {
  ledger::LogRef ref = ledger.FindLog(log.name);
  auto unknown = ledger.FindEvent(ref, "nobody-sent-this");
  // The memory for ids is small in long runs; then it says so instead of guessing.
  if (absl::IsResourceExhausted(unknown.status())) return;
  CRASH_EXPECT(absl::IsNotFound(unknown.status()), "log {}: an id that nobody sent is found",
               log.name);
  if (log.published_seen < log.size() || log.size() == 0) return;
  const std::string& id = log.at(world.choices.Below(log.size())).event->id;
  auto found = ledger.FindEvent(ref, id);
  CRASH_EXPECT(found.ok() && found->value == *log.Find(id),
               "log {}: the event {} is not found at {}", log.name, id, *log.Find(id));
}

void TakeReceipt(World& world, const ledger::Ledger& ledger, Model& model, const LogModel& log) {
  if (log.published_seen == 0) return;
  const uint64_t index = world.choices.Below(log.published_seen);
  auto file = ledger.Receipt(ledger.FindLog(log.name), LogIndex(index));
  CRASH_EXPECT(file.ok(), "log {}: no receipt for record {}: {}", log.name, index,
               MessageOf(file.status()));
  KeptReceipt receipt{log.name, index, *std::move(file)};
  CheckReceipt(receipt, log);
  if (model.receipts.size() < 8) {
    model.receipts.push_back(std::move(receipt));
  } else {
    model.receipts[world.choices.Below(8)] = std::move(receipt);
  }
  world.tally.Add(Kind::kReceipt);
}

void CheckReceipt(const KeptReceipt& receipt, const LogModel& log) {
  auto proof = note::ParseTlogProof(receipt.file);
  CRASH_EXPECT(proof.ok() && proof->extra && proof->index.value == receipt.index,
               "log {}: a receipt for record {} does not parse", log.name, receipt.index);
  auto extra = note::DecodeReceiptExtra(*proof->extra);
  CRASH_EXPECT(extra.ok(), "log {}: a receipt for record {} holds no record", log.name,
               receipt.index);
  const note::Checkpoint checkpoint = OpenSigned(log, proof->checkpoint, "a receipt's checkpoint");
  absl::Status included =
      merkle::CheckInclusion(proof->index, checkpoint.size, merkle::HashLeaf(extra->record),
                             proof->hashes, checkpoint.root);
  CRASH_EXPECT(included.ok(), "log {}: a receipt for record {} does not verify: {}", log.name,
               receipt.index, MessageOf(included));
  CheckRecord(log, receipt.index, extra->record, merkle::HashLeaf(extra->record));
}

namespace {

// Whether the batch of unknown outcome is stored, for each log the same answer.
void SettleUnknown(World& world, ledger::Ledger& ledger, Model& model) {
  std::optional<bool> stored;
  for (auto& [name, log] : model.logs) {
    if (!log->acknowledged) continue;
    ledger::LogRef ref = ledger.FindLog(name);
    CRASH_EXPECT(bool(ref), "log {} is gone", name);
    const ledger::LogInfo info = ledger.Info(ref);
    CRASH_EXPECT(!info.read_only, "log {} is read-only after an honest crash: {}", name,
                 info.read_only_reason);
    CRASH_EXPECT(info.origin == log->origin && info.vkey == log->vkey &&
                     info.duplicate_window == log->window,
                 "log {} came back with another origin, key or window", name);
    const uint64_t size = ledger.DurableSize(ref).value;
    CRASH_EXPECT(size >= log->size(), "log {}: {} records were acknowledged, {} are there: {}",
                 name, log->size(), size, ledger.status().recovery_report);
    CRASH_EXPECT(size == log->size() || size == log->applied_size(),
                 "log {}: size {}, but {} records were acknowledged and {} sent", name, size,
                 log->size(), log->applied_size());
    if (log->applied_size() == log->size()) continue;
    const bool this_one = size == log->applied_size();
    CRASH_EXPECT(!stored || *stored == this_one,
                 "log {}: the batch is stored for one log and not for another", name);
    stored = this_one;
  }
  for (auto& [name, log] : model.logs) {
    if (stored && *stored) {
      log->Acknowledge();
    } else {
      log->Forget();
    }
  }
  if (stored) world.tally.Add(*stored ? Kind::kUnknownStored : Kind::kUnknownLost);
  model.batch_open = false;
}

// Logs whose creation was never answered are there, whole, or not at all.
void SettleCreations(const ledger::Ledger& ledger, Model& model) {
  for (auto at = model.logs.begin(); at != model.logs.end();) {
    LogModel& log = *at->second;
    ledger::LogRef ref = ledger.FindLog(log.name);
    if (!log.acknowledged && !ref) {
      at = model.logs.erase(at);
      continue;
    }
    if (!log.acknowledged) {
      const ledger::LogInfo info = ledger.Info(ref);
      log.acknowledged = true;
      log.vkey = info.vkey;
      log.number = ref.number();
    }
    ++at;
  }
  const std::vector<ledger::LogRef> found = ledger.Logs();
  CRASH_EXPECT(found.size() == model.logs.size(), "{} logs are there, {} were created",
               found.size(), model.logs.size());
}

}  // namespace

void JudgeReopened(World& world, ledger::Ledger& ledger, Model& model, bool whole) {
  const ledger::LedgerStatus status = ledger.status();
  CRASH_EXPECT(status.write_state == ledger::WriteState::kActive ||
                   status.write_state == ledger::WriteState::kDiskFull,
               "the ledger takes no events after an honest crash: {}", status.write_state_reason);
  SettleCreations(ledger, model);
  SettleUnknown(world, ledger, model);
  // What was signed last is signed again first: nobody ever sees less than before.
  LookAtAllPublished(world, ledger, model);
  auto published = ledger.Publish();
  CRASH_EXPECT(published.ok(), "what was recovered cannot be published: {}",
               MessageOf(published.status()));
  LookAtAllPublished(world, ledger, model);
  for (auto& [name, log] : model.logs) {
    const uint64_t size = log->size();
    CRASH_EXPECT(log->published_seen == size, "log {}: {} of {} recovered records are published",
                 name, log->published_seen, size);
    if (whole || size <= kSmallLogRecords) {
      CRASH_EXPECT(CheckRecords(ledger, *log, 0, size + 10) == size, "log {}: records are missing",
                   name);
    } else {
      CheckRecords(ledger, *log, size - kSampleRecords, kSampleRecords);
      CheckRecords(ledger, *log, world.choices.Below(size), kSampleRecords);
    }
    CheckProofs(world, ledger, *log);
    CheckFindEvent(world, ledger, *log);
  }
  for (const KeptReceipt& receipt : model.receipts) {
    CheckReceipt(receipt, *model.logs.at(receipt.log));
  }
}

}  // namespace graven::crash
