#include "verify/receipt.h"

#include <span>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "merkle/proof.h"
#include "note/receipt_file.h"
#include "note/time_stamp.h"
#include "note/tlog_proof.h"
#include "record/record.h"

namespace graven::verify {

absl::StatusOr<ReceiptVerdict> CheckReceipt(std::string_view file, const note::VerifierKey& key) {
  return CheckReceipt(file, std::span(&key, 1), note::Policy());
}

absl::StatusOr<ReceiptVerdict> CheckReceipt(std::string_view file,
                                            std::span<const note::VerifierKey> log_keys,
                                            const note::Policy& policy) {
  ASSIGN_OR_RETURN(note::TlogProof proof, note::ParseTlogProof(file));
  if (!proof.extra) return absl::InvalidArgumentError("receipt: there is no record in it");
  ASSIGN_OR_RETURN(note::ReceiptExtra extra, note::DecodeReceiptExtra(*proof.extra));
  ASSIGN_OR_RETURN(note::CosignedCheckpoint cosigned,
                   note::OpenCosigned(proof.checkpoint, log_keys, policy));
  ReceiptVerdict verdict;
  verdict.checkpoint = std::move(cosigned.checkpoint);
  verdict.cosigners = std::move(cosigned.cosigners);
  verdict.unknown_signers = std::move(cosigned.unknown_signers);
  if (policy.wants_witnesses() && cosigned.meets_quorum) verdict.level = ReceiptLevel::kCosigned;

  const absl::StatusOr<record::RecordHeader> header = record::Decode(extra.record);
  if (!header.ok()) {
    const absl::string_view why = header.status().message();
    return absl::InvalidArgumentError(
        fmt::format("receipt: not a record: {}", std::string_view(why.data(), why.size())));
  }
  if (header->index != proof.index) {
    return absl::DataLossError(
        fmt::format("receipt: the record is number {}, the proof of number {}", header->index.value,
                    proof.index.value));
  }
  verdict.record_hash = record::RecordHash(extra.record);
  const absl::Status inclusion =
      merkle::CheckInclusion(proof.index, verdict.checkpoint.size, verdict.record_hash,
                             proof.hashes, verdict.checkpoint.root);
  if (!inclusion.ok()) {
    const absl::string_view why = inclusion.message();
    return absl::DataLossError(fmt::format("receipt: the record is not in the signed tree: {}",
                                           std::string_view(why.data(), why.size())));
  }
  verdict.index = proof.index;
  verdict.received_at_ns = header->received_at_ns;
  verdict.record = std::move(extra.record);
  verdict.checkpoint_text = note::TextOfNote(proof.checkpoint);
  verdict.time_stamp_token = std::move(extra.time_stamp_token);
  return verdict;
}

}  // namespace graven::verify
