#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace graven::import {

// The largest line, and the largest file that has to be read as a whole.
inline constexpr size_t kLineBytesMax = size_t{64} << 20;
inline constexpr size_t kWholeBytesMax = size_t{1} << 30;

// A file, the standard input or a text in memory, read in pieces. Gzip is undone on the way.
class TextSource {
 public:
  virtual ~TextSource() = default;

  // Fills `buffer` with up to `bytes_max` bytes of the text; 0 at the end.
  // kUnavailable: the file could not be read or is damaged.
  virtual absl::StatusOr<size_t> Read(char* buffer, size_t bytes_max) = 0;

  // Bytes taken off the disk so far.
  virtual uint64_t bytes_done() const = 0;

  // Whether somebody may still be writing to it. What was compressed is finished.
  virtual bool may_grow() const { return true; }
};

// `path` "-" is the standard input. kNotFound, kUnavailable.
absl::StatusOr<std::unique_ptr<TextSource>> OpenFileSource(const std::string& path);

// `text` must outlive the source.
std::unique_ptr<TextSource> OpenTextSource(std::string_view text);

// Bytes of a file on the disk; 0 if unknown.
uint64_t FileBytes(const std::string& path);

// Reads lines, the newline and a carriage return before it taken off. An unfinished last line
// is one too.
class LineReader {
 public:
  explicit LineReader(TextSource& source) : source_(source) {}

  // False at the end. `line` lives until the next call.
  // kInvalidArgument: a line is longer than kLineBytesMax. kUnavailable: reading failed.
  absl::StatusOr<bool> Next(std::string_view* line);

  // Of the line that Next gave: no newline stood behind it, the text ends there.
  bool unfinished() const { return unfinished_; }

  // Everything that has not been handed out yet.
  // kInvalidArgument: more than kWholeBytesMax. kUnavailable: reading failed.
  absl::StatusOr<std::string> Rest();

 private:
  absl::Status Fill();

  TextSource& source_;
  std::string buffer_;
  size_t at_ = 0;
  bool ended_ = false;
  bool unfinished_ = false;
};

}  // namespace graven::import
