#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "verify/receipt.h"

namespace graven::client {

// Checks a receipt file (Receipt.tlog_proof) offline: with nothing at hand but the log's public
// key, in the form in which `graven keys show` and GetLog give it. Get the key by a way that you
// trust more than the server: a key that came with the receipt proves nothing. Errors as of
// verify::CheckReceipt; kInvalidArgument also when `vkey` is no key.
absl::StatusOr<verify::ReceiptVerdict> CheckReceipt(std::string_view receipt_file,
                                                    std::string_view vkey);

}  // namespace graven::client
