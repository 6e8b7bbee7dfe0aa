#include "note/receipt_file.h"

#include "base/encoding.h"
#include "fmt/format.h"
#include "note/tlog_proof.h"

namespace graven::note {
namespace {

// Tags of the message: field number << 3 | wire type.
constexpr uint64_t kVersionTag = 1 << 3 | 0;
constexpr uint64_t kRecordTag = 2 << 3 | 2;
constexpr uint64_t kTimeStampTokenTag = 3 << 3 | 2;

constexpr uint64_t kVersion = 1;

absl::Status MalformedReceipt(std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("malformed receipt: {}", what));
}

void AppendVarint(uint64_t value, std::string* out) {
  char bytes[kVarintBytesMax];
  out->append(bytes, PutVarint(bytes, value));
}

void AppendBytes(uint64_t tag, std::string_view bytes, std::string* out) {
  AppendVarint(tag, out);
  AppendVarint(bytes.size(), out);
  out->append(bytes);
}

// Takes a tag and the bytes behind it; false when something else stands there, or no bytes.
bool TakeBytes(uint64_t tag, std::string_view* in, std::string* bytes) {
  uint64_t found = 0;
  uint64_t size = 0;
  if (!GetVarint(in, &found) || found != tag || !GetVarint(in, &size) || size == 0 ||
      size > in->size()) {
    return false;
  }
  *bytes = in->substr(0, size);
  in->remove_prefix(size);
  return true;
}

}  // namespace

std::string EncodeReceiptExtra(const ReceiptExtra& extra) {
  std::string bytes;
  AppendVarint(kVersionTag, &bytes);
  AppendVarint(kVersion, &bytes);
  AppendBytes(kRecordTag, extra.record, &bytes);
  if (!extra.time_stamp_token.empty()) {
    AppendBytes(kTimeStampTokenTag, extra.time_stamp_token, &bytes);
  }
  return bytes;
}

absl::StatusOr<ReceiptExtra> DecodeReceiptExtra(std::string_view bytes) {
  uint64_t tag = 0;
  uint64_t version = 0;
  if (!GetVarint(&bytes, &tag) || tag != kVersionTag || !GetVarint(&bytes, &version) ||
      version == 0) {
    return MalformedReceipt("no version");
  }
  if (version > kVersion) {
    return absl::UnimplementedError(
        fmt::format("receipt: version {} is not known here; at most {}", version, kVersion));
  }
  ReceiptExtra extra;
  if (!TakeBytes(kRecordTag, &bytes, &extra.record)) return MalformedReceipt("no record");
  if (!bytes.empty() && !TakeBytes(kTimeStampTokenTag, &bytes, &extra.time_stamp_token)) {
    return MalformedReceipt("unknown bytes behind the record");
  }
  if (!bytes.empty()) return MalformedReceipt("unknown bytes behind the time stamp token");
  return extra;
}

std::string MakeReceipt(std::string_view record, LogIndex index, std::span<const Hash> hashes,
                        std::string_view checkpoint, std::string_view time_stamp_token) {
  TlogProof proof;
  proof.extra = EncodeReceiptExtra({std::string(record), std::string(time_stamp_token)});
  proof.index = index;
  proof.hashes.assign(hashes.begin(), hashes.end());
  proof.checkpoint = checkpoint;
  return FormatTlogProof(proof);
}

}  // namespace graven::note
