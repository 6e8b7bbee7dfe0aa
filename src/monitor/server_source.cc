#include "monitor/server_source.h"

#include <utility>

#include "base/status_macros.h"
#include "client/tail_stream.h"
#include "fmt/format.h"
#include "merkle/proof.h"
#include "note/note.h"

namespace graven::monitor {

ServerSource::ServerSource(client::Client& client, std::string log)
    : client_(client), log_(std::move(log)) {}
ServerSource::~ServerSource() = default;

absl::StatusOr<std::string> ServerSource::Checkpoint() {
  ASSIGN_OR_RETURN(v1::GetCheckpointResponse answer, client_.GetCheckpoint(log_));
  return std::move(*answer.mutable_checkpoint());
}

absl::Status ServerSource::Read(LogIndex first, TreeSize size, const RecordFunction& on_record) {
  v1::TailRequest request;
  request.set_log(log_);
  request.set_from_index(first.value);
  request.set_limit(size.value - first.value);
  request.set_stop_at_end(true);
  const auto stream = client_.Tail(std::move(request));
  {
    const MutexLock lock(&mutex_);
    if (cancelled_) return absl::CancelledError("stopped");
    tail_ = stream.get();
  }
  const auto read = [&]() -> absl::Status {
    for (uint64_t left = size.value - first.value; left > 0;) {
      ASSIGN_OR_RETURN(const auto batch, stream->Next());
      if (!batch.has_value()) return absl::OkStatus();
      for (const v1::RecordView& view : batch->records()) {
        if (left-- == 0) return absl::DataLossError("more records came than were asked for");
        RETURN_IF_ERROR(on_record(view.record()));
      }
    }
    return absl::OkStatus();
  };
  absl::Status status = read();
  const MutexLock lock(&mutex_);
  tail_ = nullptr;
  return status;
}

absl::StatusOr<AnsweredProof> ServerSource::Prove(LogIndex index, TreeSize size) {
  ASSIGN_OR_RETURN(const v1::GetInclusionProofResponse answer,
                   client_.GetInclusionProof(index, size, log_));
  if (answer.leaf_hash().size() != Hash::kSize)
    return absl::DataLossError("the leaf of a proof has not 32 bytes");
  if (static_cast<size_t>(answer.hashes_size()) > merkle::kProofHashesMax)
    return absl::DataLossError("a proof is longer than any is");
  AnsweredProof proof;
  proof.leaf = Hash::FromBytes(answer.leaf_hash());
  for (const std::string& hash : answer.hashes()) {
    if (hash.size() != Hash::kSize)
      return absl::DataLossError("a hash of a proof has not 32 bytes");
    proof.path.push_back(Hash::FromBytes(hash));
  }
  return proof;
}

std::string ServerSource::Name() const {
  return fmt::format("log {} of {}", log_, client_.options().address);
}

void ServerSource::Cancel() {
  const MutexLock lock(&mutex_);
  cancelled_ = true;
  if (tail_ != nullptr) tail_->Cancel();
  client_.Cancel();
}

}  // namespace graven::monitor
