#include "verify/receipt.h"

#include <span>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "merkle/proof.h"
#include "note/note.h"
#include "note/receipt_file.h"
#include "note/time_stamp.h"
#include "note/tlog_proof.h"
#include "record/record.h"

namespace graven::verify {

absl::StatusOr<OpenedReceipt> OpenReceipt(std::string_view file) {
  ASSIGN_OR_RETURN(note::TlogProof proof, note::ParseTlogProof(file));
  if (!proof.extra) return absl::InvalidArgumentError("receipt: there is no record in it");
  ASSIGN_OR_RETURN(note::ReceiptExtra extra, note::DecodeReceiptExtra(*proof.extra));
  ASSIGN_OR_RETURN(const note::Note note, note::ParseNote(proof.checkpoint));
  OpenedReceipt opened;
  ASSIGN_OR_RETURN(opened.checkpoint, note::ParseCheckpoint(note.text));

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
  opened.record_hash = record::RecordHash(extra.record);
  const absl::Status inclusion =
      merkle::CheckInclusion(proof.index, opened.checkpoint.size, opened.record_hash, proof.hashes,
                             opened.checkpoint.root);
  if (!inclusion.ok()) {
    const absl::string_view why = inclusion.message();
    return absl::DataLossError(fmt::format("receipt: the record is not in the signed tree: {}",
                                           std::string_view(why.data(), why.size())));
  }
  opened.index = proof.index;
  opened.received_at_ns = header->received_at_ns;
  opened.record = std::move(extra.record);
  opened.note = std::move(proof.checkpoint);
  opened.time_stamp_token = std::move(extra.time_stamp_token);
  return opened;
}

absl::StatusOr<ReceiptVerdict> CheckReceipt(std::string_view file, const note::VerifierKey& key) {
  return CheckReceipt(file, std::span(&key, 1), note::Policy());
}

absl::StatusOr<ReceiptVerdict> CheckReceipt(std::string_view file,
                                            std::span<const note::VerifierKey> log_keys,
                                            const note::Policy& policy) {
  ASSIGN_OR_RETURN(OpenedReceipt opened, OpenReceipt(file));
  ASSIGN_OR_RETURN(note::CosignedCheckpoint cosigned,
                   note::OpenCosigned(opened.note, log_keys, policy));
  ReceiptVerdict verdict;
  if (policy.wants_witnesses() && cosigned.meets_quorum) verdict.level = ReceiptLevel::kCosigned;
  verdict.cosigners = std::move(cosigned.cosigners);
  verdict.unknown_signers = std::move(cosigned.unknown_signers);
  verdict.index = opened.index;
  verdict.record = std::move(opened.record);
  verdict.record_hash = opened.record_hash;
  verdict.received_at_ns = opened.received_at_ns;
  verdict.checkpoint = std::move(opened.checkpoint);
  verdict.checkpoint_text = note::TextOfNote(opened.note);
  verdict.time_stamp_token = std::move(opened.time_stamp_token);
  return verdict;
}

}  // namespace graven::verify
