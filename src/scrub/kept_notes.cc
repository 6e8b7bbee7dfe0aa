#include "scrub/kept_notes.h"

#include <utility>

#include "base/sha256.h"
#include "fmt/format.h"

namespace graven::scrub {

std::optional<std::string> KeptNotes::LookAtEnd(uint64_t whole_bytes) {
  const uint64_t before = std::exchange(whole_bytes_, whole_bytes);
  if (whole_bytes >= before) return std::nullopt;
  return fmt::format("was cut: its frames end at byte {}, and ended at byte {}", whole_bytes,
                     before);
}

void KeptNotes::Reading::Add(std::string_view note) {
  std::string link(digest_.view());
  link += note;
  digest_ = Sha256(link);
  ++count_;
  offset_ += store::CheckpointFrameBytes(note.size());
  if (count_ == known_.count_) same_beginning_ = digest_ == known_.digest_;
}

std::optional<std::string> KeptNotes::Reading::End() {
  const uint64_t before = std::exchange(known_.count_, count_);
  known_.digest_ = digest_;
  if (count_ < before) {
    return fmt::format("holds {} notes, and held {}: some were taken away", count_, before);
  }
  if (same_beginning_) return std::nullopt;
  return fmt::format(
      "the first {} notes are not those that it held: some were changed or taken "
      "away",
      before);
}

}  // namespace graven::scrub
