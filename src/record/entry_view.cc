#include "record/entry_view.h"

#include "base/check.h"
#include "base/encoding.h"
#include "record/summary.h"
#include "record/time_text.h"
#include "record/wire.h"

namespace graven::record {
namespace {

constexpr uint32_t kEventIdField = 1;
constexpr uint32_t kEntryHashField = 5;

void AppendText(uint32_t number, std::string_view text, std::string* out) {
  if (!text.empty()) AppendBytesField(number, text, out);
}

// The sent bytes, field by field, but for the id when the client sent none and, in an Entry, the
// hash.
std::string CopyBody(const RecordHeader& header, std::string_view hash_hex) {
  std::string out;
  out.reserve(header.body.size() + 128);
  AppendText(kEventIdField, header.assigned_event_id, &out);
  bool is_entry = header.kind == BodyKind::kEntry;
  bool hash_written = !is_entry;
  WireReader reader(header.body);
  WireField field;
  while (!reader.done()) {
    GRAVEN_CHECK(reader.ReadField(&field));
    if (field.number == kEventIdField && field.bytes.empty()) continue;
    if (is_entry && field.number == kEntryHashField) continue;
    if (!hash_written && field.number > kEntryHashField) {
      AppendBytesField(kEntryHashField, hash_hex, &out);
      hash_written = true;
    }
    out.append(field.raw);
  }
  if (!hash_written) AppendBytesField(kEntryHashField, hash_hex, &out);
  return out;
}

}  // namespace

std::string EntryBytes(const RecordHeader& header) {
  std::string hash_hex = HexEncode(header.previous_hash);
  if (header.kind == BodyKind::kEntry) return CopyBody(header, hash_hex);
  absl::StatusOr<Summary> summary = Summarize(header);
  GRAVEN_CHECK(summary.ok());
  std::string out;
  AppendText(kEventIdField, summary->event_id, &out);
  AppendText(2, summary->actor_id, &out);
  AppendText(3, FormatRfc3339(summary->occurred_at), &out);
  AppendText(4, summary->action, &out);
  AppendText(kEntryHashField, hash_hex, &out);
  return out;
}

std::string EventBytes(const RecordHeader& header) {
  if (header.kind == BodyKind::kEvent) return CopyBody(header, "");
  absl::StatusOr<Summary> summary = Summarize(header);
  GRAVEN_CHECK(summary.ok());
  std::string out;
  AppendText(kEventIdField, summary->event_id, &out);
  std::string actor;
  AppendText(1, summary->actor_id, &actor);
  AppendBytesField(2, actor, &out);
  AppendText(3, summary->action, &out);
  std::string time;
  if (summary->occurred_at.seconds != 0) {
    AppendVarintField(1, static_cast<uint64_t>(summary->occurred_at.seconds), &time);
  }
  if (summary->occurred_at.nanos != 0) {
    AppendVarintField(2, static_cast<uint64_t>(summary->occurred_at.nanos), &time);
  }
  AppendBytesField(5, time, &out);
  return out;
}

}  // namespace graven::record
