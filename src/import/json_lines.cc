#include "base/status_macros.h"
#include "fmt/format.h"
#include "google/protobuf/util/json_util.h"
#include "import/converter.h"
#include "import/json_struct.h"

namespace graven::import {
namespace {

class JsonLinesConverter : public Converter {
 public:
  void StartFile() override { ids_.StartFile(); }

  absl::Status Convert(std::string_view line, Draft* draft) override {
    std::string id = ids_.Next(line);  // also for lines with an id: ids count every line
    // Protobuf's own reader takes the last of two members of one name; ours refuses them.
    RETURN_IF_ERROR(ParseJsonObject(line).status());
    google::protobuf::util::Status parsed = google::protobuf::util::JsonStringToMessage(
        google::protobuf::StringPiece(line.data(), line.size()), &draft->event);
    if (!parsed.ok()) {
      return absl::InvalidArgumentError(
          fmt::format("it is not the JSON of an Event: {}",
                      std::string_view(parsed.message().data(), parsed.message().size())));
    }
    if (draft->event.event_id().empty()) draft->event.set_event_id(id);
    return absl::OkStatus();
  }

 private:
  LineIds ids_{"jsonl", ""};
};

}  // namespace

std::unique_ptr<Converter> MakeJsonLinesConverter() {
  return std::make_unique<JsonLinesConverter>();
}

}  // namespace graven::import
