#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "io/file_system.h"

namespace graven::ledger {

// Remembers what files were like when they were first looked at, and says what has changed. One
// thread.
class FileWatch {
 public:
  explicit FileWatch(io::FileSystem& fs) : fs_(fs) {}

  // What is wrong with the file, in words; nothing when it is as it was, or is seen for the first
  // time. `fixed_size`: it may neither grow nor shrink.
  std::optional<std::string> Look(const std::string& path, bool fixed_size);

  // A pass over all files begins and ends: those that were not looked at in between are forgotten.
  void BeginPass() { ++pass_; }
  void EndPass();

  // As it was when it was looked at last; 0: it was not.
  uint64_t SizeOf(const std::string& path) const;

 private:
  struct Seen {
    io::FileInfo info;
    uint64_t pass = 0;
  };
  io::FileSystem& fs_;
  uint64_t pass_ = 0;
  std::map<std::string, Seen> seen_;
};

}  // namespace graven::ledger
