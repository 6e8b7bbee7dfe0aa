#include "note/time_stamp.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"

// Any bytes as a reply, a token and certificates: refused with words, never believed.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  constexpr std::string_view kText = "example.com/log\n1\nAAAA\n";
  const auto token = graven::note::TakeTimeStampReply(bytes, kText, 7);
  const std::string_view one = token.ok() ? std::string_view(*token) : bytes;
  GRAVEN_CHECK(!graven::note::CheckTimeStamp(one, kText, bytes).ok() || !bytes.empty());
  (void)graven::note::CheckTimeStamp(one, kText, "");
  GRAVEN_CHECK(bytes.starts_with(graven::note::TextOfNote(bytes)));
  return 0;
}
