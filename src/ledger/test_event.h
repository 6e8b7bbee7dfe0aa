#pragma once

#include <string>
#include <string_view>

namespace graven::ledger {

// The bytes of a small graven.v1.Event: its id, actor "a", an action, a time. REQUIRES: texts below
// 128 bytes.
inline std::string EventBytes(std::string_view id, std::string_view action = "b") {
  std::string bytes = "\x0a";
  bytes += static_cast<char>(id.size());
  bytes += id;
  bytes += std::string("\x12\x03\x0a\x01") + "a";
  bytes += "\x1a";
  bytes += static_cast<char>(action.size());
  bytes += action;
  bytes += std::string("\x2a\x02\x08\x01");
  return bytes;
}

}  // namespace graven::ledger
