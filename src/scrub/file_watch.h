#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "io/file_system.h"

namespace graven::scrub {

// How the server itself changes a file.
enum class FileChange {
  kNever,
  kInPlace,             // appended to, or a torn end cut
  kReplacedWhenLarger,  // a larger one is put in its place
};

// Remembers what files were like when they were first looked at, and says what has changed. One
// thread.
class FileWatch {
 public:
  explicit FileWatch(io::FileSystem& fs) : fs_(fs) {}

  // What is wrong with the file, in words; nothing when it is as it was, or is seen for the first
  // time. `may_be_absent`: it is no fault that it is missing, as long as it was not there before.
  std::optional<std::string> Look(const std::string& path, FileChange change,
                                  bool may_be_absent = false);

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

}  // namespace graven::scrub
