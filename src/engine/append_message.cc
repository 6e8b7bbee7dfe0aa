#include "engine/append_message.h"

#include <fmt/format.h>

#include "base/encoding.h"
#include "engine/error_details.h"
#include "record/time_text.h"
#include "record/wire.h"

namespace graven::engine {
namespace {

using record::AppendBytesField;
using record::AppendVarintField;
using record::WireField;
using record::WireReader;
using record::WireType;

absl::Status Malformed() {
  return InvalidField("", "the request is not a well-formed message of its type");
}

// Reads a Duration into nanoseconds, anything above the limit as the limit and one.
bool ReadDuration(std::string_view bytes, int64_t* ns) {
  WireReader reader(bytes);
  WireField field;
  int64_t seconds = 0, nanos = 0;
  while (!reader.done()) {
    if (!reader.ReadField(&field)) return false;
    if (field.wire != WireType::kVarint) continue;
    if (field.number == 1) seconds = static_cast<int64_t>(field.value);
    if (field.number == 2) nanos = static_cast<int32_t>(field.value);
  }
  if (seconds < 0 || nanos < 0) {
    *ns = -1;
  } else {
    *ns = seconds > 60 ? kWaitNsMax + 1 : seconds * 1'000'000'000 + nanos;
  }
  return true;
}

absl::Status ReadWait(std::string_view bytes, AppendMessage* message) {
  WireReader reader(bytes);
  WireField field;
  uint64_t level = 0;
  while (!reader.done()) {
    if (!reader.ReadField(&field)) return Malformed();
    if (field.number == 1 && field.wire == WireType::kVarint) level = field.value;
    if (field.number == 2 && field.wire == WireType::kBytes &&
        !ReadDuration(field.bytes, &message->wait_ns)) {
      return Malformed();
    }
  }
  if (level > kLevelCosigned) {
    return InvalidField("wait.level", "must be DURABLE, PUBLISHED or COSIGNED");
  }
  if (message->wait_ns < 0 || message->wait_ns > kWaitNsMax) {
    return InvalidField("wait.timeout", "must be 0 to 60 s");
  }
  message->wait_level = level == 0 ? kLevelDurable : level;
  return absl::OkStatus();
}

absl::Status CheckMessage(const AppendMessage& message) {
  if (message.log.size() > kLogNameBytesMax) {
    return InvalidField(
        "log", fmt::format("is {} bytes; at most {}", message.log.size(), kLogNameBytesMax));
  }
  if (message.events.empty()) {
    return InvalidField("events", fmt::format("is empty; 1 to {}", kEventsPerRequestMax));
  }
  if (message.events.size() > kEventsPerRequestMax) {
    return InvalidField(
        "events", fmt::format("are {}; at most {}", message.events.size(), kEventsPerRequestMax));
  }
  const size_t hash_bytes = message.expected_last_hash.size();
  if (hash_bytes != 0 && hash_bytes != Hash::kSize) {
    return InvalidField("expected_last_hash",
                        fmt::format("is {} bytes; must be {} or none", hash_bytes, Hash::kSize));
  }
  return absl::OkStatus();
}

}  // namespace

void AppendMessage::Clear() {
  whole = false;
  log = {};
  events.clear();
  expected_last_hash = {};
  want_record_hashes = false;
  wait_level = kLevelDurable;
  wait_ns = kWaitNsDefault;
}

absl::Status DecodeAppendMessage(std::string_view bytes, AppendShape shape,
                                 AppendMessage* message) {
  message->Clear();
  WireReader reader(bytes);
  WireField field;
  while (!reader.done()) {
    if (!reader.ReadField(&field)) return Malformed();
    const bool is_bytes = field.wire == WireType::kBytes;
    switch (field.number) {
      case 1:
        if (!is_bytes) return Malformed();
        message->log = field.bytes;
        break;
      case 2:
        if (!is_bytes) return Malformed();
        message->events.push_back(field.bytes);
        break;
      case 3:
        if (!is_bytes) return Malformed();
        message->expected_last_hash = field.bytes;
        break;
      case 4:
        if (shape == AppendShape::kStream) {
          if (field.wire != WireType::kVarint) return Malformed();
          message->want_record_hashes = field.value != 0;
        } else {
          if (!is_bytes) return Malformed();
          if (absl::Status read = ReadWait(field.bytes, message); !read.ok()) return read;
        }
        break;
      default:
        break;
    }
  }
  message->whole = true;
  return CheckMessage(*message);
}

void EncodeReceipt(std::string_view log, const ledger::EventReceipt& receipt,
                   std::string_view event_id, std::string_view tlog_proof, std::string* response) {
  std::string time;
  const record::TimePoint at = record::FromNs(receipt.received_at_ns);
  if (at.seconds != 0) AppendVarintField(1, static_cast<uint64_t>(at.seconds), &time);
  if (at.nanos != 0) AppendVarintField(2, static_cast<uint64_t>(at.nanos), &time);
  std::string out;
  out.reserve(128 + tlog_proof.size());
  AppendBytesField(1, log, &out);
  if (receipt.index.value != 0) AppendVarintField(2, receipt.index.value, &out);
  AppendBytesField(3, receipt.record_hash.view(), &out);
  AppendBytesField(4, time, &out);
  AppendBytesField(5, event_id, &out);
  if (receipt.duplicate) AppendVarintField(6, 1, &out);
  if (!tlog_proof.empty()) AppendBytesField(7, tlog_proof, &out);
  AppendBytesField(1, out, response);
}

void EncodeLevel(uint64_t level, std::string* response) { AppendVarintField(2, level, response); }

std::string EncodeCompatResponse(const ledger::EventReceipt& receipt, std::string_view event_id) {
  std::string out;
  if (receipt.index.value != 0) AppendVarintField(1, receipt.index.value, &out);
  AppendBytesField(2, HexEncode(receipt.record_hash), &out);
  AppendBytesField(3, event_id, &out);
  if (receipt.duplicate) AppendVarintField(4, 1, &out);
  return out;
}

void AckMessage::Accepted(uint64_t number, LogIndex first, uint64_t count,
                          std::string_view hashes) {
  const bool follows = range_requests_ > 0 && range_request_ + range_requests_ == number &&
                       range_index_ + range_records_ == first.value;
  if (!follows) {
    EndRange();
    range_request_ = number;
    range_index_ = first.value;
  }
  ++range_requests_;
  range_records_ += count;
  hashes_.append(hashes);
}

void AckMessage::EndRange() {
  if (range_requests_ == 0) return;
  std::string range;
  if (range_request_ != 0) AppendVarintField(1, range_request_, &range);
  AppendVarintField(2, range_requests_, &range);
  if (range_index_ != 0) AppendVarintField(3, range_index_, &range);
  AppendVarintField(4, range_records_, &range);
  if (!hashes_.empty()) AppendBytesField(5, hashes_, &range);
  AppendBytesField(2, range, &out_);
  range_requests_ = 0;
  range_records_ = 0;
  hashes_.clear();
}

void AckMessage::AcceptedWithDuplicates(uint64_t number, const std::vector<uint64_t>& indexes,
                                        uint64_t duplicates, std::string_view hashes) {
  EndRange();
  std::string packed;
  for (uint64_t index : indexes) record::AppendVarint(index, &packed);
  std::string range;
  if (number != 0) AppendVarintField(1, number, &range);
  AppendVarintField(2, 1, &range);
  if (indexes.front() != 0) AppendVarintField(3, indexes.front(), &range);
  AppendVarintField(4, indexes.size(), &range);
  if (!hashes.empty()) AppendBytesField(5, hashes, &range);
  AppendBytesField(6, packed, &range);
  AppendVarintField(7, duplicates, &range);
  AppendBytesField(2, range, &out_);
}

void AckMessage::Refused(uint64_t number, std::string_view rpc_status) {
  EndRange();
  std::string refused;
  if (number != 0) AppendVarintField(1, number, &refused);
  AppendBytesField(2, rpc_status, &refused);
  AppendBytesField(3, refused, &out_);
}

std::string AckMessage::Finish(uint64_t requests_done) {
  EndRange();
  std::string out = std::move(out_);
  out_.clear();
  if (requests_done != 0) AppendVarintField(1, requests_done, &out);
  return out;
}

}  // namespace graven::engine
