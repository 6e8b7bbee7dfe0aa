#pragma once

#include <memory>
#include <string_view>

#include "base/hash.h"

namespace graven {

// SHA-256 of what comes in pieces, such as a file. Not thread-safe.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(const Sha256Stream&) = delete;
  Sha256Stream& operator=(const Sha256Stream&) = delete;

  void Add(std::string_view piece);
  // Of all that was added. Nothing may be added after.
  Hash Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace graven
