#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/encoding.h"
#include "record/rules.h"

// Reading and writing protobuf's wire form without the library: a cursor that never leaves its
// bytes and takes only minimal varints.

namespace graven::record {

// One field as it stands on the wire.
struct WireField {
  uint32_t number = 0;
  WireType wire = WireType::kBytes;
  uint64_t value = 0;      // of a varint or fixed number
  std::string_view bytes;  // of a length-delimited one
  std::string_view raw;    // tag and payload
};

class WireReader {
 public:
  explicit WireReader(std::string_view bytes)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool done() const { return at_ == end_; }
  const char* at() const { return at_; }
  size_t left() const { return static_cast<size_t>(end_ - at_); }

  // False for a truncated, over-long or over-wide varint.
  bool ReadVarint(uint64_t* value) {
    if (at_ != end_ && static_cast<uint8_t>(*at_) < 0x80) {
      *value = static_cast<uint8_t>(*at_++);
      return true;
    }
    return ReadLongVarint(value);
  }
  bool ReadFixed64(uint64_t* value) {
    if (left() < 8) return false;
    *value = GetFixed64(at_);
    at_ += 8;
    return true;
  }
  bool ReadFixed32(uint64_t* value) {
    if (left() < 4) return false;
    *value = GetFixed32(at_);
    at_ += 4;
    return true;
  }
  bool ReadBytes(std::string_view* bytes) {
    uint64_t size;
    if (!ReadVarint(&size) || size > left()) return false;
    *bytes = {at_, static_cast<size_t>(size)};
    at_ += size;
    return true;
  }
  // The next field, whatever its type. False at anything malformed, groups included.
  bool ReadField(WireField* field) {
    const char* start = at_;
    uint64_t tag;
    if (!ReadVarint(&tag) || tag > UINT32_MAX || (tag >> 3) == 0) return false;
    field->number = static_cast<uint32_t>(tag >> 3);
    field->wire = static_cast<WireType>(tag & 7);
    field->value = 0;
    field->bytes = {};
    bool read = false;
    switch (field->wire) {
      case WireType::kVarint:
        read = ReadVarint(&field->value);
        break;
      case WireType::kFixed64:
        read = ReadFixed64(&field->value);
        break;
      case WireType::kBytes:
        read = ReadBytes(&field->bytes);
        break;
      case WireType::kFixed32:
        read = ReadFixed32(&field->value);
        break;
    }
    field->raw = {start, static_cast<size_t>(at_ - start)};
    return read;
  }

 private:
  bool ReadLongVarint(uint64_t* value) {
    std::string_view rest(at_, left());
    if (!GetVarint(&rest, value)) return false;
    at_ = rest.data();
    return true;
  }

  const char* at_;
  const char* end_;
};

// Appends to `out`: the writing half, for what is made rarely.
inline void AppendVarint(uint64_t value, std::string* out) {
  char buffer[kVarintBytesMax];
  out->append(buffer, PutVarint(buffer, value));
}
inline void AppendBytesField(uint32_t number, std::string_view bytes, std::string* out) {
  AppendVarint(uint64_t{number} << 3 | 2, out);
  AppendVarint(bytes.size(), out);
  out->append(bytes);
}
inline void AppendVarintField(uint32_t number, uint64_t value, std::string* out) {
  AppendVarint(uint64_t{number} << 3, out);
  AppendVarint(value, out);
}

}  // namespace graven::record
