#include "journal/journal_damage.h"

#include <map>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "base/status_macros.h"
#include "io/durable_file.h"
#include "journal/journal_format.h"
#include "record/record.h"

namespace graven::journal {
namespace {

// One record of the section, as far as its bytes can be told from the next one's.
struct Piece {
  RecordLocation location;
  bool readable = false;  // decodes, and has the index that is due
  Hash previous_hash;
  Hash hash;
};

// The records of a section whose bytes nobody vouches for. Ends where a length leads out of it.
std::vector<Piece> CutIntoPieces(const FrameSection& section) {
  std::vector<Piece> pieces;
  std::string_view left = section.records;
  while (pieces.size() < section.record_count) {
    Piece piece;
    piece.location.file = section.file;
    uint64_t size = 0;
    const bool sized = GetVarint(&left, &size) && size <= left.size();
    piece.location.offset =
        section.records_offset + static_cast<uint32_t>(section.records.size() - left.size());
    if (!sized) {
      pieces.push_back(piece);
      return pieces;
    }
    const std::string_view bytes = left.substr(0, size);
    left.remove_prefix(size);
    piece.location.length = static_cast<uint32_t>(size);
    piece.hash = record::RecordHash(bytes);
    if (auto header = record::Decode(bytes); header.ok()) {
      piece.readable = header->index == section.first + pieces.size();
      piece.previous_hash = header->previous_hash;
    }
    pieces.push_back(piece);
  }
  return pieces;
}

// Which piece is not what was written; their number when all are: then `tip` has moved behind them.
size_t FirstBadPiece(const std::vector<Piece>& pieces, const FrameSection& section, LogTip& tip) {
  const LogIndex end(tip.frontier.size().value);
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (!pieces[i].readable) return i;
    if (section.first + i < end) {
      const std::optional<Hash> known = tip.hash_of(section.first + i);
      if (known && *known != pieces[i].hash) return i;
      continue;
    }
    if (pieces[i].previous_hash != tip.last_hash) {
      // Either the record before has other bytes than were hashed, or this link itself does. The
      // link of the next record tells whether this one is whole.
      const bool whole = i + 1 < pieces.size() && pieces[i + 1].readable &&
                         pieces[i + 1].previous_hash == pieces[i].hash;
      return whole && i > 0 && section.first + (i - 1) >= end ? i - 1 : i;
    }
    tip.last_hash = pieces[i].hash;
    tip.frontier.Append(pieces[i].hash);
  }
  // Only the last one has no record behind it that would notice; the root does.
  const bool last_is_new = !pieces.empty() && section.first + (pieces.size() - 1) >= end;
  if (last_is_new && tip.frontier.Root() != section.root) return pieces.size() - 1;
  return pieces.size();
}

absl::StatusOr<std::string> ReadFrame(io::File& file, uint64_t offset, const JournalSalt& salt,
                                      FrameHeader* header) {
  std::string bytes(kFrameHeaderBytes, '\0');
  RETURN_IF_ERROR(file.ReadAt(offset, {bytes.data(), bytes.size()}));
  ASSIGN_OR_RETURN(const uint64_t size, file.Size());
  if (!DecodeFrameHeader(bytes, salt, header) ||
      header->body_bytes > size - offset - kFrameHeaderBytes) {
    return std::string();
  }
  bytes.resize(header->body_bytes);
  RETURN_IF_ERROR(file.ReadAt(offset + kFrameHeaderBytes, {bytes.data(), bytes.size()}));
  return bytes;
}

}  // namespace

absl::StatusOr<std::optional<BadRecord>> FindBadRecord(
    io::FileSystem& fs, const std::string& dir, const JournalRecovery& recovery,
    const std::function<std::optional<LogTip>(uint32_t log_number)>& tip_of) {
  const JournalDamage& damage = *recovery.damage;
  const auto opened = fs.Open(io::JoinPath(dir, JournalFileName(damage.file)), io::OpenMode::kRead);
  // A missing file is damage, too.
  if (absl::IsNotFound(opened.status())) return std::nullopt;
  RETURN_IF_ERROR(opened.status());
  io::File& file = **opened;
  std::string head(kJournalHeaderBytes, '\0');
  const absl::Status read = file.ReadAt(0, {head.data(), head.size()});
  // Cut short, or the disk refuses: no record can be told.
  if (!read.ok()) return std::nullopt;
  JournalHeader life;
  if (DecodeJournalHeader(head, damage.file, &life) != HeaderState::kValid) return std::nullopt;
  FrameHeader header;
  auto body = ReadFrame(file, damage.offset, life.salt, &header);
  if (!body.ok()) return std::nullopt;
  std::optional<BadRecord> found;
  std::map<uint32_t, std::optional<LogTip>> tips;  // a log may have several sections
  const auto body_offset = static_cast<uint32_t>(damage.offset + kFrameHeaderBytes);
  ParseSections(*body, header, damage.file, body_offset, false, [&](const FrameSection& section) {
    if (found) return;
    auto [known, first] = tips.try_emplace(section.log_number);
    std::optional<LogTip>& tip = known->second;
    if (first) tip = tip_of(section.log_number);
    if (!tip || tip->frontier.size().value < section.first.value) return;
    const std::vector<Piece> pieces = CutIntoPieces(section);
    const size_t bad = FirstBadPiece(pieces, section, *tip);
    if (bad < pieces.size()) {
      found = BadRecord{section.log_number, section.first + bad, pieces[bad].location};
    }
  });
  return found;
}

}  // namespace graven::journal
