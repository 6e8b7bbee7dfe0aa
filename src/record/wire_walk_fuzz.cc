// What the walk accepts, protobuf reads; what protobuf refuses, the walk refuses; and accepted
// bodies are equal to what protobuf writes of them.
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "graven/v1/record.pb.h"
#include "record/body_check.h"
#include "record/entry_view.h"
#include "record/equality.h"
#include "record/summary.h"

namespace {

using namespace graven::record;

template <typename Message>
void Compare(BodyKind kind, std::string_view bytes) {
  EventFacts facts;
  std::vector<Violation> violations;
  bool good = CheckBody(kind, bytes, RuleContext(), &facts, &violations);
  GRAVEN_CHECK(good == violations.empty() && violations.size() <= kViolationsMax);
  if (!good) return;
  Message message;
  GRAVEN_CHECK(message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  GRAVEN_CHECK(message.event_id() == facts.event_id);
  // Protobuf drops unknown fields of map entries; where there are none it writes the same message.
  std::string again = message.SerializeAsString();
  if (again.size() == bytes.size()) {
    Message reread;
    GRAVEN_CHECK(reread.ParseFromString(again));
    GRAVEN_CHECK(SameBody(kind, bytes, again, RuleContext()));
  }
  RecordHeader header = {.kind = kind, .body = bytes};
  GRAVEN_CHECK(Summarize(header).ok());
  graven::v1::Entry entry;
  graven::v1::Event event;
  GRAVEN_CHECK(entry.ParseFromString(EntryBytes(header)));
  GRAVEN_CHECK(event.ParseFromString(EventBytes(header)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    Compare<graven::v1::Event>(BodyKind::kEvent, bytes);
  } else {
    Compare<graven::v1::Entry>(BodyKind::kEntry, bytes);
  }
  return 0;
}
