#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/log_index.h"
#include "query/field.h"
#include "record/time_text.h"

namespace graven::query {

// What of a record can be searched, read off its bytes by one walk. The matcher and whoever builds
// an index read it here, so that both see the same values. An Entry of the minimal contract is seen
// as the Event that it stands for. Views into the record; "" where nothing is said.
//
// Keep one and read many records into it: it keeps its memory.
struct RecordView {
  struct Target {
    std::string_view type, id, name;
  };
  struct Label {
    std::string_view key, value;
  };

  LogIndex index;
  int64_t received_at_ns = 0;
  record::TimePoint occurred_at;
  int32_t outcome = 0;
  std::string_view actor_id, actor_type, actor_name;
  std::string_view action;
  std::string_view reason;
  std::string_view service, ip;
  std::string_view trace, span, parent_span, request, session, correlation;
  std::string_view event_id;  // the client's, or the assigned one
  std::string_view written_by;
  std::vector<Target> targets;
  std::vector<Label> labels;
  std::string_view details_struct;  // bytes of a google.protobuf.Struct

  // Reads `record`, which must outlive the views. kInvalidArgument: it is not a record, or its body
  // not readable; the view is unspecified then.
  absl::Status Read(std::string_view record);

  // The value of a field of bytes that a record has once, or "". REQUIRES: FieldKind kExact,
  // kAddress or kWords of one field (reason), not of a target and not a label.
  std::string_view Value(Field field) const;

  // Calls `take(text)` for each text of the field `text`, one by one: action, names, labels (key
  // and value), reason, string values of details_struct.
  template <typename Take>
  void EachText(Take take) const {
    if (!action.empty()) take(action);
    if (!actor_name.empty()) take(actor_name);
    for (const Target& target : targets) {
      if (!target.name.empty()) take(target.name);
    }
    for (const Label& label : labels) {
      take(label.key);
      if (!label.value.empty()) take(label.value);
    }
    if (!reason.empty()) take(reason);
    if (details_struct.empty()) return;
    std::vector<std::string_view> texts;
    CollectStructTexts(&texts);
    for (const std::string_view text : texts) take(text);
  }

 private:
  void CollectStructTexts(std::vector<std::string_view>* texts) const;
};

}  // namespace graven::query
