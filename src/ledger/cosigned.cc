#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "base/status_macros.h"
#include "ledger/ledger_impl.h"
#include "merkle/proof.h"
#include "note/policy.h"
#include "store/time_stamps.h"

// What outsiders have put to our checkpoints. The cosignatures of the witnesses' quorum: kept in
// the file of checkpoints, served, restored. The tokens of a time stamp authority: the same in a
// file of their own.
namespace graven::ledger {
namespace {

// Of more cosignatures for a size that is kept already, and of fresher ones, one in so much time.
constexpr int64_t kKeepAgainEveryNs = 60'000'000'000;

// Whether more than the log's own line is there; most kept notes have no other.
bool HasCosignatures(std::string_view note) {
  const size_t split = note.rfind("\n\n");
  return split != note.npos && std::ranges::count(note.substr(split + 2), '\n') > 1;
}

}  // namespace

std::shared_ptr<const Published> LedgerImpl::GetCheckpoint(LogRef log,
                                                           CheckpointLevel level) const {
  if (level == CheckpointLevel::kStamped) return log.get()->stamped();
  const bool cosigned = level == CheckpointLevel::kCosigned ||
                        (level == CheckpointLevel::kServed && wants_witnesses());
  return cosigned ? log.get()->cosigned() : log.get()->published();
}

absl::StatusOr<Hash> LedgerImpl::RootAt(LogRef ref, TreeSize size) const {
  const Log& log = *ref.get();
  auto published = log.published();
  if (size == published->size) return published->root;
  if (size > published->size) {
    return absl::NotFoundError(fmt::format("log {} has published {} records; asked: {}",
                                           log.meta.name, published->size.value, size.value));
  }
  shelf::LogNodes nodes(log, segments_);
  return merkle::RootFromNodes(nodes, size);
}

void LedgerImpl::StopSigning(std::string_view reason) {
  // Waits for a publication under way: that one was signed.
  std::lock_guard lock(publish_mutex_);
  signing_stopped_ = true;
  gate_.Set(WriteState::kReadOnly, std::string(reason));
}

absl::Status LedgerImpl::KeepNote(Log& log, const std::string& note) {
  ASSIGN_OR_RETURN(auto file,
                   store::CheckpointsFile::Open(fs_, folder_->paths().Checkpoints(log.meta.name)));
  return file.last() == note ? absl::OkStatus() : file.Append(note);
}

absl::Status LedgerImpl::AddCosigned(LogRef ref, std::string_view note) {
  Log& log = *ref.get();
  ASSIGN_OR_RETURN(const note::CosignedCheckpoint opened,
                   note::OpenCosigned(note, std::span(&log.signer.verifier(), 1), options_.policy));
  if (!wants_witnesses() || !opened.meets_quorum) {
    return absl::FailedPreconditionError("the quorum of the witnesses is not met");
  }
  const note::Checkpoint& checkpoint = opened.checkpoint;
  const auto root = RootAt(ref, checkpoint.size);
  if (absl::IsNotFound(root.status()) || (root.ok() && *root != checkpoint.root)) {
    return absl::InvalidArgumentError(
        fmt::format("no checkpoint of size {} with this root was "
                    "published by log {}",
                    checkpoint.size.value, log.meta.name));
  }
  if (!root.ok()) return root.status();
  return ShowCosigned(log, checkpoint, std::string(note));
}

absl::Status LedgerImpl::ShowCosigned(Log& log, const note::Checkpoint& checkpoint,
                                      std::string note) {
  std::lock_guard lock(checkpoints_mutex_);
  auto before = log.cosigned();
  if (before != nullptr && before->size > checkpoint.size) return absl::OkStatus();
  const int64_t now_ns = clock_.SteadyNs();
  auto [kept_ns, first] = cosigned_kept_ns_.try_emplace(&log, now_ns);
  if (first || before == nullptr || before->size < checkpoint.size ||
      now_ns - kept_ns->second >= kKeepAgainEveryNs) {
    const WriteState state = gate_.state();
    if (state == WriteState::kStopped || state == WriteState::kReadOnly) return gate_.Check();
    // Before anybody sees it: what was served must not be older after a restart.
    const absl::Status kept = KeepNote(log, note);
    if (absl::IsResourceExhausted(kept)) return kept;
    // The file's last frame may be torn: the next start cuts it.
    if (!kept.ok()) return Stop(kept);
    kept_ns->second = now_ns;
  }
  log.SetCosigned(MakeCosigned(log, checkpoint, std::move(note)));
  return absl::OkStatus();
}

std::shared_ptr<const Published> LedgerImpl::MakeCosigned(const Log& log,
                                                          const note::Checkpoint& checkpoint,
                                                          std::string note) {
  auto cosigned = std::make_shared<Published>();
  cosigned->size = checkpoint.size;
  cosigned->root = checkpoint.root;
  cosigned->checkpoint = std::move(note);
  for (const auto& known : {log.published(), log.cosigned()}) {
    if (known != nullptr && known->size == checkpoint.size) {
      cosigned->last_received_at_ns = known->last_received_at_ns;
    }
  }
  return cosigned;
}

absl::Status LedgerImpl::RestoreCosigned(Log& log) {
  if (!wants_witnesses()) return absl::OkStatus();
  note::Checkpoint last;
  const auto wanted = [&](std::string_view note) {
    if (!HasCosignatures(note)) return false;
    auto opened = note::OpenCosigned(note, std::span(&log.signer.verifier(), 1), options_.policy);
    if (!opened.ok() || !opened->meets_quorum) return false;
    last = std::move(opened->checkpoint);
    return true;
  };
  ASSIGN_OR_RETURN(const auto note, store::CheckpointsFile::FindLast(
                                        fs_, folder_->paths().Checkpoints(log.meta.name), wanted));
  if (!note) return absl::OkStatus();
  const auto root = RootAt(LogRef(&log), last.size);
  if (!root.ok() || *root != last.root) {
    recovery_report_ += fmt::format(
        " Log {}: the checkpoint of size {} that witnesses had cosigned is not of the tree that is "
        "stored, and is not served.",
        log.meta.name, last.size.value);
    return absl::OkStatus();
  }
  log.SetCosigned(MakeCosigned(log, last, *note));
  return absl::OkStatus();
}

absl::Status LedgerImpl::AddTimeStamp(LogRef ref, std::string_view note, std::string_view token) {
  Log& log = *ref.get();
  ASSIGN_OR_RETURN(const note::Checkpoint checkpoint,
                   note::OpenCheckpoint(note, log.signer.verifier()));
  const auto root = RootAt(ref, checkpoint.size);
  if (absl::IsNotFound(root.status()) || (root.ok() && *root != checkpoint.root)) {
    return absl::InvalidArgumentError(
        fmt::format("no checkpoint of size {} with this root was published by log {}",
                    checkpoint.size.value, log.meta.name));
  }
  if (!root.ok()) return root.status();
  if (token.empty() || 4 + note.size() + token.size() > store::kCheckpointNoteBytesMax) {
    return absl::InvalidArgumentError(
        fmt::format("a note of {} bytes and a time stamp token of {}: at most {} together",
                    note.size(), token.size(), store::kCheckpointNoteBytesMax - 4));
  }
  std::lock_guard lock(checkpoints_mutex_);
  const WriteState state = gate_.state();
  if (state == WriteState::kStopped || state == WriteState::kReadOnly) return gate_.Check();
  ASSIGN_OR_RETURN(auto file,
                   store::CheckpointsFile::Open(fs_, folder_->paths().TimeStamps(log.meta.name),
                                                store::kTimeStampWords));
  const absl::Status kept =
      file.Append(store::EncodeStampedNote({std::string(note), std::string(token)}));
  if (absl::IsResourceExhausted(kept)) return kept;
  // The file's last frame may be torn: the first Append after the next start cuts it.
  if (!kept.ok()) return Stop(kept);
  ShowStamped(log, checkpoint, std::string(note), std::string(token));
  return absl::OkStatus();
}

void LedgerImpl::ShowStamped(Log& log, const note::Checkpoint& checkpoint, std::string note,
                             std::string token) {
  if (const auto before = log.stamped(); before != nullptr && before->size > checkpoint.size) {
    return;
  }
  auto stamped = std::make_shared<Published>();
  stamped->size = checkpoint.size;
  stamped->root = checkpoint.root;
  stamped->checkpoint = std::move(note);
  stamped->time_stamp_token = std::move(token);
  log.SetStamped(std::move(stamped));
}

absl::Status LedgerImpl::RestoreStamped(Log& log) {
  note::Checkpoint last;
  store::StampedNote found;
  const auto wanted = [&](std::string_view payload) {
    auto stamped = store::DecodeStampedNote(payload);
    if (!stamped) return false;
    auto opened =
        note::OpenCosigned(stamped->note, std::span(&log.signer.verifier(), 1), options_.policy);
    // Under another policy than then the note may not be enough any more.
    if (!opened.ok() || (wants_witnesses() && !opened->meets_quorum)) return false;
    last = std::move(opened->checkpoint);
    found = *std::move(stamped);
    return true;
  };
  const auto payload = store::CheckpointsFile::FindLast(
      fs_, folder_->paths().TimeStamps(log.meta.name), wanted, store::kTimeStampWords);
  // It spares asking the authority again: a file that cannot be read is no reason not to serve.
  if (!payload.ok()) {
    recovery_report_ += fmt::format(" Log {}: its file of time stamps is not read: {}",
                                    log.meta.name, std::string(payload.status().message()));
    return absl::OkStatus();
  }
  if (!*payload) return absl::OkStatus();
  const auto root = RootAt(LogRef(&log), last.size);
  if (!root.ok() || *root != last.root) {
    recovery_report_ +=
        fmt::format(" Log {}: the stamped checkpoint of size {} is not of the tree that is stored.",
                    log.meta.name, last.size.value);
    return absl::OkStatus();
  }
  ShowStamped(log, last, std::move(found.note), std::move(found.token));
  return absl::OkStatus();
}

}  // namespace graven::ledger
