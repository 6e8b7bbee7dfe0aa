#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "store/checkpoints_file.h"

namespace graven::scrub {

// What the scrubber remembers of a file of frames (kept checkpoints, time stamps), which only grows
// while a server runs: so that frames that were taken off its end, or swapped for other valid ones,
// are found although what is left is sound. One thread; forgotten at the end of the process.
class KeptNotes {
 public:
  // The file has whole frames up to this byte. What is wrong with that, in words.
  std::optional<std::string> LookAtEnd(uint64_t whole_bytes);

  // One reading, from the first note on. What is not read to its end changes nothing.
  class Reading {
   public:
    explicit Reading(KeptNotes& known) : known_(known) {}
    void Add(std::string_view note);
    // Of the frame behind the last note added.
    uint64_t offset() const { return offset_; }
    // All notes have been added.
    std::optional<std::string> End();

   private:
    KeptNotes& known_;
    uint64_t count_ = 0;
    Hash digest_;
    bool same_beginning_ = true;
    uint64_t offset_ = store::kFirstFrameOffset;
  };

 private:
  uint64_t whole_bytes_ = 0;
  // Of the last whole reading: so many notes, and a hash over them.
  uint64_t count_ = 0;
  Hash digest_;
};

}  // namespace graven::scrub
