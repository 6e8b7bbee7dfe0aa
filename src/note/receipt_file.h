#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"

// The receipt of a published record as a file: a C2SP tlog-proof whose `extra` is a
// graven.v1.ReceiptExtra, so that the record itself is in it. Here is its form; verify/receipt.h
// says what it is worth.
namespace graven::note {

// The fields of graven.v1.ReceiptExtra, version 1.
struct ReceiptExtra {
  std::string record;
  // RFC 3161; empty without an authority.
  std::string time_stamp_token;

  bool operator==(const ReceiptExtra&) const = default;
};

std::string EncodeReceiptExtra(const ReceiptExtra& extra);

// Exactly what EncodeReceiptExtra makes. kInvalidArgument: anything else. kUnimplemented: a version
// above 1.
absl::StatusOr<ReceiptExtra> DecodeReceiptExtra(std::string_view bytes);

// The file. `hashes` is the record's inclusion path in the tree of `checkpoint`, a signed note.
// Nothing is checked.
std::string MakeReceipt(std::string_view record, LogIndex index, std::span<const Hash> hashes,
                        std::string_view checkpoint, std::string_view time_stamp_token = {});

}  // namespace graven::note
