// The signed notes of one log that are worth keeping, append-only: those cosigned, those that went
// into a receipt, one a minute. The rest can be made again.
//
// Threads: one call at a time. Holds no file handle between calls.
//
// Invariants:
// - Append returns after its note is durable, so only the last frame can ever be torn: a bad frame
//   with a valid one behind it is damage.
//
// The file: 8 bytes "GRVNCKP1", then frames. Numbers are little-endian. A frame:
//   0   4 bytes  "ckpt"
//   4   u32      length of the note, 1 to 65,536
//   8   note     a C2SP signed note
//   ..  u64      XXH3-64 of all before it, seeded with the frame's offset in the file
//
// The file of time stamps is of the same form with other words; what its frames hold instead of a
// note is in store/time_stamps.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file_system.h"

namespace graven::store {

inline constexpr uint64_t kCheckpointNoteBytesMax = 65'536;
// Where the first frame begins, and how long the frame of a note is.
inline constexpr uint64_t kFirstFrameOffset = 8;
constexpr uint64_t CheckpointFrameBytes(uint64_t note_bytes) { return note_bytes + 16; }

// What a file of this form, and each of its frames, begins with.
struct FrameWords {
  std::string_view file;   // 8 bytes
  std::string_view frame;  // 4 bytes
};
inline constexpr FrameWords kCheckpointWords{"GRVNCKP1", "ckpt"};

// The frame of a note that begins at `offset` of the file.
std::string EncodeCheckpointFrame(std::string_view note, uint64_t offset,
                                  const FrameWords& words = kCheckpointWords);

// What stands at `offset`, the file's byte that `bytes` begins with.
struct CheckpointFrame {
  std::string_view note;  // into `bytes`
  uint64_t frame_bytes = 0;
};
std::optional<CheckpointFrame> DecodeCheckpointFrame(std::string_view bytes, uint64_t offset,
                                                     const FrameWords& words = kCheckpointWords);

class CheckpointsFile {
 public:
  // Looks at the file's end and writes nothing, so that a server with many logs opens fast; a
  // missing file is an empty one. What a crash left torn is cut, and the last frame made durable
  // once more, by the first Append. kDataLoss: no checkpoints file, or a damaged frame.
  static absl::StatusOr<CheckpointsFile> Open(io::FileSystem& fs, std::string path,
                                              const FrameWords& words = kCheckpointWords);

  // On return OK the note is durable. kInvalidArgument: empty or longer than
  // kCheckpointNoteBytesMax. kFailedPrecondition: an earlier call failed; open again. Other errors:
  // the outcome is unknown.
  absl::Status Append(std::string_view note);

  // The newest note. After Open it may be one whose Append failed: until the next Append succeeds,
  // a crash may take it.
  const std::optional<std::string>& last() const { return last_; }
  // Of the last whole frame; 0: there is no file.
  uint64_t end() const { return end_; }
  // What stands behind the last whole frame, until the first Append cuts it.
  uint64_t torn_bytes() const { return torn_bytes_; }

  // Calls `visit` with every note from the first on, until it returns an error, which is returned.
  // Writes nothing; a torn last frame is passed over. kNotFound. kDataLoss names the offset of a
  // damaged frame.
  static absl::Status ForEach(io::FileSystem& fs, const std::string& path,
                              absl::FunctionRef<absl::Status(std::string_view note)> visit,
                              const FrameWords& words = kCheckpointWords);

  // The newest note that is `wanted`, if any; looks from the end on, a window at a time. A missing
  // file has none. What is no valid frame is passed over: Open is what finds damage.
  static absl::StatusOr<std::optional<std::string>> FindLast(
      io::FileSystem& fs, const std::string& path,
      absl::FunctionRef<bool(std::string_view note)> wanted,
      const FrameWords& words = kCheckpointWords);

 private:
  CheckpointsFile(io::FileSystem& fs, std::string path, const FrameWords& words)
      : fs_(&fs), path_(std::move(path)), words_(words) {}

  absl::Status Prepare();

  io::FileSystem* fs_;
  std::string path_;
  FrameWords words_;
  uint64_t last_frame_ = 0;  // offset
  uint64_t end_ = 0;         // as end() says
  std::optional<std::string> last_;
  uint64_t torn_bytes_ = 0;
  bool prepared_ = false;
  bool failed_ = false;
};

}  // namespace graven::store
