#include "view/seen_memory.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/absl_views.h"
#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "note/keys.h"

namespace graven::view {
namespace {

constexpr uint32_t kOwnFile = 0600;
constexpr uint32_t kOwnFolder = 0700;
constexpr size_t kDoorBytes = 16;
constexpr size_t kNameDigits = 32;
constexpr std::string_view kFolders[] = {"seen", "findings", "evidence"};

std::string ShortName(std::string_view text) {
  return HexEncode(Sha256(text)).substr(0, kNameDigits);
}

// A file of ours that cannot be used: which, and what may be done.
absl::Status InFile(const std::string& path, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), ToAbsl(fmt::format("the view's memory: {}: {}", path,
                                                        ToStd(status.message()))));
}

template <class Decode>
absl::Status ReadEach(io::FileSystem& fs, const std::string& folder, Decode decode) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(folder));
  for (const std::string& name : names) {
    // What a crash left of a write that did not end.
    if (name.ends_with(".new")) continue;
    const std::string path = io::JoinPath(folder, name);
    const auto text = io::ReadWholeFile(fs, path, kMemoryFileBytesMax);
    if (!text.ok()) return InFile(path, text.status());
    RETURN_IF_ERROR(InFile(path, decode(*text)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<SeenMemory>> SeenMemory::Open(io::FileSystem& fs, std::string folder,
                                                             note::Policy policy, Clock& clock,
                                                             Random& random) {
  std::unique_ptr<SeenMemory> memory(
      new SeenMemory(fs, std::move(folder), std::move(policy), clock));
  RETURN_IF_ERROR(io::MakeDirectoryDurably(fs, memory->folder_, kOwnFolder));
  ASSIGN_OR_RETURN(memory->lock_, fs.Lock(memory->Path("lock")));
  for (const std::string_view name : kFolders)
    RETURN_IF_ERROR(io::MakeDirectoryDurably(fs, memory->Path(name), kOwnFolder));
  RETURN_IF_ERROR(memory->Load(random));
  return memory;
}

std::string SeenMemory::Path(std::string_view name) const { return io::JoinPath(folder_, name); }

std::string SeenMemory::SeenPath(std::string_view vkey) const {
  return io::JoinPath(Path("seen"), ShortName(vkey));
}

absl::Status SeenMemory::Load(Random& random) {
  RETURN_IF_ERROR(LoadDoor(random));
  const auto known = io::ReadWholeFile(fs_, Path("known"), kMemoryFileBytesMax);
  if (known.ok()) {
    auto decoded = DecodeKnown(*known);
    if (!decoded.ok()) return InFile(Path("known"), decoded.status());
    const MutexLock lock(&mutex_);
    known_ = *std::move(decoded);
  } else if (!absl::IsNotFound(known.status())) {
    return InFile(Path("known"), known.status());
  }
  RETURN_IF_ERROR(LoadSeen());
  return LoadFindings();
}

absl::Status SeenMemory::LoadDoor(Random& random) {
  const auto text = io::ReadWholeFile(fs_, Path("door"), 2 * kDoorBytes);
  if (text.ok() && text->size() == 2 * kDoorBytes && HexDecode(*text)) {
    door_ = *text;
    return absl::OkStatus();
  }
  if (text.ok() || absl::IsOutOfRange(text.status()))
    return InFile(Path("door"), absl::DataLossError("damaged: it is not 32 hex digits"));
  if (!absl::IsNotFound(text.status())) return InFile(Path("door"), text.status());
  door_ = HexEncode(random.Bytes(kDoorBytes));
  return InFile(Path("door"), io::WriteFileDurably(fs_, Path("door"), door_, kOwnFile));
}

absl::Status SeenMemory::LoadSeen() {
  return ReadEach(fs_, Path("seen"), [this](std::string_view text) {
    auto seen = DecodeSeen(text);
    if (!seen.ok()) return seen.status();
    const MutexLock lock(&mutex_);
    std::string vkey = seen->vkey;
    seen_.insert_or_assign(std::move(vkey), *std::move(seen));
    return absl::OkStatus();
  });
}

absl::Status SeenMemory::LoadFindings() {
  return ReadEach(fs_, Path("findings"), [this](std::string_view text) {
    auto read = DecodeFinding(text);
    if (!read.ok()) return read.status();
    const MutexLock lock(&mutex_);
    const uint64_t id = read->second.id;
    findings_.insert_or_assign(id, *std::move(read));
    return absl::OkStatus();
  });
}

bool SeenMemory::InPolicy(std::string_view vkey) const {
  const auto& logs = policy_.logs();
  return std::any_of(logs.begin(), logs.end(),
                     [vkey](const note::PolicyLog& log) { return log.key && log.vkey == vkey; });
}

std::optional<Seen> SeenMemory::Find(const std::string& vkey) const {
  const MutexLock lock(&mutex_);
  const auto found = seen_.find(vkey);
  if (found == seen_.end()) return std::nullopt;
  return found->second;
}

absl::Status SeenMemory::CheckRoom(const std::string& vkey) const {
  if (seen_.contains(vkey) || InPolicy(vkey)) return absl::OkStatus();
  const auto strange = std::count_if(seen_.begin(), seen_.end(),
                                     [this](const auto& one) { return !InPolicy(one.first); });
  if (static_cast<size_t>(strange) < kStrangeKeysMax) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      fmt::format("{} keys that the policy does not name are remembered already", kStrangeKeysMax));
}

absl::StatusOr<SeenMemory::Raised> SeenMemory::Raise(const std::string& vkey,
                                                     const std::optional<SeenTree>& expected,
                                                     const std::string& note) {
  if (vkey.size() > kVkeyBytesMax)
    return absl::InvalidArgumentError(fmt::format("key: longer than {} bytes", kVkeyBytesMax));
  if (note.size() > kSeenNoteBytesMax)
    return absl::InvalidArgumentError(fmt::format("note: longer than {} bytes", kSeenNoteBytesMax));
  ASSIGN_OR_RETURN(const note::VerifierKey key, note::VerifierKey::Parse(vkey));
  ASSIGN_OR_RETURN(const note::CosignedCheckpoint opened,
                   note::OpenCosigned(note, std::span(&key, 1), policy_));
  const SeenTree tree{opened.checkpoint.size, opened.checkpoint.root};

  const MutexLock lock(&mutex_);
  const auto found = seen_.find(vkey);
  const bool fits = found == seen_.end() ? !expected : expected == found->second.last.tree;
  if (!fits) return Raised{false, found == seen_.end() ? Seen{} : found->second};
  RETURN_IF_ERROR(CheckRoom(vkey));
  const SeenCheckpoint now{tree, NowMs(), opened.cosigners.size()};
  Seen next;
  if (found != seen_.end()) {
    const SeenTree& before = found->second.last.tree;
    if (tree.size < before.size || (tree.size == before.size && tree.root != before.root))
      return absl::AbortedError(
          fmt::format("the tree of size {} that is remembered is not lowered to one of size {}",
                      before.size.value, tree.size.value));
    next = found->second;
  } else {
    next.vkey = vkey;
    next.first = now;
  }
  next.last = now;
  next.note = note;
  next.line = WithCheckpoint(std::move(next.line), now);
  // When this fails the disk has the old tree or the new one, whole; both were shown to be true.
  RETURN_IF_ERROR(io::WriteFileDurably(fs_, SeenPath(vkey), EncodeSeen(next), kOwnFile));
  seen_.insert_or_assign(vkey, next);
  return Raised{true, std::move(next)};
}

std::optional<KnownLog> SeenMemory::Known(const LogName& name) const {
  const MutexLock lock(&mutex_);
  const auto found = known_.find(name);
  if (found == known_.end()) return std::nullopt;
  return found->second;
}

absl::Status SeenMemory::SaveKnown(const std::map<LogName, KnownLog>& known) {
  return io::WriteFileDurably(fs_, Path("known"), EncodeKnown(known), kOwnFile);
}

absl::Status SeenMemory::Know(const LogName& name, const std::string& vkey) {
  if (vkey.size() > kVkeyBytesMax)
    return absl::InvalidArgumentError(fmt::format("key: longer than {} bytes", kVkeyBytesMax));
  RETURN_IF_ERROR(note::VerifierKey::Parse(vkey).status());
  const MutexLock lock(&mutex_);
  std::map<LogName, KnownLog> next = known_;
  next.insert_or_assign(name, KnownLog{vkey, NowMs()});
  if (next.size() > kKnownLogsMax)
    return absl::ResourceExhaustedError(
        fmt::format("{} logs are remembered already", kKnownLogsMax));
  RETURN_IF_ERROR(SaveKnown(next));
  known_ = std::move(next);
  return absl::OkStatus();
}

std::vector<Finding> SeenMemory::Findings(const LogName& name, std::string_view vkey) const {
  const MutexLock lock(&mutex_);
  std::vector<Finding> found;
  for (const auto& [id, one] : findings_)
    if (one.first == name || one.second.vkey == vkey) found.push_back(one.second);
  return found;
}

absl::Status SeenMemory::AddFinding(const LogName& name, Finding finding) {
  RETURN_IF_ERROR(note::VerifierKey::Parse(finding.vkey).status());
  const MutexLock lock(&mutex_);
  if (findings_.contains(finding.id))
    return absl::AlreadyExistsError(fmt::format("there is a finding {} already", finding.id));
  if (findings_.size() >= kFindingsMax)
    return absl::ResourceExhaustedError(fmt::format("{} findings are kept already", kFindingsMax));
  if (finding.json.size() + finding.evidence.size() > kFindingBytesMax)
    return absl::InvalidArgumentError(
        fmt::format("finding: longer than {} bytes", kFindingBytesMax));
  if (!finding.evidence.empty()) {
    const std::string path =
        io::JoinPath(Path("evidence"), ShortName(finding.evidence) + ".evidence");
    // Evidence without its finding is still evidence.
    RETURN_IF_ERROR(io::WriteFileDurably(fs_, path, finding.evidence, kOwnFile));
  }
  RETURN_IF_ERROR(
      io::WriteFileDurably(fs_, io::JoinPath(Path("findings"), fmt::format("{}", finding.id)),
                           EncodeFinding(name, finding), kOwnFile));
  const uint64_t id = finding.id;
  findings_.insert_or_assign(id, std::pair(name, std::move(finding)));
  return absl::OkStatus();
}

absl::Status SeenMemory::Forget(const LogName& name, const std::string& vkey) {
  const MutexLock lock(&mutex_);
  // Findings first: a crash in between leaves less to say, and nothing that accuses wrongly.
  for (auto one = findings_.begin(); one != findings_.end();) {
    if (one->second.first != name && one->second.second.vkey != vkey) {
      ++one;
      continue;
    }
    const absl::Status removed =
        fs_.Remove(io::JoinPath(Path("findings"), fmt::format("{}", one->first)));
    // Gone already is as good: somebody may have tidied up by hand.
    if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
    one = findings_.erase(one);
  }
  RETURN_IF_ERROR(fs_.SyncDirectory(Path("findings")));
  std::map<LogName, KnownLog> next = known_;
  next.erase(name);
  RETURN_IF_ERROR(SaveKnown(next));
  known_ = std::move(next);
  const auto seen = seen_.find(vkey);
  if (seen == seen_.end()) return absl::OkStatus();
  const absl::Status removed = fs_.Remove(SeenPath(vkey));
  if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  seen_.erase(seen);
  return fs_.SyncDirectory(Path("seen"));
}

}  // namespace graven::view
