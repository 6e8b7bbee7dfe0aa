#include "store/time_stamps.h"

#include "base/check.h"
#include "base/encoding.h"

namespace graven::store {
namespace {

constexpr size_t kLengthBytes = 4;

}  // namespace

std::string EncodeStampedNote(const StampedNote& stamped) {
  GRAVEN_CHECK(!stamped.note.empty() && !stamped.token.empty() &&
               kLengthBytes + stamped.note.size() + stamped.token.size() <=
                   kCheckpointNoteBytesMax);
  std::string payload(kLengthBytes, '\0');
  PutFixed32(payload.data(), static_cast<uint32_t>(stamped.note.size()));
  return payload + stamped.note + stamped.token;
}

std::optional<StampedNote> DecodeStampedNote(std::string_view payload) {
  if (payload.size() < kLengthBytes || payload.size() > kCheckpointNoteBytesMax) {
    return std::nullopt;
  }
  const size_t note_bytes = GetFixed32(payload.data());
  payload.remove_prefix(kLengthBytes);
  if (note_bytes == 0 || note_bytes >= payload.size()) return std::nullopt;
  return StampedNote{std::string(payload.substr(0, note_bytes)),
                     std::string(payload.substr(note_bytes))};
}

}  // namespace graven::store
