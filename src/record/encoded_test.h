#pragma once

#include <string>

#include "record/record.h"

namespace graven::record {

// The bytes of a record, for tests: the product encodes into memory that it has.
inline std::string Encoded(const RecordHeader& header) {
  std::string bytes(EncodedSize(header), '\0');
  Encode(header, bytes.data());
  return bytes;
}

}  // namespace graven::record
