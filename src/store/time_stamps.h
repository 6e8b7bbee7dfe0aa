// The time stamp tokens of one log's checkpoints (RFC 3161): a file of the form of
// checkpoints_file.h with words of its own, whose frames hold a signed note and the token over its
// text. A note is kept as it was when it was stamped, so that a frame is evidence without the rest
// of the folder.
//
// Threads: stateless. A frame's payload, numbers little-endian:
//   0       u32    n, length of the note
//   4       n      a C2SP signed note
//   4 + n   rest   the token, DER, at least 1 byte
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "store/checkpoints_file.h"

namespace graven::store {

inline constexpr FrameWords kTimeStampWords{"GRVNTSP1", "tstp"};

struct StampedNote {
  std::string note;
  std::string token;

  bool operator==(const StampedNote&) const = default;
};

// REQUIRES: neither is empty; together with 4 bytes they are at most kCheckpointNoteBytesMax.
std::string EncodeStampedNote(const StampedNote& stamped);
// Nothing unless `payload` is what EncodeStampedNote makes.
std::optional<StampedNote> DecodeStampedNote(std::string_view payload);

}  // namespace graven::store
