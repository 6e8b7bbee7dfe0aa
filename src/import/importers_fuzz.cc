// Whatever a file holds, an import ends, and what comes out is an event: CheckBody has passed,
// protobuf reads it, and reading the same again gives the same bytes.
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "graven/v1/event.pb.h"
#include "import/importer.h"

namespace {

using namespace graven::import;

std::vector<std::string> Run(const ImportOptions& options, std::string_view text) {
  std::vector<std::string> events;
  uint64_t refused = 0;
  ImportCallbacks callbacks = {.on_event =
                                   [&](const ImportedEvent& event) {
                                     events.emplace_back(event.bytes);
                                     return absl::OkStatus();
                                   },
                               .on_refused = [&](const Refusal&) { ++refused; },
                               .on_unfinished = nullptr,
                               .on_progress = nullptr};
  ImportCounts counts;
  GRAVEN_CHECK(ImportText(options, "fuzz", text, callbacks, &counts).ok());
  GRAVEN_CHECK(counts.events == events.size() && counts.refused == refused);
  return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  constexpr Format kFormats[] = {Format::kCloudTrail, Format::kK8sAudit, Format::kDpkg,
                                 Format::kJsonLines};
  ImportOptions options = {.format = kFormats[data[0] % 4],
                           .oversize = data[0] & 4 ? Oversize::kDigest : Oversize::kRefuse,
                           .bad_input = BadInput::kCount,
                           .time_zone = "UTC",
                           .host = "fuzz"};
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::vector<std::string> events = Run(options, text);
  for (const std::string& bytes : events) {
    graven::v1::Event event;
    GRAVEN_CHECK(event.ParseFromString(bytes) && !event.event_id().empty());
  }
  GRAVEN_CHECK(Run(options, text) == events);
  return 0;
}
