#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/encoding.h"
#include "base/hash.h"
#include "record/wire.h"

namespace graven::service {

// Upper bound of what EncodeRecordView appends.
inline size_t RecordViewSize(std::string_view record, bool want_parsed) {
  return record.size() * (want_parsed ? 2 : 1) + 64;
}

// Appends a RecordView as field `number`. The parsed form on the wire is the record's own bytes:
// nothing is parsed for it, and unknown fields reach the reader.
inline void EncodeRecordView(uint32_t number, std::string_view record, const Hash& hash,
                             bool want_parsed, std::string* out) {
  const size_t field = 1 + VarintSize(record.size()) + record.size();
  record::AppendVarint(uint64_t{number} << 3 | 2, out);
  record::AppendVarint(field * (want_parsed ? 2 : 1) + 2 + Hash::kSize, out);
  record::AppendBytesField(1, record, out);
  record::AppendBytesField(2, hash.view(), out);
  if (want_parsed) record::AppendBytesField(3, record, out);
}

}  // namespace graven::service
