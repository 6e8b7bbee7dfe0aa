#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "note/checkpoint.h"
#include "note/keys.h"
#include "note/policy.h"

namespace graven::verify {

// What a receipt proves. A DURABLE receipt is the server's word alone; it is no file and cannot be
// checked. kCosigned: the witnesses' quorum of a policy saw the same tree too.
enum class ReceiptLevel { kPublished, kCosigned };

// A receipt that holds: at some time the log's key signed a tree that has this record at this
// index.
struct ReceiptVerdict {
  ReceiptLevel level = ReceiptLevel::kPublished;
  LogIndex index;
  std::string record;  // its exact bytes
  Hash record_hash;
  int64_t received_at_ns = 0;
  note::Checkpoint checkpoint;
  // The policy's witnesses who cosigned the checkpoint, verified. Whether they are enough is said
  // by `level`.
  std::vector<note::Cosigner> cosigners;
  // Who else signed the checkpoint; nothing is known about those signatures.
  std::vector<std::string> unknown_signers;
  // What the signatures and a time stamp are over.
  std::string checkpoint_text;
  // RFC 3161, not checked here: note/time_stamp.h does. Empty when there is none.
  std::string time_stamp_token;
};

// A receipt whose record is in the tree of its checkpoint. Who signed that is not looked at, so it
// proves nothing yet.
struct OpenedReceipt {
  LogIndex index;
  std::string record;  // its exact bytes
  Hash record_hash;
  int64_t received_at_ns = 0;
  note::Checkpoint checkpoint;
  std::string note;  // the checkpoint, signed
  std::string time_stamp_token;
};

// Takes a receipt apart without a key: form, index, inclusion. Errors as of CheckReceipt, but for
// those about signatures.
absl::StatusOr<OpenedReceipt> OpenReceipt(std::string_view file);

// Checks a receipt file with nothing else at hand than the log's public key: form, signature,
// origin, index, inclusion. kInvalidArgument: not a receipt, or a malformed one, or of another log
// than the key's. kUnauthenticated: the key did not sign it. kDataLoss: signature, record or proof
// contradict each other: it is forged or damaged. kUnimplemented: of a newer version.
absl::StatusOr<ReceiptVerdict> CheckReceipt(std::string_view file, const note::VerifierKey& key);

// The same with a policy: one of `log_keys` must have signed, and the level is kCosigned when the
// policy wants witnesses and the cosignatures meet its quorum. A quorum that is not met is no
// error: the receipt holds as a published one. kDataLoss also for a witness's signature that does
// not verify.
absl::StatusOr<ReceiptVerdict> CheckReceipt(std::string_view file,
                                            std::span<const note::VerifierKey> log_keys,
                                            const note::Policy& policy);

}  // namespace graven::verify
