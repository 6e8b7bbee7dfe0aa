#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file_system.h"
#include "journal/journal_format.h"

namespace graven::journal {

// Reads frames of one journal file through a window of memory. One thread.
class FrameScanner {
 public:
  // Looks at bytes [kJournalHeaderBytes, end) of `file`; it must outlive the scanner.
  FrameScanner(io::File& file, uint64_t number, const JournalSalt& salt, uint64_t end)
      : file_(file), number_(number), salt_(salt), end_(end) {}

  struct Frame {
    FrameHeader header;
    std::string_view body;  // until the next call
    uint64_t offset = 0;
  };

  enum class Found {
    kFrame,       // whole, of this incarnation, well-formed
    kNothing,     // no trace of one
    kPart,        // something that begins like the frame `sequence`
    kEnd,         // no room for one
    kUnreadable,  // the disk does not give the bytes that would tell
  };

  // What stands at `offset`.
  Found ReadAt(uint64_t offset, uint64_t sequence, Frame* frame);

  // Calls `on_frame` for every whole frame of this incarnation at or behind `offset`, whatever its
  // number. Passes over what cannot be read, and gives up where that is a MiB in a row.
  void Search(uint64_t offset, absl::FunctionRef<void(const Frame&)> on_frame);

  // Why the last kUnreadable was one.
  const absl::Status& read_error() const { return read_error_; }

  absl::Status ForEachSection(const Frame& frame, const SectionCallback& on_section) const;

  uint64_t number() const { return number_; }

 private:
  absl::StatusOr<std::string_view> View(uint64_t offset, uint64_t size);

  io::File& file_;
  const uint64_t number_;
  const JournalSalt salt_;
  const uint64_t end_;

  std::unique_ptr<char[]> window_;
  uint64_t capacity_ = 0;
  uint64_t window_at_ = 0;
  uint64_t window_bytes_ = 0;
  absl::Status read_error_;
};

}  // namespace graven::journal
