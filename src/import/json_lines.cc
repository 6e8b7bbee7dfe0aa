#include <optional>

#include "base/absl_views.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "google/protobuf/util/json_util.h"
#include "import/converter.h"
#include "import/json_struct.h"
#include "record/record.h"
#include "record/summary.h"

namespace graven::import {
namespace {

// Takes the event out of a line of an export. One of the minimal contract becomes an event as
// readers of graven.v1 see it.
absl::Status EventOfRecord(std::string_view base64, v1::Event* event) {
  const std::optional<std::string> bytes = Base64Decode(base64);
  if (!bytes) return absl::InvalidArgumentError("\"record\" is no base64");
  const absl::StatusOr<record::RecordHeader> header = record::Decode(*bytes);
  if (!header.ok()) {
    return absl::InvalidArgumentError(
        fmt::format("\"record\" is no record: {}", ToStd(header.status().message())));
  }
  ASSIGN_OR_RETURN(const record::Summary summary, record::Summarize(*header));
  if (header->kind == record::BodyKind::kEntry) {
    event->mutable_actor()->set_id(std::string(summary.actor_id));
    event->set_action(std::string(summary.action));
    SetTime(summary.occurred_at, event);
  } else if (!event->ParseFromArray(header->body.data(), static_cast<int>(header->body.size()))) {
    return absl::InvalidArgumentError("\"record\" holds no readable event");
  }
  event->set_event_id(std::string(summary.event_id));
  return absl::OkStatus();
}

class JsonLinesConverter : public Converter {
 public:
  void StartFile() override { ids_.StartFile(); }

  absl::Status Convert(std::string_view line, Draft* draft) override {
    std::string id = ids_.Next(line);  // also for lines with an id: ids count every line
    // Protobuf's own reader takes the last of two members of one name; ours refuses them.
    ASSIGN_OR_RETURN(const JsonObject object, ParseJsonObject(line));
    // No event has a member of this name.
    if (const std::string_view record = FindText(object.fields, {"record"}); !record.empty()) {
      return EventOfRecord(record, &draft->event);
    }
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
