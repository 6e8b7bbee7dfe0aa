#include "store/snapshot.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "base/encoding.h"
#include "base/sha256.h"
#include "base/sha256_stream.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "store/data_folder.h"

namespace graven::store {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;
constexpr uint64_t kSumsBytesMax = uint64_t{256} << 20;
constexpr std::string_view kSumsName = "SHA256SUMS";
constexpr std::string_view kFactsName = "preserved.txt";
constexpr std::string_view kLockName = "data/lock";
constexpr std::string_view kJournalPrefix = "data/journal/";
constexpr uint32_t kFileMode = 0444;
constexpr uint32_t kFolderMode = 0755;

std::string_view LastComponent(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path.substr(path.rfind('/') + 1);
}

bool IsZeros(std::string_view bytes) { return bytes.find_first_not_of('\0') == bytes.npos; }

// kOutOfRange: it was cut meanwhile.
absl::StatusOr<bool> HoldsOnlyZeros(io::File& file, uint64_t size) {
  std::string piece(std::min<uint64_t>(size, kPieceBytes), '\0');
  for (uint64_t at = 0; at < size; at += piece.size()) {
    piece.resize(std::min<uint64_t>(size - at, kPieceBytes));
    RETURN_IF_ERROR(file.ReadAt(at, piece));
    if (!IsZeros(piece)) return false;
  }
  return true;
}

// Of a file, in pieces; with `copy` they are written there too, but for those that are all zero:
// most of a journal file is.
absl::StatusOr<Hash> HashFile(io::File& file, uint64_t size, io::File* copy,
                              const std::function<void(uint64_t)>& on_bytes) {
  Sha256Stream hash;
  std::string piece(std::min<uint64_t>(size, kPieceBytes), '\0');
  for (uint64_t at = 0; at < size; at += piece.size()) {
    piece.resize(std::min<uint64_t>(size - at, kPieceBytes));
    RETURN_IF_ERROR(file.ReadAt(at, piece));
    hash.Add(piece);
    if (copy != nullptr && !IsZeros(piece)) RETURN_IF_ERROR(copy->WriteAt(at, piece));
    if (on_bytes) on_bytes(piece.size());
  }
  if (copy != nullptr) RETURN_IF_ERROR(copy->Truncate(size));
  return hash.Finish();
}

// Copies trees, and keeps what SHA256SUMS will say.
class Copier {
 public:
  Copier(io::FileSystem& fs, const SnapshotRequest& request) : fs_(fs), request_(request) {}

  // `name`: the place in the output.
  absl::Status Copy(const std::string& from, const std::string& name) {
    // Neither sha256sum nor a reader of preserved.txt could tell where such a line ends.
    if (name.find('\n') != name.npos) {
      return absl::InvalidArgumentError("a file's name holds a line feed: " + from);
    }
    const auto info = fs_.Stat(from);
    if (absl::IsNotFound(info.status())) {
      // A journal file that was retired, a temporary one that took its place.
      found_.changed.push_back(name);
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(info.status());
    return info->is_directory ? CopyFolder(from, name) : CopyFile(from, name, *info);
  }

  absl::Status AddText(std::string_view name, std::string_view text) {
    RETURN_IF_ERROR(io::CreateFileDurably(fs_, Out(name), text, kFileMode));
    sums_[std::string(name)] = Sha256(text);
    return absl::OkStatus();
  }

  absl::StatusOr<Snapshot> Finish() {
    std::string sums;
    for (const auto& [name, hash] : sums_) sums += fmt::format("{}  {}\n", HexEncode(hash), name);
    RETURN_IF_ERROR(io::CreateFileDurably(fs_, Out(kSumsName), sums, kFileMode));
    found_.files = sums_.size();
    found_.digest = Sha256(sums);
    return std::move(found_);
  }

  const Snapshot& found() const { return found_; }

 private:
  std::string Out(std::string_view name) const { return io::JoinPath(request_.output, name); }

  absl::Status CopyFolder(const std::string& from, const std::string& name) {
    RETURN_IF_ERROR(io::MakeDirectoryDurably(fs_, Out(name), kFolderMode));
    ASSIGN_OR_RETURN(const std::vector<std::string> children, fs_.List(from));
    for (const std::string& child : children) {
      RETURN_IF_ERROR(Copy(io::JoinPath(from, child), io::JoinPath(name, child)));
    }
    return fs_.SyncDirectory(Out(name));
  }

  absl::Status CopyFile(const std::string& from, const std::string& name,
                        const io::FileInfo& before) {
    auto file = fs_.Open(from, io::OpenMode::kRead);
    if (absl::IsNotFound(file.status())) {
      found_.changed.push_back(name);
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(file.status());
    if (name.starts_with(kJournalPrefix) && before.size > 0) {
      const auto unused = HoldsOnlyZeros(**file, before.size);
      if (!unused.ok() && !absl::IsOutOfRange(unused.status())) return unused.status();
      if (unused.ok() && *unused) {
        found_.unused.push_back(name);
        if (HasChanged(from, before)) found_.changed.push_back(name);
        return absl::OkStatus();
      }
    }
    ASSIGN_OR_RETURN(const auto copy, fs_.Open(Out(name), io::OpenMode::kCreateNew, kFileMode));
    auto hash = HashFile(**file, before.size, copy.get(), request_.on_bytes);
    const bool was_cut = absl::IsOutOfRange(hash.status());
    if (!was_cut) RETURN_IF_ERROR(hash.status());
    RETURN_IF_ERROR(copy->Sync());
    if (was_cut) {
      // Shorter now than it was a moment ago: what there is of it is hashed anew.
      ASSIGN_OR_RETURN(const uint64_t size, copy->Size());
      ASSIGN_OR_RETURN(hash, HashFile(*copy, size, nullptr, nullptr));
    }
    if (was_cut || HasChanged(from, before)) found_.changed.push_back(name);
    found_.bytes += before.size;
    sums_[name] = *hash;
    return absl::OkStatus();
  }

  bool HasChanged(const std::string& from, const io::FileInfo& before) const {
    const auto after = fs_.Stat(from);
    return !after.ok() || after->size != before.size || after->mtime_ns != before.mtime_ns ||
           after->inode != before.inode;
  }

  io::FileSystem& fs_;
  const SnapshotRequest& request_;
  Snapshot found_;
  std::map<std::string, Hash> sums_;
};

std::string Facts(const SnapshotRequest& request, const Snapshot& found) {
  std::string text = request.heading;
  text += fmt::format("data: {}\nleft out: keys/, so that nobody can sign with this copy\n",
                      request.folder);
  for (size_t i = 0; i < request.also.size(); ++i) {
    text += fmt::format("also/{}-{}: {}\n", i + 1, LastComponent(request.also[i]), request.also[i]);
  }
  for (const std::string& name : found.unused) {
    text += fmt::format("left out: {}, which held only zeros\n", name);
  }
  for (const std::string& name : found.changed) {
    text += fmt::format("changed while it was copied: {}\n", name);
  }
  return text;
}

// Every file below `name`, but SHA256SUMS, and the lock of whoever verified the copy.
absl::Status ListFiles(io::FileSystem& fs, const std::string& output, const std::string& name,
                       std::vector<std::string>* files) {
  const std::string path = name.empty() ? output : io::JoinPath(output, name);
  ASSIGN_OR_RETURN(const std::vector<std::string> children, fs.List(path));
  for (const std::string& child : children) {
    const std::string below = name.empty() ? child : io::JoinPath(name, child);
    ASSIGN_OR_RETURN(const io::FileInfo info, fs.Stat(io::JoinPath(output, below)));
    if (info.is_directory) {
      RETURN_IF_ERROR(ListFiles(fs, output, below, files));
    } else if (below != kSumsName && below != kLockName) {
      files->push_back(below);
    }
  }
  return absl::OkStatus();
}

// "<64 hex digits>  <path>" in each line.
absl::StatusOr<std::map<std::string, Hash>> ParseSums(std::string_view text) {
  std::map<std::string, Hash> sums;
  constexpr size_t kNameAt = 2 * Hash::kSize + 2;
  for (size_t end; !text.empty(); text.remove_prefix(end + 1)) {
    end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    const auto hash = HexDecode(line.substr(0, 2 * Hash::kSize));
    if (end == text.npos || line.size() <= kNameAt || !hash || hash->size() != Hash::kSize) {
      return absl::DataLossError(
          fmt::format("SHA256SUMS: line {} is not a hash and a path", sums.size() + 1));
    }
    sums[std::string(line.substr(kNameAt))] = Hash::FromBytes(*hash);
  }
  return sums;
}

absl::Status CopyData(io::FileSystem& fs, const SnapshotRequest& request, Copier* copier) {
  const DataPaths paths(request.folder);
  const std::string out = io::JoinPath(request.output, "data");
  RETURN_IF_ERROR(fs.MakeDirectory(out, kFolderMode));
  // By name, so the guard and the journal come before the logs: what leaves the journal meanwhile
  // is in a segment that is still to be copied.
  ASSIGN_OR_RETURN(const std::vector<std::string> children, fs.List(request.folder));
  for (const std::string& child : children) {
    const std::string from = io::JoinPath(request.folder, child);
    if (from == paths.Keys() || from == paths.Lock()) continue;
    RETURN_IF_ERROR(copier->Copy(from, io::JoinPath("data", child)));
  }
  return fs.SyncDirectory(out);
}

absl::Status CopyAlso(io::FileSystem& fs, const SnapshotRequest& request, Copier* copier) {
  if (request.also.empty()) return absl::OkStatus();
  const std::string out = io::JoinPath(request.output, "also");
  RETURN_IF_ERROR(fs.MakeDirectory(out, kFolderMode));
  for (size_t i = 0; i < request.also.size(); ++i) {
    // What somebody named must be there.
    RETURN_IF_ERROR(fs.Stat(request.also[i]).status());
    const std::string name = fmt::format("also/{}-{}", i + 1, LastComponent(request.also[i]));
    RETURN_IF_ERROR(copier->Copy(request.also[i], name));
  }
  return fs.SyncDirectory(out);
}

}  // namespace

absl::StatusOr<Snapshot> TakeSnapshot(io::FileSystem& fs, const SnapshotRequest& request) {
  RETURN_IF_ERROR(CheckDataFolder(fs, DataPaths(request.folder)));
  RETURN_IF_ERROR(fs.MakeDirectory(request.output, kFolderMode));
  RETURN_IF_ERROR(fs.SyncDirectory(io::ParentDirectory(request.output)));
  Copier copier(fs, request);
  RETURN_IF_ERROR(CopyData(fs, request, &copier));
  RETURN_IF_ERROR(CopyAlso(fs, request, &copier));
  RETURN_IF_ERROR(copier.AddText(kFactsName, Facts(request, copier.found())));
  return copier.Finish();
}

absl::StatusOr<SnapshotCheck> CheckSnapshot(io::FileSystem& fs, const std::string& output,
                                            const std::function<void(uint64_t)>& on_bytes) {
  ASSIGN_OR_RETURN(const std::string text,
                   io::ReadWholeFile(fs, io::JoinPath(output, kSumsName), kSumsBytesMax));
  ASSIGN_OR_RETURN(auto sums, ParseSums(text));
  SnapshotCheck check{sums.size(), Sha256(text), {}};
  std::vector<std::string> files;
  RETURN_IF_ERROR(ListFiles(fs, output, "", &files));
  for (const std::string& name : files) {
    const auto expected = sums.find(name);
    if (expected == sums.end()) {
      check.differences.push_back(fmt::format("{}: was not there", name));
      continue;
    }
    ASSIGN_OR_RETURN(const auto file, fs.Open(io::JoinPath(output, name), io::OpenMode::kRead));
    ASSIGN_OR_RETURN(const uint64_t size, file->Size());
    ASSIGN_OR_RETURN(const Hash hash, HashFile(*file, size, nullptr, on_bytes));
    if (hash != expected->second) {
      check.differences.push_back(fmt::format("{}: has other bytes", name));
    }
    sums.erase(expected);
  }
  for (const auto& [name, hash] : sums) {
    check.differences.push_back(fmt::format("{}: is missing", name));
  }
  return check;
}

}  // namespace graven::store
