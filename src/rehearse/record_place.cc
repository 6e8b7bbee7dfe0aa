#include "rehearse/record_place.h"

#include <optional>
#include <span>
#include <vector>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "store/data_folder.h"
#include "store/segment_format.h"

namespace graven::rehearse {
namespace {

constexpr uint64_t kJournalFileBytesMax = uint64_t{1} << 30;

absl::StatusOr<std::string> ReadPiece(io::File& file, uint64_t offset, uint64_t bytes) {
  std::string piece(bytes, '\0');
  RETURN_IF_ERROR(file.ReadAt(offset, std::span(piece)));
  return piece;
}

// The middle of the block that holds it; nothing when the segment does not.
absl::StatusOr<std::optional<RecordPlace>> FindInSegment(io::FileSystem& fs,
                                                         const std::string& path, LogIndex index) {
  ASSIGN_OR_RETURN(const auto file, fs.Open(path, io::OpenMode::kRead));
  ASSIGN_OR_RETURN(const uint64_t bytes, file->Size());
  if (bytes < store::kSegmentFooterBytes) return std::nullopt;  // being written at a crash
  store::SegmentFrame frame;
  ASSIGN_OR_RETURN(const std::string footer, ReadPiece(*file, bytes - store::kSegmentFooterBytes,
                                                       store::kSegmentFooterBytes));
  RETURN_IF_ERROR(store::DecodeSegmentFooter(footer, bytes, &frame));
  if (index < frame.first || index >= frame.end) return std::nullopt;
  store::SegmentIndex blocks;
  ASSIGN_OR_RETURN(const std::string text, ReadPiece(*file, frame.index_at, frame.index_bytes));
  if (!store::DecodeSegmentIndex(text, frame, &blocks))
    return absl::DataLossError(fmt::format("{}: its index is damaged", path));
  const uint64_t within = index.value - frame.first.value;
  for (const store::SegmentBlock& block : blocks.blocks) {
    if (within < block.first || within >= block.end()) continue;
    return RecordPlace{
        .offset = block.offset + block.stored_bytes / 2,
        .what = fmt::format("the block of records {} to {}", frame.first.value + block.first,
                            frame.first.value + block.end() - 1)};
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<RecordPlace> FindRecord(io::FileSystem& fs, const std::string& data,
                                       const std::string& log, LogIndex index,
                                       std::string_view record) {
  const store::DataPaths paths(data);
  ASSIGN_OR_RETURN(const std::vector<std::string> segments, fs.List(paths.Segments(log)));
  for (const std::string& name : segments) {
    if (name.find('.') != name.npos) continue;  // unfinished
    ASSIGN_OR_RETURN(std::optional<RecordPlace> place,
                     FindInSegment(fs, io::JoinPath(paths.Segments(log), name), index));
    if (!place) continue;
    place->file = fmt::format("logs/{}/segments/{}", log, name);
    return *std::move(place);
  }
  // In the journal records stand as they are, and each names the one before it, so none is there
  // twice. What a recycled file still holds of a record stands in a segment, and was found there.
  ASSIGN_OR_RETURN(const std::vector<std::string> journal, fs.List(paths.Journal()));
  for (const std::string& name : journal) {
    const std::string path = io::JoinPath(paths.Journal(), name);
    ASSIGN_OR_RETURN(const std::string bytes, io::ReadWholeFile(fs, path, kJournalFileBytesMax));
    const size_t at = bytes.find(record);
    if (at == bytes.npos) continue;
    return RecordPlace{fmt::format("journal/{}", name), at + record.size() / 2,
                       fmt::format("record {}", index.value)};
  }
  return absl::NotFoundError(
      fmt::format("record {} is neither in a segment nor in the journal", index.value));
}

absl::Status FlipBit(io::FileSystem& fs, const std::string& data, const RecordPlace& place) {
  ASSIGN_OR_RETURN(const auto file,
                   fs.Open(io::JoinPath(data, place.file), io::OpenMode::kReadWrite));
  ASSIGN_OR_RETURN(std::string byte, ReadPiece(*file, place.offset, 1));
  byte[0] = static_cast<char>(byte[0] ^ 1);
  return file->WriteAt(place.offset, byte);
}

}  // namespace graven::rehearse
