#include "verify/log_check.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/status_text.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "journal/journal_format.h"
#include "note/checkpoint.h"
#include "record/record.h"
#include "record/summary.h"
#include "store/checkpoints_file.h"
#include "store/fingerprint.h"
#include "store/time_stamps.h"

namespace graven::verify {
namespace {}  // namespace

LogCheck::LogCheck(io::FileSystem& fs, const store::DataPaths& paths, const store::LogMeta& meta,
                   const note::VerifierKey* pinned, const RecordFunction& on_record,
                   int64_t heartbeat_deadline_ns)
    : fs_(fs),
      paths_(paths),
      meta_(meta),
      pinned_(pinned != nullptr),
      on_record_(on_record),
      chain_(ChainChecker::WholeLog(meta.origin)),
      producers_({.heartbeat_deadline_ns = heartbeat_deadline_ns}) {
  verdict_.name = meta.name;
  verdict_.origin = meta.origin;
  absl::StatusOr<note::VerifierKey> own = note::VerifierKey::Parse(meta.vkey);
  if (!own.ok() || own->name() != meta.origin) {
    FailAt(absl::DataLossError("the log's vkey is no key of its origin"), paths_.Meta(meta.name),
           0);
    return;
  }
  if (pinned != nullptr && *pinned != *own) {
    FailAt(absl::UnauthenticatedError(
               fmt::format("the folder's key is {}, not the one that was given", meta.vkey)),
           paths_.Meta(meta.name), 0);
  }
  key_ = pinned != nullptr ? *pinned : *std::move(own);
}

void LogCheck::Fail(absl::Status status) {
  if (good()) verdict_.status = std::move(status);
}

void LogCheck::FailAt(absl::Status status, std::string file, uint64_t offset) {
  if (!good()) return;
  verdict_.status = std::move(status);
  verdict_.bad_file = std::move(file);
  verdict_.bad_offset = offset;
  if (chain_.first_bad()) verdict_.first_bad = chain_.first_bad();
}

void LogCheck::FailRecord(LogIndex index, std::string_view what, std::string file,
                          uint64_t offset) {
  if (!good()) return;
  verdict_.first_bad = index;
  FailAt(absl::DataLossError(fmt::format("record {}: {}", index.value, what)), std::move(file),
         offset);
}

void LogCheck::TakeGuard(const store::GuardEntry& entry) {
  if (!good()) return;
  promised_ = std::max(promised_, entry.size.value);
  if (absl::Status status = chain_.ExpectRoot(entry.size, entry.root, "the guard"); !status.ok()) {
    FailAt(std::move(status), {}, 0);
  }
}

absl::Status LogCheck::CheckNote(std::string_view note) {
  ASSIGN_OR_RETURN(const note::Checkpoint checkpoint, note::OpenCheckpoint(note, *key_));
  ++verdict_.checkpoints;
  verdict_.signed_records = std::max(verdict_.signed_records, checkpoint.size.value);
  promised_ = std::max(promised_, checkpoint.size.value);
  return chain_.ExpectRoot(checkpoint.size, checkpoint.root, "a signed checkpoint");
}

void LogCheck::CheckCheckpoints() {
  if (!good()) return;
  const std::string path = paths_.Checkpoints(meta_.name);
  const absl::Status status = store::CheckpointsFile::ForEach(
      fs_, path, [&](std::string_view note) { return CheckNote(note); });
  // A log that was never stopped or kept open for a minute has none.
  if (status.ok() || absl::IsNotFound(status)) return CheckStamped();
  // Foreign and malformed notes are as wrong here as a bad signature.
  FailAt(absl::DataLossError(
             fmt::format("kept checkpoint {}: {}", verdict_.checkpoints + 1, MessageOf(status))),
         path, 0);
}

// The notes that were stamped are held against the tree like the others; what their tokens are
// worth needs the authority's certificates, and `receipt verify` says it.
void LogCheck::CheckStamped() {
  const std::string path = paths_.TimeStamps(meta_.name);
  uint64_t number = 0;
  const auto check = [&](std::string_view payload) -> absl::Status {
    ++number;
    const std::optional<store::StampedNote> stamped = store::DecodeStampedNote(payload);
    if (!stamped) return absl::DataLossError("not a note and a token");
    return CheckNote(stamped->note);
  };
  const absl::Status status =
      store::CheckpointsFile::ForEach(fs_, path, check, store::kTimeStampWords);
  if (status.ok() || absl::IsNotFound(status)) return;
  FailAt(absl::DataLossError(fmt::format("stamped checkpoint {}: {}", number, MessageOf(status))),
         path, 0);
}

void LogCheck::CheckSegments(const std::function<void(uint64_t)>& on_bytes,
                             std::vector<std::string>* notes) {
  if (!good()) return;
  const std::string folder = paths_.Segments(meta_.name);
  const absl::StatusOr<std::vector<std::string>> names = fs_.List(folder);
  if (!names.ok()) return FailAt(names.status(), folder, 0);
  std::vector<std::pair<store::SegmentBounds, std::string>> found;
  for (const std::string& name : *names) {
    const std::optional<store::SegmentBounds> bounds = store::ParseSegmentFileName(name);
    if (bounds) {
      found.emplace_back(*bounds, io::JoinPath(folder, name));
    } else if (!store::IsSegmentLeftover(name)) {
      notes->push_back(
          fmt::format("{}: no segment's name; passed over", io::JoinPath(folder, name)));
    }
  }
  // Of two that begin alike the longer one replaced the other.
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return a.first.first != b.first.first ? a.first.first < b.first.first
                                          : b.first.end < a.first.end;
  });
  for (auto& [bounds, path] : found) {
    if (!good()) return;
    if (bounds.first > chain_.end()) {
      return FailRecord(chain_.end(),
                        fmt::format("missing: the next segment begins with {}", bounds.first.value),
                        path, 0);
    }
    if (bounds.first == chain_.end()) {
      CheckSegment(path);
      segments_.emplace_back(bounds, path);
    }
    const absl::StatusOr<io::FileInfo> info = fs_.Stat(path);
    if (info.ok()) on_bytes(info->size);
  }
}

void LogCheck::CheckSegment(const std::string& path) {
  const absl::StatusOr<std::unique_ptr<store::SegmentReader>> reader =
      store::SegmentReader::Open(fs_, path);
  if (!reader.ok()) {
    if (!absl::IsDataLoss(reader.status())) return FailAt(reader.status(), path, 0);
    return FailRecord(chain_.end(), MessageOf(reader.status()), path, 0);
  }
  if ((*reader)->origin_hash() != Sha256(meta_.origin)) {
    return FailRecord(chain_.end(), "the segment is of another origin", path, 0);
  }
  const auto fingerprint_of = [this](std::string_view bytes) -> uint64_t {
    const absl::StatusOr<record::RecordHeader> header = record::Decode(bytes);
    if (!header.ok()) return 0;
    const absl::StatusOr<record::Summary> summary = record::Summarize(*header);
    return summary.ok() ? store::EventFingerprint(meta_.fingerprint_key, summary->event_id) : 0;
  };
  std::optional<store::SegmentDamage> damage;
  const absl::Status files = (*reader)->VerifyAll(fingerprint_of, &damage);
  if (!files.ok()) {
    if (!damage) return FailAt(files, path, 0);
    return FailRecord(damage->first_bad, damage->what, path, damage->offset);
  }
  // Once more, with nothing believed of what the segment says about its records.
  const absl::Status chain = (*reader)->ReadRecords(
      (*reader)->first(), (*reader)->record_count(),
      [&](LogIndex, std::string_view bytes, const Hash& hash) -> absl::Status {
        RETURN_IF_ERROR(TakeRecord(bytes));
        if (hash == chain_.last_hash()) return absl::OkStatus();
        return absl::DataLossError("the hash row contradicts a record");
      });
  if (!chain.ok()) FailAt(chain, path, 0);
}

absl::Status LogCheck::TakeRecord(std::string_view record) {
  const LogIndex index = chain_.end();
  RETURN_IF_ERROR(chain_.Add(record));
  if (const auto header = record::Decode(record); header.ok()) producers_.Add(*header);
  if (on_record_) on_record_(index, record);
  return absl::OkStatus();
}

absl::StatusOr<Hash> LogCheck::SealedHash(LogIndex index) {
  if (open_segment_ == nullptr || index < open_segment_->first() || index >= open_segment_->end()) {
    const auto holder = std::find_if(segments_.begin(), segments_.end(), [&](const auto& segment) {
      return index >= segment.first.first && index < segment.first.end;
    });
    if (holder == segments_.end()) return absl::NotFoundError("it is in no segment");
    ASSIGN_OR_RETURN(open_segment_, store::SegmentReader::Open(fs_, holder->second));
  }
  Hash hash;
  RETURN_IF_ERROR(open_segment_->ReadHashes(0, index.value, std::span(&hash, 1)));
  return hash;
}

void LogCheck::CheckSection(const journal::FrameSection& section) {
  if (!good()) return;
  const std::string file = io::JoinPath(paths_.Journal(), journal::JournalFileName(section.file));
  if (section.first > chain_.end()) {
    return FailRecord(
        chain_.end(),
        fmt::format("missing: the journal goes on with record {}", section.first.value), file,
        section.records_offset);
  }
  if (section.end() >= chain_.end()) {
    const absl::Status expected =
        chain_.ExpectRoot(TreeSize(section.end().value), section.root, "its journal frame");
    if (!expected.ok()) return FailAt(expected, file, section.records_offset);
  }
  journal::RecordCursor cursor(section);
  std::string_view bytes;
  journal::RecordLocation location;
  for (LogIndex index = section.first; cursor.Next(&bytes, &location); index = index + 1) {
    if (index < chain_.end()) {
      const absl::StatusOr<Hash> sealed = SealedHash(index);
      if (!sealed.ok()) return FailRecord(index, MessageOf(sealed.status()), file, location.offset);
      if (*sealed != record::RecordHash(bytes)) {
        return FailRecord(index, "the journal has another one than the segment", file,
                          location.offset);
      }
      continue;
    }
    if (absl::Status status = TakeRecord(bytes); !status.ok()) {
      return FailAt(std::move(status), file, location.offset);
    }
  }
  // Many logs would hold many files open.
  open_segment_.reset();
}

journal::LogTip LogCheck::Tip() {
  chain_.Root();  // leaves that wait for their group go into the frontier
  return {chain_.frontier(), chain_.last_hash(), [this](LogIndex index) -> std::optional<Hash> {
            const absl::StatusOr<Hash> hash = SealedHash(index);
            if (!hash.ok()) return std::nullopt;
            return *hash;
          }};
}

void LogCheck::TakeBadRecord(const journal::BadRecord& bad, bool was_durable) {
  if (!good() || (!was_durable && bad.index.value >= promised_)) return;
  in_order_ = bad.index.value;
  const bool sealed = bad.index < chain_.end();
  FailRecord(bad.index,
             sealed ? "its bytes in the journal are not those that were written, and the journal "
                      "cannot be read beyond; its copy in a segment is whole"
                    : "its bytes are not those that were written",
             io::JoinPath(paths_.Journal(), journal::JournalFileName(bad.location.file)),
             bad.location.offset);
}

void LogCheck::TakeLater(const journal::LaterSection& later) {
  if (!good() || later.acknowledged.value <= chain_.end().value) return;
  FailRecord(chain_.end(),
             fmt::format("missing or damaged, though {} records had been acknowledged",
                         later.acknowledged.value),
             io::JoinPath(paths_.Journal(), journal::JournalFileName(later.file)), later.offset);
}

LogVerdict LogCheck::Finish() {
  // The time is the log's: how long nobody has written to it at all says nothing.
  producers_.CheckDeadlines(chain_.last_received_at_ns());
  verdict_.producers = producers_.Report();
  if (good()) {
    if (absl::Status status = chain_.Finish(); !status.ok()) FailAt(std::move(status), {}, 0);
  }
  if (good() && pinned_ && chain_.count() > 0 && verdict_.signed_records == 0) {
    Fail(absl::UnauthenticatedError(
        "no kept checkpoint is signed by the key that was given: nothing vouches for the records; "
        "a server that is started and stopped signs and keeps one"));
  }
  verdict_.records = chain_.count();
  if (verdict_.first_bad) {
    verdict_.records = std::min(std::max(verdict_.records, in_order_), verdict_.first_bad->value);
  }
  verdict_.last_hash = chain_.last_hash();
  verdict_.last_received_at_ns = chain_.last_received_at_ns();
  verdict_.root = chain_.Root();
  if (good() && pinned_) verdict_.trust = Trust::kKeyPinned;
  return std::move(verdict_);
}

}  // namespace graven::verify
