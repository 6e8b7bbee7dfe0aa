#include "store/checkpoints_file.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "base/absl_views.h"
#include "base/check.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/durable_file.h"

namespace graven::store {
namespace {

constexpr size_t kFileMagicBytes = kFirstFrameOffset;
constexpr size_t kFrameHeaderBytes = 8;
constexpr size_t kFrameChecksumBytes = 8;
static_assert(CheckpointFrameBytes(0) == kFrameHeaderBytes + kFrameChecksumBytes);
constexpr uint64_t kFrameBytesMax = CheckpointFrameBytes(kCheckpointNoteBytesMax);
// What Open looks at: always several frames.
constexpr uint64_t kWindowBytes = 4 * kFrameBytesMax;

absl::Status FileStatus(absl::StatusCode code, std::string_view path, std::string_view what) {
  const std::string message = fmt::format("checkpoints {}: {}", path, what);
  return absl::Status(code, ToAbsl(message));
}

absl::Status DamagedAt(std::string_view path, uint64_t offset) {
  return FileStatus(absl::StatusCode::kDataLoss, path,
                    fmt::format("damaged frame at byte {}", offset));
}

// The offset of the first valid frame at or behind `from`, in a part of the file that begins at
// `base`; its end when there is none.
uint64_t FindFrame(std::string_view bytes, uint64_t base, uint64_t from, const FrameWords& words) {
  size_t at = bytes.find(words.frame, from - base);
  while (at != std::string_view::npos) {
    if (DecodeCheckpointFrame(bytes.substr(at), base + at, words).has_value()) return base + at;
    at = bytes.find(words.frame, at + 1);
  }
  return base + bytes.size();
}

absl::Status CheckFileMagic(io::File& file, std::string_view path, const FrameWords& words) {
  std::string magic(kFileMagicBytes, '\0');
  const absl::Status read = file.ReadAt(0, std::span<char>(magic));
  if (absl::IsOutOfRange(read) || (read.ok() && magic != words.file)) {
    return FileStatus(absl::StatusCode::kDataLoss, path, "does not begin as such a file");
  }
  return read;
}

absl::StatusOr<std::string> ReadPart(io::File& file, uint64_t begin, uint64_t end) {
  std::string bytes(end - begin, '\0');
  RETURN_IF_ERROR(file.ReadAt(begin, std::span<char>(bytes)));
  return bytes;
}

struct Tail {
  uint64_t last_frame = 0;  // offset; the header's length when there is no frame
  uint64_t end = 0;         // of the last valid frame
  std::string last_note;
};

// Walks the frames of `bytes`, which is the file from `base` to its end.
absl::StatusOr<Tail> WalkTail(std::string_view bytes, uint64_t base, std::string_view path,
                              const FrameWords& words) {
  Tail tail{base, base, ""};
  while (tail.end < base + bytes.size()) {
    const std::string_view rest = bytes.substr(tail.end - base);
    const std::optional<CheckpointFrame> frame = DecodeCheckpointFrame(rest, tail.end, words);
    if (!frame.has_value()) {
      // A later frame was written only after this one was durable, so this is no torn tail.
      if (FindFrame(bytes, base, tail.end, words) < base + bytes.size()) {
        return DamagedAt(path, tail.end);
      }
      break;
    }
    tail.last_frame = tail.end;
    tail.last_note = frame->note;
    tail.end += frame->frame_bytes;
  }
  return tail;
}

}  // namespace

std::string EncodeCheckpointFrame(std::string_view note, uint64_t offset, const FrameWords& words) {
  GRAVEN_CHECK(!note.empty() && note.size() <= kCheckpointNoteBytesMax);
  std::string frame(words.frame);
  frame.resize(kFrameHeaderBytes);
  PutFixed32(frame.data() + 4, static_cast<uint32_t>(note.size()));
  frame.append(note);
  char sum[kFrameChecksumBytes];
  PutFixed64(sum, XXH3_64bits_withSeed(frame.data(), frame.size(), offset));
  frame.append(sum, sizeof sum);
  return frame;
}

std::optional<CheckpointFrame> DecodeCheckpointFrame(std::string_view bytes, uint64_t offset,
                                                     const FrameWords& words) {
  if (bytes.size() < kFrameHeaderBytes || !bytes.starts_with(words.frame)) return std::nullopt;
  const uint64_t note_bytes = GetFixed32(bytes.data() + 4);
  if (note_bytes == 0 || note_bytes > kCheckpointNoteBytesMax) return std::nullopt;
  const uint64_t summed_bytes = kFrameHeaderBytes + note_bytes;
  if (bytes.size() < summed_bytes + kFrameChecksumBytes) return std::nullopt;
  if (GetFixed64(bytes.data() + summed_bytes) !=
      XXH3_64bits_withSeed(bytes.data(), summed_bytes, offset)) {
    return std::nullopt;
  }
  return CheckpointFrame{bytes.substr(kFrameHeaderBytes, note_bytes),
                         summed_bytes + kFrameChecksumBytes};
}

absl::StatusOr<CheckpointsFile> CheckpointsFile::Open(io::FileSystem& fs, std::string path,
                                                      const FrameWords& words) {
  absl::StatusOr<std::unique_ptr<io::File>> file = fs.Open(path, io::OpenMode::kRead);
  CheckpointsFile opened(fs, std::move(path), words);
  if (absl::IsNotFound(file.status())) return opened;
  if (!file.ok()) return file.status();
  RETURN_IF_ERROR(CheckFileMagic(**file, opened.path_, words));
  ASSIGN_OR_RETURN(const uint64_t size, (*file)->Size());

  // The end of a long file, from the first frame that begins in there.
  uint64_t begin = kFileMagicBytes;
  std::string bytes;
  if (size > begin + kWindowBytes) {
    const uint64_t window = size - kWindowBytes;
    ASSIGN_OR_RETURN(bytes, ReadPart(**file, window, size));
    begin = FindFrame(bytes, window, window, words);
    if (begin == size) begin = kFileMagicBytes;  // nothing valid in there: damage; say where
    bytes.clear();
  }
  ASSIGN_OR_RETURN(bytes, ReadPart(**file, begin, size));
  ASSIGN_OR_RETURN(Tail tail, WalkTail(bytes, begin, opened.path_, words));
  if (size - tail.end > kFrameBytesMax) return DamagedAt(opened.path_, tail.end);
  opened.last_frame_ = tail.last_frame;
  opened.end_ = tail.end;
  opened.torn_bytes_ = size - tail.end;
  if (!tail.last_note.empty()) opened.last_ = std::move(tail.last_note);
  return opened;
}

absl::Status CheckpointsFile::Prepare() {
  if (end_ == 0) {
    RETURN_IF_ERROR(io::CreateFileDurably(*fs_, path_, words_.file));
    end_ = kFileMagicBytes;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::unique_ptr<io::File> file, fs_->Open(path_, io::OpenMode::kReadWrite));
  if (torn_bytes_ != 0) RETURN_IF_ERROR(file->Truncate(end_));
  torn_bytes_ = 0;
  // What Open read may not be on the disk, after a sync or a creation that failed. Were the next
  // frame written first, a crash could leave it behind a bad one, and that is damage.
  if (last_.has_value()) {
    RETURN_IF_ERROR(file->WriteAt(last_frame_, EncodeCheckpointFrame(*last_, last_frame_, words_)));
  }
  RETURN_IF_ERROR(file->Sync());
  return fs_->SyncDirectory(io::ParentDirectory(path_));
}

absl::Status CheckpointsFile::Append(std::string_view note) {
  if (note.empty() || note.size() > kCheckpointNoteBytesMax) {
    const std::string message =
        fmt::format("checkpoint note: {} bytes; 1 to {}", note.size(), kCheckpointNoteBytesMax);
    return absl::InvalidArgumentError(ToAbsl(message));
  }
  if (failed_) {
    return FileStatus(absl::StatusCode::kFailedPrecondition, path_,
                      "an earlier write failed; open it again");
  }
  failed_ = true;
  if (!prepared_) RETURN_IF_ERROR(Prepare());
  prepared_ = true;
  ASSIGN_OR_RETURN(std::unique_ptr<io::File> file, fs_->Open(path_, io::OpenMode::kReadWrite));
  const std::string frame = EncodeCheckpointFrame(note, end_, words_);
  // A part of the frame may stay behind when this fails; the first Append after the next Open cuts
  // it.
  RETURN_IF_ERROR(file->WriteAt(end_, frame));
  RETURN_IF_ERROR(file->Sync());
  failed_ = false;
  end_ += frame.size();
  last_ = note;
  return absl::OkStatus();
}

absl::Status CheckpointsFile::ForEach(io::FileSystem& fs, const std::string& path,
                                      absl::FunctionRef<absl::Status(std::string_view note)> visit,
                                      const FrameWords& words) {
  ASSIGN_OR_RETURN(std::unique_ptr<io::File> file, fs.Open(path, io::OpenMode::kRead));
  RETURN_IF_ERROR(CheckFileMagic(*file, path, words));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  uint64_t at = kFileMagicBytes;
  while (at < size) {
    // By windows, so that memory does not grow with the file.
    ASSIGN_OR_RETURN(const std::string bytes,
                     ReadPart(*file, at, std::min(size, at + kWindowBytes)));
    std::string_view rest = bytes;
    while (const std::optional<CheckpointFrame> frame = DecodeCheckpointFrame(rest, at, words)) {
      RETURN_IF_ERROR(visit(frame->note));
      at += frame->frame_bytes;
      rest.remove_prefix(frame->frame_bytes);
    }
    if (rest.size() == bytes.size()) {
      // Nothing valid here. A torn tail is shorter than a frame and has none behind it.
      const bool torn = size - at <= kFrameBytesMax && FindFrame(rest, at, at, words) == size;
      return torn ? absl::OkStatus() : DamagedAt(path, at);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> CheckpointsFile::FindLast(
    io::FileSystem& fs, const std::string& path,
    absl::FunctionRef<bool(std::string_view note)> wanted, const FrameWords& words) {
  std::optional<std::string> found;
  absl::StatusOr<std::unique_ptr<io::File>> file = fs.Open(path, io::OpenMode::kRead);
  if (absl::IsNotFound(file.status())) return found;
  if (!file.ok()) return file.status();
  RETURN_IF_ERROR(CheckFileMagic(**file, path, words));
  ASSIGN_OR_RETURN(const uint64_t size, (*file)->Size());
  for (uint64_t end = size; end > kFileMagicBytes && !found;) {
    // The frames that begin below `end`; the last of them may reach beyond.
    const uint64_t begin =
        end > kFileMagicBytes + kWindowBytes ? end - kWindowBytes : kFileMagicBytes;
    ASSIGN_OR_RETURN(const std::string bytes,
                     ReadPart(**file, begin, std::min(size, end + kFrameBytesMax)));
    uint64_t at = FindFrame(bytes, begin, begin, words);
    while (at < end) {
      const std::optional<CheckpointFrame> frame =
          DecodeCheckpointFrame(std::string_view(bytes).substr(at - begin), at, words);
      if (!frame) {
        at = FindFrame(bytes, begin, at + 1, words);
        continue;
      }
      if (wanted(frame->note)) found = frame->note;
      at += frame->frame_bytes;
    }
    end = begin;
  }
  return found;
}

}  // namespace graven::store
