#include "witness/witness.h"

#include <atomic>
#include <mutex>
#include <span>
#include <utility>

#include "base/absl_views.h"
#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "merkle/leaf.h"
#include "merkle/proof.h"
#include "note/checkpoint.h"
#include "note/cosignature.h"
#include "note/note.h"

namespace graven::witness {
namespace {

constexpr std::string_view kVersion = "graven witness 1\n";
constexpr uint64_t kSmallFileBytesMax = 4096;
// The request's note and our own line.
constexpr uint64_t kStateBytesMax = kAddCheckpointBytesMax + 4096;
constexpr int64_t kNsPerS = 1'000'000'000;

WitnessAnswer Refusal(int status, std::string_view why) {
  WitnessAnswer answer;
  answer.status = status;
  answer.body = fmt::format("{}\n", why);
  return answer;
}

WitnessAnswer Refusal(int status, const absl::Status& why) {
  return Refusal(status, ToStd(why.message()));
}

absl::Status FolderStatus(std::string_view path, std::string_view what) {
  return absl::FailedPreconditionError(fmt::format("{}: {}", path, what));
}

// Whether the folder is ours, or is to become so.
absl::Status CheckVersion(io::FileSystem& fs, const std::string& folder) {
  const std::string path = io::JoinPath(folder, "version");
  const auto version = io::ReadWholeFile(fs, path, kSmallFileBytesMax);
  if (version.ok()) {
    return *version == kVersion
               ? absl::OkStatus()
               : FolderStatus(path, "not a witness's folder, or one of a newer version");
  }
  if (!absl::IsNotFound(version.status())) return version.status();
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(folder));
  for (const std::string& name : names) {
    // What an interrupted first start may leave.
    if (name != "lock" && name != "version.new") {
      return FolderStatus(folder, "is not empty and is no witness's folder");
    }
  }
  return io::WriteFileDurably(fs, path, kVersion);
}

// OK: what `checkpoint` says may follow what was cosigned last, if anything was.
absl::Status CheckContinues(const AddCheckpoint& request, const note::Checkpoint& checkpoint,
                            const std::optional<note::Checkpoint>& last) {
  if (checkpoint.size.value == 0 && checkpoint.root != merkle::EmptyRoot()) {
    return absl::InvalidArgumentError("the root of an empty tree must be SHA-256 of nothing");
  }
  if (request.old_size.value == 0) {
    if (!request.proof.empty()) {
      return absl::InvalidArgumentError("a consistency proof from size 0 must be empty");
    }
    // A tree of size 0 was cosigned before, or nothing was: everything continues that.
    return absl::OkStatus();
  }
  const absl::Status consistent = merkle::CheckConsistency(
      last->size, checkpoint.size, request.proof, last->root, checkpoint.root);
  if (consistent.ok()) return consistent;
  return absl::InvalidArgumentError(
      fmt::format("consistency proof: {}", ToStd(consistent.message())));
}

}  // namespace

struct Witness::WitnessedLog {
  std::vector<note::VerifierKey> keys;
  std::string path;

  mutable std::mutex mutex;  // guards what follows, and the file
  std::optional<note::Checkpoint> last;
  std::string last_note;
  bool failed = false;
};

struct Witness::Counting {
  std::atomic<uint64_t> cosigned = 0;
  std::atomic<uint64_t> conflicts = 0;
  std::atomic<uint64_t> inconsistent = 0;
  std::atomic<uint64_t> refused = 0;
  std::atomic<uint64_t> failed = 0;
};

Witness::Witness(io::FileSystem& fs, Clock& clock, note::SignerKey key)
    : fs_(fs), clock_(clock), key_(std::move(key)), counting_(std::make_unique<Counting>()) {}

Witness::~Witness() = default;

absl::StatusOr<note::SignerKey> Witness::OpenKey(io::FileSystem& fs, Random& random,
                                                 const WitnessOptions& options) {
  const std::string path = io::JoinPath(options.folder, "key");
  absl::StatusOr<std::string> text = io::ReadWholeFile(fs, path, kSmallFileBytesMax);
  if (absl::IsNotFound(text.status())) {
    ASSIGN_OR_RETURN(const auto states, fs.List(io::JoinPath(options.folder, "logs")));
    if (!states.empty()) {
      return FolderStatus(path, "the key is missing beside what was cosigned with it");
    }
    ASSIGN_OR_RETURN(note::SignerKey key,
                     note::SignerKey::Generate(options.name, note::KeyType::kCosignature, random));
    RETURN_IF_ERROR(io::CreateFileDurably(fs, path, key.Format() + "\n", 0600));
    return key;
  }
  if (!text.ok()) return text.status();
  ASSIGN_OR_RETURN(const io::FileInfo info, fs.Stat(path));
  if ((info.mode & 077) != 0) return FolderStatus(path, "others can read the key: chmod 600");
  while (text->ends_with('\n')) text->pop_back();
  auto key = note::SignerKey::Parse(*text);
  if (!key.ok() || key->type() != note::KeyType::kCosignature) {
    return FolderStatus(path, "not the private key of a witness (type 0x04)");
  }
  if (key->name() != options.name) {
    return FolderStatus(path, fmt::format("is the key of {}, not of {}", SafeText(key->name()),
                                          SafeText(options.name)));
  }
  return *std::move(key);
}

absl::StatusOr<std::unique_ptr<Witness>> Witness::Open(io::FileSystem& fs, Clock& clock,
                                                       Random& random,
                                                       const WitnessOptions& options) {
  RETURN_IF_ERROR(note::CheckOrigin(options.name));
  RETURN_IF_ERROR(io::MakeDirectoryDurably(fs, options.folder, 0700));
  ASSIGN_OR_RETURN(auto lock, fs.Lock(io::JoinPath(options.folder, "lock")));
  RETURN_IF_ERROR(CheckVersion(fs, options.folder));
  const std::string folder = io::JoinPath(options.folder, "logs");
  RETURN_IF_ERROR(io::MakeDirectoryDurably(fs, folder, 0700));
  ASSIGN_OR_RETURN(note::SignerKey key, OpenKey(fs, random, options));
  std::unique_ptr<Witness> witness(new Witness(fs, clock, std::move(key)));
  witness->lock_ = std::move(lock);
  for (const note::VerifierKey& log_key : options.logs) {
    if (log_key.type() != note::KeyType::kEd25519) {
      return absl::InvalidArgumentError(
          fmt::format("log {}: not a log's key (type 0x01)", SafeText(log_key.name())));
    }
    std::unique_ptr<WitnessedLog>& log = witness->logs_[log_key.name()];
    if (log == nullptr) log = std::make_unique<WitnessedLog>();
    log->keys.push_back(log_key);
  }
  for (auto& [origin, log] : witness->logs_) {
    const std::string hash = HexEncode(Sha256(origin));
    log->path = io::JoinPath(folder, hash);
    witness->by_hash_[hash] = log.get();
    RETURN_IF_ERROR(witness->ReadState(origin, log.get()));
  }
  // A name that was read may be in the page cache only, left there by one that died before its
  // sync: nothing is told to anybody before a crash cannot take it back. What is in a file was
  // synced before it got its name.
  RETURN_IF_ERROR(fs.SyncDirectory(folder));
  return witness;
}

absl::Status Witness::ReadState(const std::string& origin, WitnessedLog* log) {
  auto text = io::ReadWholeFile(fs_, log->path, kStateBytesMax);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  if (!text.ok()) return text.status();
  // Our own signature is the file's checksum.
  const auto note = note::OpenNote(*text, std::span(&key_.verifier(), 1));
  auto checkpoint = note.ok() ? note::ParseCheckpoint(note->text) : note.status();
  if (!checkpoint.ok() || checkpoint->origin != origin) {
    return absl::DataLossError(
        fmt::format("{}: not what this witness cosigned for {}; it cosigns nothing rather than "
                    "guess what it has seen",
                    log->path, SafeText(origin)));
  }
  log->last = *std::move(checkpoint);
  log->last_note = *std::move(text);
  return absl::OkStatus();
}

WitnessAnswer Witness::AddCheckpointRequest(std::string_view body) {
  const auto refuse = [this](int status, const auto& why) {
    counting_->refused++;
    return Refusal(status, why);
  };
  const auto request = ParseAddCheckpoint(body);
  if (!request.ok()) return refuse(400, request.status());
  // The text alone first: whether the signatures are well-formed is a question about this log.
  const size_t split = request->checkpoint.rfind("\n\n");
  if (split == std::string::npos) return refuse(400, "malformed note: no blank line");
  const auto checkpoint = note::ParseCheckpoint(request->checkpoint.substr(0, split + 1));
  if (!checkpoint.ok()) return refuse(400, checkpoint.status());
  const auto log = logs_.find(checkpoint->origin);
  if (log == logs_.end()) {
    return refuse(404, fmt::format("unknown log {}", SafeText(checkpoint->origin)));
  }
  const auto opened = note::OpenNote(request->checkpoint, log->second->keys);
  if (absl::IsUnauthenticated(opened.status())) {
    return refuse(403, "no signature by a key of the log");
  }
  if (!opened.ok()) {
    return refuse(403, fmt::format("invalid signature: {}", ToStd(opened.status().message())));
  }
  if (request->old_size > checkpoint->size) {
    return refuse(400, "the old size is above the checkpoint's");
  }
  // Without the lines of strangers: they are nothing that this witness says.
  std::string signed_note = opened->text + "\n";
  for (const note::NoteSignature& signature : opened->verified) {
    signed_note += note::FormatSignatureLine(signature);
  }
  return Decide(*request, *checkpoint, std::move(signed_note), log->second.get());
}

WitnessAnswer Witness::Decide(const AddCheckpoint& request, const note::Checkpoint& checkpoint,
                              std::string signed_note, WitnessedLog* log) {
  // From the look at the state to its being durable: a slow request must not take it back.
  std::lock_guard lock(log->mutex);
  if (log->failed) {
    counting_->failed++;
    return Refusal(500,
                   "an earlier write of this log's state failed; the witness must be restarted");
  }
  const TreeSize last_size = log->last ? log->last->size : TreeSize(0);
  if (request.old_size != last_size) {
    counting_->conflicts++;
    return {409, std::string(kSizeContentType), fmt::format("{}\n", last_size.value)};
  }
  if (const absl::Status continues = CheckContinues(request, checkpoint, log->last);
      !continues.ok()) {
    counting_->inconsistent++;
    return Refusal(422, continues);
  }
  const int64_t now_s = clock_.WallNs() / kNsPerS;
  const auto line = note::Cosign(note::FormatCheckpoint(checkpoint),
                                 now_s > 0 ? static_cast<uint64_t>(now_s) : 0, key_);
  if (!line.ok() || now_s <= 0) {
    counting_->failed++;
    return Refusal(500, "the witness's clock is wrong");
  }
  signed_note += *line;
  if (const absl::Status written = io::WriteFileDurably(fs_, log->path, signed_note, 0600);
      !written.ok()) {
    // The old state or the new one is on disk, and reading would not tell which a crash leaves.
    // No cosignature of the new one left, so either is right after a restart.
    log->failed = true;
    counting_->failed++;
    return Refusal(500, "the state could not be made durable");
  }
  log->last = checkpoint;
  log->last_note = std::move(signed_note);
  counting_->cosigned++;
  WitnessAnswer answer;
  answer.status = 200;
  answer.body = *line;
  return answer;
}

std::optional<std::string> Witness::LastCosigned(std::string_view origin_hash_hex) const {
  const auto found = by_hash_.find(origin_hash_hex);
  if (found == by_hash_.end()) return std::nullopt;
  std::lock_guard lock(found->second->mutex);
  if (!found->second->last) return std::nullopt;
  return found->second->last_note;
}

std::vector<std::pair<std::string, std::optional<uint64_t>>> Witness::Logs() const {
  std::vector<std::pair<std::string, std::optional<uint64_t>>> logs;
  for (const auto& [origin, log] : logs_) {
    std::lock_guard lock(log->mutex);
    logs.emplace_back(origin, log->last ? std::optional(log->last->size.value) : std::nullopt);
  }
  return logs;
}

WitnessCounters Witness::counters() const {
  return {counting_->cosigned, counting_->conflicts, counting_->inconsistent, counting_->refused,
          counting_->failed};
}

}  // namespace graven::witness
