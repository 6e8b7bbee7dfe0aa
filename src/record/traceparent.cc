#include "record/traceparent.h"

#include <algorithm>

namespace graven::record {
namespace {

bool IsLowerHex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsId(std::string_view text) {
  return IsLowerHex(text) && text.find_first_not_of('0') != std::string_view::npos;
}

}  // namespace

bool IsTraceparent(std::string_view text) {
  if (text.size() != 55 || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
  std::string_view version = text.substr(0, 2);
  return IsLowerHex(version) && version != "ff" && IsId(text.substr(3, 32)) &&
         IsId(text.substr(36, 16)) && IsLowerHex(text.substr(53, 2));
}

}  // namespace graven::record
