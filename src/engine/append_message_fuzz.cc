#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "engine/append_message.h"
#include "graven/v1/audit_log_service.pb.h"

// What the walk accepts, protobuf parses to the same request, given that its events are
// well-formed.
namespace graven::engine {
namespace {

template <typename Message>
void Compare(std::string_view bytes, const AppendMessage& walked) {
  Message parsed;
  if (!parsed.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  GRAVEN_CHECK(parsed.log() == walked.log);
  GRAVEN_CHECK(parsed.expected_last_hash() == walked.expected_last_hash);
  GRAVEN_CHECK(static_cast<size_t>(parsed.events_size()) == walked.events.size());
}

void Run(std::string_view bytes) {
  AppendMessage message;
  if (DecodeAppendMessage(bytes, AppendShape::kUnary, &message).ok()) {
    Compare<graven::v1::AppendRequest>(bytes, message);
  }
  if (DecodeAppendMessage(bytes, AppendShape::kStream, &message).ok()) {
    Compare<graven::v1::AppendStreamRequest>(bytes, message);
  }
}

}  // namespace
}  // namespace graven::engine

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  graven::engine::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
