// What a ledger answers readers: records, proofs and receipts of what is published. Any thread;
// none of it takes a lock that the writer holds while it works.
#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <span>

#include "base/status_macros.h"
#include "ledger/ledger_impl.h"
#include "merkle/proof.h"
#include "note/receipt_file.h"
#include "scrub/folder_scrubber.h"

namespace graven::ledger {
namespace {

absl::Status NothingCosigned(const Log& log) {
  return absl::NotFoundError(fmt::format(
      "log {} has no checkpoint yet that meets the quorum of its witnesses", log.meta.name));
}

absl::Status NothingStamped(const Log& log) {
  return absl::NotFoundError(
      fmt::format("log {} has no checkpoint with a time stamp yet", log.meta.name));
}

}  // namespace

uint32_t LogRef::number() const { return log_->meta.number; }
const std::string& LogRef::name() const { return log_->meta.name; }
const std::string& LogRef::origin() const { return log_->meta.origin; }

LogInfo LedgerImpl::Info(LogRef ref) const {
  const Log& log = *ref.get();
  LogInfo info;
  info.log = ref;
  info.name = log.meta.name;
  info.origin = log.meta.origin;
  info.vkey = log.meta.vkey;
  info.created_at_ns = log.meta.created_at_ns;
  info.duplicate_window = log.meta.duplicate_window;
  info.genesis_hash = log.genesis_hash;
  auto published = log.published();
  info.published_size = published->size;
  info.last_received_at_ns = published->last_received_at_ns;
  info.durable_size = DurableSize(ref);
  if (auto cosigned = log.cosigned()) info.cosigned_size = cosigned->size;
  info.read_only = log.read_only();
  if (info.read_only) info.read_only_reason = log.read_only_reason();
  return info;
}

std::shared_ptr<const Published> LedgerImpl::GetPublished(LogRef log) const {
  return log.get()->published();
}

TreeSize LedgerImpl::DurableSize(LogRef ref) const {
  const Log& log = *ref.get();
  // Nothing more is published of a log that is read-only: nobody should wait for it.
  return log.read_only() ? log.published()->size : log.durable().size;
}

absl::Status LedgerImpl::ReadRecords(LogRef log, LogIndex first, uint64_t count,
                                     const RecordVisitor& visit) const {
  TreeSize size = log.get()->published()->size;
  if (first.value >= size.value) return absl::OkStatus();
  return records_->Visit(*log.get(), first, std::min(count, size.value - first.value), visit);
}

absl::StatusOr<LogIndex> LedgerImpl::FindEvent(LogRef ref, std::string_view event_id) const {
  const Log& log = *ref.get();
  const DuplicateFinder::Question question{log, event_id, duplicates_->Fingerprint(log, event_id),
                                           LogIndex(0), log.published()->size};
  DuplicateFinder::Hint hint;
  {
    std::lock_guard lock(table_mutex_);
    hint = duplicates_->Ask(question);
  }
  // The stored bytes are read without the lock, so that no reader holds up the writer.
  ASSIGN_OR_RETURN(auto known, duplicates_->Confirm(question, hint, nullptr));
  if (!known) {
    return absl::NotFoundError(
        fmt::format("event_id: no published record of log {} has this id", log.meta.name));
  }
  return known->index;
}

absl::Status LedgerImpl::ReadHashes(LogRef ref, int level, uint64_t first,
                                    std::span<Hash> out) const {
  const Log& log = *ref.get();
  const uint64_t whole = level < 0 || level >= 64 ? 0 : log.published()->size.value >> level;
  if (first > whole || out.size() > whole - first) {
    return absl::NotFoundError(
        fmt::format("log {}: level {} has {} published nodes; asked: {} from {}", log.meta.name,
                    level, whole, out.size(), first));
  }
  return shelf::LogNodes(log, segments_).Row(level, first, out);
}

absl::StatusOr<ProofAnswer> LedgerImpl::InclusionProof(LogRef ref, LogIndex index,
                                                       TreeSize size) const {
  const Log& log = *ref.get();
  auto published = size.value == 0 ? GetCheckpoint(ref, CheckpointLevel::kServed) : log.published();
  if (published == nullptr) return NothingCosigned(log);
  ProofAnswer answer;
  answer.tree_size = size.value == 0 ? published->size : size;
  if (answer.tree_size > published->size ||
      (size.value == 0 && index.value >= published->size.value)) {
    return absl::NotFoundError(
        fmt::format("log {} has published {} records; asked: index {}, tree_size {}", log.meta.name,
                    published->size.value, index.value, size.value));
  }
  if (index.value >= answer.tree_size.value) {
    return absl::InvalidArgumentError(fmt::format(
        "index: is {}; must be below tree_size, which is {}", index.value, answer.tree_size.value));
  }
  shelf::LogNodes nodes(log, segments_);
  ASSIGN_OR_RETURN(answer.hashes, merkle::InclusionProof(nodes, index, answer.tree_size));
  RETURN_IF_ERROR(nodes.Leaves(index, std::span(&answer.leaf_hash, 1)));
  if (size.value == 0) answer.checkpoint = published->checkpoint;
  return answer;
}

absl::StatusOr<ProofAnswer> LedgerImpl::ConsistencyProof(LogRef ref, TreeSize old_size,
                                                         TreeSize new_size) const {
  const Log& log = *ref.get();
  auto published =
      new_size.value == 0 ? GetCheckpoint(ref, CheckpointLevel::kServed) : log.published();
  if (published == nullptr) return NothingCosigned(log);
  ProofAnswer answer;
  answer.tree_size = new_size.value == 0 ? published->size : new_size;
  if (answer.tree_size > published->size) {
    return absl::NotFoundError(fmt::format("new_size: is {}; log {} has published {} records",
                                           new_size.value, log.meta.name, published->size.value));
  }
  if (old_size.value == 0 || old_size > answer.tree_size) {
    return absl::InvalidArgumentError(
        fmt::format("old_size: is {}; must be at least 1 and at most new_size, which is {}",
                    old_size.value, answer.tree_size.value));
  }
  shelf::LogNodes nodes(log, segments_);
  ASSIGN_OR_RETURN(answer.hashes, merkle::ConsistencyProof(nodes, old_size, answer.tree_size));
  if (new_size.value == 0) answer.checkpoint = published->checkpoint;
  return answer;
}

absl::StatusOr<std::string> LedgerImpl::Receipt(LogRef ref, LogIndex index,
                                                CheckpointLevel level) const {
  const Log& log = *ref.get();
  auto published = GetCheckpoint(ref, level);
  if (published == nullptr) {
    return level == CheckpointLevel::kStamped ? NothingStamped(log) : NothingCosigned(log);
  }
  if (index.value >= published->size.value) {
    return absl::NotFoundError(fmt::format("index: is {}; log {} has published {} records",
                                           index.value, log.meta.name, published->size.value));
  }
  if (published->checkpoint.empty()) {
    return absl::DataLossError(log.read_only_reason());
  }
  shelf::LogNodes nodes(log, segments_);
  ASSIGN_OR_RETURN(auto hashes, merkle::InclusionProof(nodes, index, published->size));
  ASSIGN_OR_RETURN(std::string record, records_->Get(log, index));
  // Whoever signed the note meanwhile: the token is over its text.
  const auto stamped = log.stamped();
  const bool has_token = stamped != nullptr && stamped->size == published->size;
  return note::MakeReceipt(record, index, hashes, published->checkpoint,
                           has_token ? stamped->time_stamp_token : "");
}

std::unique_ptr<scrub::Scrubber> LedgerImpl::MakeScrubber(
    std::function<void(const scrub::Finding&)> on_finding) {
  return std::make_unique<scrub::FolderScrubber>(
      scrub::ScrubbedFolder{fs_, clock_, [this] { return AllLogs(); }, *journal_, segments_,
                            options_.fingerprint, folder_->paths(), GuardPath()},
      std::move(on_finding));
}

}  // namespace graven::ledger
