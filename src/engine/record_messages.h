#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/encoding.h"
#include "base/hash.h"
#include "record/entry_view.h"
#include "record/record.h"
#include "record/wire.h"

namespace graven::engine {

// Upper bound of what EncodeRecordView appends. An entry as an event is no longer than the entry,
// but for an id that was assigned and the time in numbers.
inline size_t RecordViewSize(std::string_view record, bool want_parsed) {
  return record.size() * (want_parsed ? 3 : 1) + (want_parsed ? 160 : 64);
}

// Appends a RecordView as field `number`. The parsed form on the wire is the record's own bytes,
// and the event's those of the client: nothing is parsed for them, and unknown fields reach the
// reader.
inline void EncodeRecordView(uint32_t number, std::string_view record, const Hash& hash,
                             bool want_parsed, std::string* out) {
  const auto field_size = [](size_t bytes) { return 1 + VarintSize(bytes) + bytes; };
  size_t size = field_size(record.size()) + 2 + Hash::kSize;
  std::string event;
  if (want_parsed) {
    // A record that is not ours is shown by its bytes alone.
    if (const auto header = record::Decode(record); header.ok()) {
      event = record::EventBytes(*header);
    }
    size += field_size(record.size());
    if (!event.empty()) size += field_size(event.size());
  }
  record::AppendVarint(uint64_t{number} << 3 | 2, out);
  record::AppendVarint(size, out);
  record::AppendBytesField(1, record, out);
  record::AppendBytesField(2, hash.view(), out);
  if (!want_parsed) return;
  record::AppendBytesField(3, record, out);
  if (!event.empty()) record::AppendBytesField(4, event, out);
}

}  // namespace graven::engine
