#include "verify/export_checker.h"

#include <utility>

#include "base/encoding.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "note/note.h"
#include "record/record.h"

namespace graven::verify {
namespace {

// Reads the length in front of a record. 0: not wholly there yet. kDataLoss: no length of a record.
absl::StatusOr<uint64_t> ReadLength(std::string_view* bytes) {
  // No more than a record's length can have, so that it makes no difference how much has come.
  constexpr size_t kLengthBytesMax = VarintSize(record::kRecordBytesMax);
  std::string_view front = bytes->substr(0, kLengthBytesMax);
  const size_t there = front.size();
  uint64_t length = 0;
  if (!GetVarint(&front, &length)) {
    if (there < kLengthBytesMax) return 0;
    return absl::DataLossError("no length stands in front of it");
  }
  bytes->remove_prefix(there - front.size());
  if (length == 0 || length > record::kRecordBytesMax) {
    return absl::DataLossError(
        fmt::format("a length of {} bytes; records have 1 to {}", length, record::kRecordBytesMax));
  }
  return length;
}

}  // namespace

absl::StatusOr<ExportChecker> ExportChecker::Start(const ExportOptions& options) {
  std::optional<note::Checkpoint> checkpoint;
  std::string origin = options.origin;
  if (options.key) origin = options.key->name();
  if (!options.checkpoint.empty()) {
    if (options.key) {
      ASSIGN_OR_RETURN(checkpoint, note::OpenCheckpoint(options.checkpoint, *options.key));
    } else {
      ASSIGN_OR_RETURN(const note::Note note, note::ParseNote(options.checkpoint));
      ASSIGN_OR_RETURN(checkpoint, note::ParseCheckpoint(note.text));
      if (!origin.empty() && origin != checkpoint->origin) {
        return absl::InvalidArgumentError("checkpoint: of another origin");
      }
      origin = checkpoint->origin;
    }
  }
  ExportChecker checker(ChainChecker::AnyPart(origin));
  if (checkpoint) {
    RETURN_IF_ERROR(
        checker.chain_.ExpectRoot(checkpoint->size, checkpoint->root, "the checkpoint"));
    if (options.key) checker.verdict_.trust = Trust::kKeyPinned;
  }
  checker.verdict_.checkpoint = std::move(checkpoint);
  checker.heartbeat_deadline_ns_ = options.heartbeat_deadline_ns;
  return checker;
}

absl::Status ExportChecker::AddRecord(std::string_view record) {
  RETURN_IF_ERROR(chain_.Add(record));
  ASSIGN_OR_RETURN(const record::RecordHeader header, record::Decode(record));
  if (!producers_) {
    producers_.emplace(ProducerRules{.from_beginning = header.index.value == 0,
                                     .heartbeat_deadline_ns = heartbeat_deadline_ns_});
  }
  producers_->Add(header);
  return absl::OkStatus();
}

absl::Status ExportChecker::AddBytes(std::string_view bytes) {
  pending_ += bytes;
  std::string_view rest = pending_;
  while (!rest.empty()) {
    std::string_view record = rest;
    absl::StatusOr<uint64_t> length = ReadLength(&record);
    absl::Status status = length.status();
    if (status.ok() && (*length == 0 || record.size() < *length)) break;
    if (status.ok()) {
      record = record.substr(0, *length);
      status = AddRecord(record);
    }
    if (!status.ok()) {
      if (!chain_.first_bad()) cut_at_ = chain_.end();
      const absl::string_view why = status.message();
      return absl::DataLossError(
          fmt::format("{} (at byte {})", std::string_view(why.data(), why.size()), offset_));
    }
    const size_t taken = static_cast<size_t>(record.data() + record.size() - rest.data());
    rest.remove_prefix(taken);
    offset_ += taken;
  }
  pending_.erase(0, pending_.size() - rest.size());
  return absl::OkStatus();
}

absl::StatusOr<ExportVerdict> ExportChecker::Finish() {
  if (!pending_.empty()) {
    cut_at_ = chain_.end();
    return absl::DataLossError(fmt::format("record {}: the export ends within it (at byte {})",
                                           chain_.end().value, offset_));
  }
  if (verdict_.checkpoint && !chain_.has_tree()) {
    return absl::InvalidArgumentError(
        "checkpoint: covers the log from its first record, but the export begins later");
  }
  RETURN_IF_ERROR(chain_.Finish());
  verdict_.first = chain_.first();
  verdict_.count = chain_.count();
  verdict_.last_hash = chain_.last_hash();
  verdict_.last_received_at_ns = chain_.last_received_at_ns();
  verdict_.genesis_checked = chain_.genesis_checked();
  if (chain_.has_tree()) verdict_.root = chain_.Root();
  if (producers_) {
    producers_->CheckDeadlines(chain_.last_received_at_ns());
    verdict_.producers = producers_->Report();
  }
  return verdict_;
}

}  // namespace graven::verify
