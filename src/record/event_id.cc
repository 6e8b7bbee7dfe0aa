#include "record/event_id.h"

#include "record/wire.h"

namespace graven::record {

std::string EventIdMaker::Next() {
  constexpr size_t kRandomBytes = 10;
  if (block_.size() - used_ < kRandomBytes) {
    random_.Fill(block_);
    used_ = 0;
  }
  std::array<uint8_t, 16> id;
  uint64_t ms = static_cast<uint64_t>(clock_.WallNs()) / 1'000'000;
  for (size_t i = 0; i < 6; ++i) id[i] = static_cast<uint8_t>(ms >> (40 - 8 * i));
  for (size_t i = 0; i < kRandomBytes; ++i) id[6 + i] = block_[used_ + i];
  used_ += kRandomBytes;
  id[6] = static_cast<uint8_t>(0x70 | (id[6] & 0x0f));  // version 7
  id[8] = static_cast<uint8_t>(0x80 | (id[8] & 0x3f));  // variant of RFC 9562

  constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (size_t i = 0; i < id.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    text.push_back(kHex[id[i] >> 4]);
    text.push_back(kHex[id[i] & 15]);
  }
  return text;
}

std::string_view EventIdOf(const RecordHeader& header) {
  if (!header.assigned_event_id.empty()) return header.assigned_event_id;
  // Field 1 of both kinds of body. Clients write fields in any order, so the whole body is walked.
  WireReader reader(header.body);
  WireField field;
  while (!reader.done() && reader.ReadField(&field)) {
    if (field.number == 1 && field.wire == WireType::kBytes) return field.bytes;
  }
  return {};
}

}  // namespace graven::record
