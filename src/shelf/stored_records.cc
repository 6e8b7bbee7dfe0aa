#include "shelf/stored_records.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/bad_record.h"
#include "base/status_macros.h"
#include "merkle/leaf.h"

namespace graven::shelf {
namespace {

// A record can move while it is looked for, but only forwards: journal, provisional segment, a
// later provisional one, final segment. More rounds than this mean that it is nowhere.
constexpr int kRoundsMax = 100;

// How much of the journal is read at once.
constexpr uint64_t kRunRecordsMax = 1024;
constexpr uint32_t kRunBytesMax = 1 << 20;
// Between two records of one run there may be a frame's header and padding.
constexpr uint32_t kRunGapBytesMax = 4096;

absl::Status Damaged(const Log& log, LogIndex index, std::string_view where) {
  return WithBadRecord(
      absl::DataLossError(fmt::format(
          "log {}: record {}: the stored bytes do not have the hash that is in the tree ({})",
          log.meta.name, index.value, where)),
      index);
}

// The place in one read of the journal that covers `entries` [0, n), and n.
size_t CoverRun(const std::vector<Tail::Entry>& entries, journal::RecordLocation* run) {
  *run = *entries[0].location;
  size_t n = 1;
  while (n < entries.size() && entries[n].location && entries[n].location->file == run->file) {
    const journal::RecordLocation& next = *entries[n].location;
    uint32_t end = run->offset + run->length;
    if (next.offset < end || next.offset - end > kRunGapBytesMax) break;
    if (next.offset + next.length - run->offset > kRunBytesMax) break;
    run->length = next.offset + next.length - run->offset;
    ++n;
  }
  return n;
}

}  // namespace

absl::Status StoredRecords::Visit(const Log& log, LogIndex first, uint64_t count,
                                  const RecordVisitor& visit) const {
  return VisitAll(log, visit, {first, count});
}

absl::Status StoredRecords::VisitUnsealed(const Log& log, LogIndex first, uint64_t count,
                                          const RecordVisitor& visit) const {
  return VisitAll(log, visit, {first, count, /*by_check=*/true});
}

absl::Status StoredRecords::VisitAll(const Log& log, const RecordVisitor& visit,
                                     Progress progress) const {
  for (int rounds = 0; progress.count > 0 && !progress.stopped; ++rounds) {
    uint64_t before = progress.count;
    auto segments = log.segments();
    if (progress.first.value < segments->end().value) {
      RETURN_IF_ERROR(VisitSegment(log, segments->Holding(progress.first), visit, &progress));
    } else {
      RETURN_IF_ERROR(VisitTail(log, visit, &progress));
    }
    if (progress.count < before) rounds = 0;
    if (rounds > kRoundsMax) {
      return absl::DataLossError(
          fmt::format("log {}: record {} is neither in a segment nor in the journal", log.meta.name,
                      progress.first.value));
    }
  }
  return absl::OkStatus();
}

absl::Status StoredRecords::VisitSegment(const Log& log, const SegmentEntry& segment,
                                         const RecordVisitor& visit, Progress* progress) const {
  auto reader = segments_.Get(segment.path);
  // A provisional segment that was replaced after the list was taken.
  if (absl::IsNotFound(reader.status())) return absl::OkStatus();
  RETURN_IF_ERROR(reader.status());
  uint64_t count = std::min(progress->count, segment.end.value - progress->first.value);
  absl::Status damage;
  absl::Status read = (*reader)->ReadRecords(
      progress->first, count, [&](LogIndex index, std::string_view record, const Hash& hash) {
        if (merkle::HashLeaf(record) != hash) {
          damage = Damaged(log, index, segment.path);
          return damage;
        }
        progress->first = index + 1;
        --progress->count;
        progress->stopped = !visit(index, record, hash);
        return progress->stopped ? absl::CancelledError() : absl::OkStatus();
      });
  RETURN_IF_ERROR(damage);
  if (progress->stopped) return absl::OkStatus();
  const std::optional<store::SegmentDamage> segment_damage = store::SegmentDamageOf(read);
  return segment_damage ? WithBadRecord(read, segment_damage->first_bad) : read;
}

absl::Status StoredRecords::VisitTail(const Log& log, const RecordVisitor& visit,
                                      Progress* progress) const {
  auto entries = log.tail().Find(progress->first, std::min(progress->count, kRunRecordsMax));
  if (entries.empty() || !entries[0].location || journal_ == nullptr) return absl::OkStatus();
  journal::RecordLocation run;
  size_t n = CoverRun(entries, &run);
  std::string bytes;
  absl::Status read = journal_->Read(run, &bytes);
  // The file was retired after the place was looked up: its records are in segments by now.
  if (absl::IsNotFound(read)) return absl::OkStatus();
  RETURN_IF_ERROR(read);
  for (size_t i = 0; i < n && !progress->stopped; ++i) {
    const journal::RecordLocation& place = *entries[i].location;
    std::string_view record =
        std::string_view(bytes).substr(place.offset - run.offset, place.length);
    const bool same = progress->by_check ? journal::RecordCheck(record) == entries[i].check
                                         : merkle::HashLeaf(record) == entries[i].hash;
    if (!same) {
      return Damaged(log, progress->first,
                     fmt::format("journal file {:016x}, offset {}", place.file, place.offset));
    }
    LogIndex index = progress->first;
    progress->first = index + 1;
    --progress->count;
    progress->stopped = !visit(index, record, entries[i].hash);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> StoredRecords::Get(const Log& log, LogIndex index) const {
  std::string found;
  RETURN_IF_ERROR(Visit(log, index, 1, [&](LogIndex, std::string_view record, const Hash&) {
    found = record;
    return true;
  }));
  return found;
}

absl::StatusOr<Hash> LogNodes::Node(int level, uint64_t index) {
  // The children at the nearest stored level below, folded.
  int stored = level < 8 ? 0 : level < 16 ? 8 : 16;
  uint64_t width = uint64_t{1} << (level - stored);
  std::vector<Hash> hashes(width);
  uint64_t first = index << (level - stored);
  if (stored == 0) {
    RETURN_IF_ERROR(Leaves(LogIndex(first), std::span(hashes)));
  } else if (stored == 8) {
    RETURN_IF_ERROR(NodesOfLevel8(first, std::span(hashes)));
  } else {
    RETURN_IF_ERROR(NodesOfLevel16(first, std::span(hashes)));
  }
  for (uint64_t pairs = width / 2; pairs > 0; pairs /= 2) {
    Sha256Nodes(hashes.data(), pairs, hashes.data());
  }
  return hashes[0];
}

absl::Status LogNodes::Row(int level, uint64_t first, std::span<Hash> out) {
  if (level == 0) return Leaves(LogIndex(first), out);
  // A call of NodesOfLevel8 lies below one node of level 16.
  while (level == 8 && !out.empty()) {
    const uint64_t piece = std::min<uint64_t>(out.size(), 256 - first % 256);
    RETURN_IF_ERROR(NodesOfLevel8(first, out.first(piece)));
    first += piece;
    out = out.subspan(piece);
  }
  if (level == 16) return NodesOfLevel16(first, out);
  for (Hash& node : out) {
    ASSIGN_OR_RETURN(node, Node(level, first++));
  }
  return absl::OkStatus();
}

absl::Status LogNodes::FromSegments(int level, uint64_t first, std::span<Hash> out) {
  for (int rounds = 0; rounds <= kRoundsMax; ++rounds) {
    auto segments = log_.segments();
    if (((first + out.size()) << level) > segments->end().value) {
      return absl::NotFoundError("not in a segment");
    }
    const SegmentEntry& segment = segments->Holding(LogIndex(first << level));
    auto reader = cache_.Get(segment.path);
    if (absl::IsNotFound(reader.status())) continue;  // replaced meanwhile
    RETURN_IF_ERROR(reader.status());
    return (*reader)->ReadHashes(level, first, out);
  }
  return absl::DataLossError(fmt::format("log {}: a segment is missing", log_.meta.name));
}

absl::Status LogNodes::Leaves(LogIndex first, std::span<Hash> out) {
  while (!out.empty()) {
    // A piece never crosses the border of a segment or of a chunk.
    uint64_t piece =
        std::min<uint64_t>(out.size(), Tail::kChunkRecords - first.value % Tail::kChunkRecords);
    if (!log_.tail().Hashes(first, out.first(piece))) {
      RETURN_IF_ERROR(FromSegments(0, first.value, out.first(piece)));
    }
    first = first + piece;
    out = out.subspan(piece);
  }
  return absl::OkStatus();
}

absl::Status LogNodes::NodesOfLevel8(uint64_t first, std::span<Hash> out) {
  // They lie below one node of level 16 at most: in the tail, in one segment, or from some place on
  // in the tail. A row is read once.
  for (size_t i = 0; i < out.size();) {
    size_t n = 1;
    if (!log_.tail().Nodes(first + i, out.subspan(i, n))) {
      const uint64_t sealed = log_.segments()->end().value >> 8;
      if (sealed > first + i) n = std::min<uint64_t>(sealed - first - i, out.size() - i);
      RETURN_IF_ERROR(FromSegments(8, first + i, out.subspan(i, n)));
    }
    i += n;
  }
  return absl::OkStatus();
}

absl::Status LogNodes::NodesOfLevel16(uint64_t first, std::span<Hash> out) {
  auto segments = log_.segments();
  for (size_t i = 0; i < out.size(); ++i) {
    uint64_t index = first + i;
    if (((index + 1) << 16) <= segments->final_end().value) {
      out[i] = segments->entries[index].node16;
      continue;
    }
    std::vector<Hash> hashes(256);
    RETURN_IF_ERROR(NodesOfLevel8(index << 8, std::span(hashes)));
    for (uint64_t pairs = 128; pairs > 0; pairs /= 2) {
      Sha256Nodes(hashes.data(), pairs, hashes.data());
    }
    out[i] = hashes[0];
  }
  return absl::OkStatus();
}

}  // namespace graven::shelf
