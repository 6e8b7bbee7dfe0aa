#include "client/receipt.h"

#include "base/status_macros.h"

namespace graven::client {

absl::StatusOr<verify::ReceiptVerdict> CheckReceipt(std::string_view receipt_file,
                                                    std::string_view vkey) {
  ASSIGN_OR_RETURN(const note::VerifierKey key, note::VerifierKey::Parse(vkey));
  return verify::CheckReceipt(receipt_file, key);
}

}  // namespace graven::client
