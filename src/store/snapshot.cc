#include "store/snapshot.h"

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/absl_views.h"
#include "base/encoding.h"
#include "base/sha256.h"
#include "base/sha256_stream.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
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
// Of the escapes of a line of SHA256SUMS, and what they stand for.
constexpr std::string_view kEscapes = "nr\\";
constexpr std::string_view kEscaped = "\n\r\\";
constexpr size_t kSectorBytes = 4096;
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

// A file as it was read.
struct FileRead {
  Hash hash;
  uint64_t bytes = 0;
  uint64_t unreadable_bytes = 0;
  absl::Status why;  // of the first of them
};

// Fills `piece`, in smaller and smaller parts: only what the disk refuses becomes zeros.
absl::Status ReadWhatCanBe(io::File& file, uint64_t at, std::span<char> piece, FileRead* read) {
  absl::Status status = file.ReadAt(at, piece);
  if (status.ok() || absl::IsOutOfRange(status)) return status;
  if (piece.size() <= kSectorBytes) {
    std::ranges::fill(piece, '\0');
    if (read->why.ok()) read->why = status;
    read->unreadable_bytes += piece.size();
    return absl::OkStatus();
  }
  const size_t half = (piece.size() / 2 + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
  RETURN_IF_ERROR(ReadWhatCanBe(file, at, piece.first(half), read));
  return ReadWhatCanBe(file, at + half, piece.subspan(half), read);
}

// In pieces, up to `size` or the end that it has meanwhile; with `copy` they are written there too,
// but for those that are all zero: most of a journal file is. Errors are those of writing.
absl::StatusOr<FileRead> ReadFile(io::File& file, uint64_t size, io::File* copy,
                                  const std::function<void(uint64_t)>& on_bytes) {
  Sha256Stream hash;
  FileRead read;
  std::string piece;
  while (read.bytes < size) {
    piece.resize(std::min<uint64_t>(size - read.bytes, kPieceBytes));
    if (!ReadWhatCanBe(file, read.bytes, piece, &read).ok()) {
      ASSIGN_OR_RETURN(const uint64_t now, file.Size());
      size = std::clamp(now, read.bytes, size - 1);
      continue;
    }
    hash.Add(piece);
    if (copy != nullptr && !IsZeros(piece)) RETURN_IF_ERROR(copy->WriteAt(read.bytes, piece));
    read.bytes += piece.size();
    if (on_bytes) on_bytes(piece.size());
  }
  if (copy != nullptr) RETURN_IF_ERROR(copy->Truncate(size));
  read.hash = hash.Finish();
  return read;
}

// As sha256sum writes and reads them: with a backslash in front when something in the name had to
// be escaped.
std::string SumsLine(const Hash& hash, std::string_view name) {
  std::string escaped;
  for (const char c : name) {
    escaped += c == '\\' ? "\\\\" : c == '\n' ? "\\n" : c == '\r' ? "\\r" : std::string(1, c);
  }
  return fmt::format("{}{}  {}\n", escaped.size() == name.size() ? "" : "\\", HexEncode(hash),
                     escaped);
}

std::optional<std::string> Unescaped(std::string_view text) {
  std::string name;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      name += text[i];
      continue;
    }
    const size_t which = ++i < text.size() ? kEscapes.find(text[i]) : kEscapes.npos;
    if (which == kEscapes.npos) return std::nullopt;
    name += kEscaped[which];
  }
  return name;
}

// Copies trees, and keeps what SHA256SUMS will say.
class Copier {
 public:
  Copier(io::FileSystem& fs, const SnapshotRequest& request) : fs_(fs), request_(request) {}

  // `name`: the place in the output. Errors are those of writing.
  absl::Status Copy(const std::string& from, const std::string& name) {
    if (request_.oddity_at) {
      const Oddity odd = request_.oddity_at(from);
      if (!odd.words.empty())
        Note(odd.leave ? &found_.left_out : &found_.followed, name, odd.words);
      if (odd.leave) return absl::OkStatus();
    }
    const auto info = fs_.Stat(from);
    if (!info.ok()) return NameMissing(name, info.status());
    return info->is_directory ? CopyFolder(from, name) : CopyFile(from, name, *info);
  }

  absl::Status AddText(std::string_view name, std::string_view text) {
    RETURN_IF_ERROR(io::CreateFileDurably(fs_, Out(name), text, kFileMode));
    sums_[std::string(name)] = Sha256(text);
    return absl::OkStatus();
  }

  absl::StatusOr<Snapshot> Finish() {
    std::string sums;
    for (const auto& [name, hash] : sums_) sums += SumsLine(hash, name);
    RETURN_IF_ERROR(io::CreateFileDurably(fs_, Out(kSumsName), sums, kFileMode));
    found_.files = sums_.size();
    found_.digest = Sha256(sums);
    return std::move(found_);
  }

  const Snapshot& found() const { return found_; }

 private:
  std::string Out(std::string_view name) const { return io::JoinPath(request_.output, name); }

  static void Note(std::vector<std::string>* notes, std::string_view name, std::string_view words) {
    notes->push_back(fmt::format("{}: {}", name, words));
  }

  // Of what was listed a moment ago.
  absl::Status NameMissing(const std::string& name, const absl::Status& why) {
    if (absl::IsNotFound(why)) {
      // A journal file that was retired, a temporary one that took its place.
      found_.changed.push_back(name);
    } else {
      Note(&found_.unreadable, name, ToStd(why.message()));
    }
    return absl::OkStatus();
  }

  absl::Status CopyFolder(const std::string& from, const std::string& name) {
    RETURN_IF_ERROR(io::MakeDirectoryDurably(fs_, Out(name), kFolderMode));
    const auto children = fs_.List(from);
    if (!children.ok()) return NameMissing(name, children.status());
    for (const std::string& child : *children) {
      RETURN_IF_ERROR(Copy(io::JoinPath(from, child), io::JoinPath(name, child)));
    }
    return fs_.SyncDirectory(Out(name));
  }

  absl::Status CopyFile(const std::string& from, const std::string& name,
                        const io::FileInfo& before) {
    const auto file = fs_.Open(from, io::OpenMode::kRead);
    if (!file.ok()) return NameMissing(name, file.status());
    if (name.starts_with(kJournalPrefix) && before.size > 0) {
      const auto unused = HoldsOnlyZeros(**file, before.size);
      if (unused.ok() && *unused) {
        found_.unused.push_back(name);
        if (HasChanged(from, before)) found_.changed.push_back(name);
        return absl::OkStatus();
      }
    }
    ASSIGN_OR_RETURN(const auto copy, fs_.Open(Out(name), io::OpenMode::kCreateNew, kFileMode));
    ASSIGN_OR_RETURN(const FileRead read,
                     ReadFile(**file, before.size, copy.get(), request_.on_bytes));
    RETURN_IF_ERROR(copy->Sync());
    if (read.unreadable_bytes > 0) {
      Note(&found_.unreadable, name,
           fmt::format("{} bytes of it, for which zeros stand: {}", read.unreadable_bytes,
                       ToStd(read.why.message())));
    }
    if (read.bytes != before.size || HasChanged(from, before)) found_.changed.push_back(name);
    found_.bytes += read.bytes;
    sums_[name] = read.hash;
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
  const auto list = [&text](const std::vector<std::string>& all, std::string_view before,
                            std::string_view after = "") {
    for (const std::string& one : all)
      text += fmt::format("{}: {}{}\n", before, SafeText(one), after);
  };
  list(found.unused, "left out", ", which held only zeros");
  list(found.left_out, "left out");
  list(found.followed, "followed");
  list(found.unreadable, "could not be read");
  list(found.changed, "changed while it was copied");
  return text;
}

// Every file below `name`, but SHA256SUMS, and the lock of whoever verified the copy.
absl::Status ListFiles(io::FileSystem& fs, const std::string& output, const std::string& name,
                       const OddityAt& oddity_at, std::vector<std::string>* files) {
  const std::string path = name.empty() ? output : io::JoinPath(output, name);
  ASSIGN_OR_RETURN(const std::vector<std::string> children, fs.List(path));
  for (const std::string& child : children) {
    const std::string below = name.empty() ? child : io::JoinPath(name, child);
    const std::string at = io::JoinPath(output, below);
    if (oddity_at && !oddity_at(at).words.empty()) {
      files->push_back(below);
      continue;
    }
    ASSIGN_OR_RETURN(const io::FileInfo info, fs.Stat(at));
    if (info.is_directory) {
      RETURN_IF_ERROR(ListFiles(fs, output, below, oddity_at, files));
    } else if (below != kSumsName && below != kLockName) {
      files->push_back(below);
    }
  }
  return absl::OkStatus();
}

// "<64 hex digits>  <path>" in each line, escaped as SumsLine does.
absl::StatusOr<std::map<std::string, Hash>> ParseSums(std::string_view text) {
  std::map<std::string, Hash> sums;
  constexpr size_t kNameAt = 2 * Hash::kSize + 2;
  for (size_t end; !text.empty(); text.remove_prefix(end + 1)) {
    end = text.find('\n');
    std::string_view line = text.substr(0, end);
    const bool escaped = line.starts_with('\\');
    if (escaped) line.remove_prefix(1);
    const auto hash = HexDecode(line.substr(0, 2 * Hash::kSize));
    const auto name = line.size() <= kNameAt ? std::nullopt
                      : escaped              ? Unescaped(line.substr(kNameAt))
                                             : std::optional<std::string>(line.substr(kNameAt));
    if (end == text.npos || !name || !hash || hash->size() != Hash::kSize) {
      return absl::DataLossError(
          fmt::format("SHA256SUMS: line {} is not a hash and a path", sums.size() + 1));
    }
    sums[*name] = Hash::FromBytes(*hash);
  }
  return sums;
}

// A version file that somebody took away or spoilt is no reason to preserve nothing.
absl::Status CheckThatItIsOne(io::FileSystem& fs, const DataPaths& paths) {
  const absl::Status status = CheckDataFolder(fs, paths);
  const auto logs = fs.Stat(paths.Logs());
  return logs.ok() && logs->is_directory ? absl::OkStatus() : status;
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
    const std::string name = fmt::format("also/{}-{}", i + 1, LastComponent(request.also[i]));
    RETURN_IF_ERROR(copier->Copy(request.also[i], name));
  }
  return fs.SyncDirectory(out);
}

absl::StatusOr<Snapshot> Fill(io::FileSystem& fs, const SnapshotRequest& request) {
  RETURN_IF_ERROR(fs.SyncDirectory(io::ParentDirectory(request.output)));
  Copier copier(fs, request);
  RETURN_IF_ERROR(CopyData(fs, request, &copier));
  RETURN_IF_ERROR(CopyAlso(fs, request, &copier));
  RETURN_IF_ERROR(copier.AddText(kFactsName, Facts(request, copier.found())));
  return copier.Finish();
}

// What is different about one of the files that are there; nothing: "".
std::string Difference(io::FileSystem& fs, const std::string& path, const Hash* expected,
                       const std::function<void(uint64_t)>& on_bytes, const OddityAt& oddity_at) {
  if (std::string odd = oddity_at ? oddity_at(path).words : ""; !odd.empty()) return odd;
  if (expected == nullptr) return "was not there";
  const auto file = fs.Open(path, io::OpenMode::kRead);
  if (!file.ok()) return std::string(ToStd(file.status().message()));
  const auto size = (*file)->Size();
  if (!size.ok()) return std::string(ToStd(size.status().message()));
  const auto read = ReadFile(**file, *size, nullptr, on_bytes);
  if (!read.ok()) return std::string(ToStd(read.status().message()));
  if (read->unreadable_bytes > 0) return std::string(ToStd(read->why.message()));
  return read->hash == *expected ? "" : "has other bytes";
}

}  // namespace

absl::StatusOr<Snapshot> TakeSnapshot(io::FileSystem& fs, const SnapshotRequest& request) {
  RETURN_IF_ERROR(CheckThatItIsOne(fs, DataPaths(request.folder)));
  // What somebody named must be there.
  for (const std::string& also : request.also) RETURN_IF_ERROR(fs.Stat(also).status());
  RETURN_IF_ERROR(fs.MakeDirectory(request.output, kFolderMode));
  auto taken = Fill(fs, request);
  if (taken.ok()) return taken;
  // Whoever finds it later must not take it for the whole.
  return absl::Status(
      taken.status().code(),
      ToAbsl(fmt::format("{}; {} is not finished and has no {}", ToStd(taken.status().message()),
                         request.output, kSumsName)));
}

absl::StatusOr<SnapshotCheck> CheckSnapshot(io::FileSystem& fs, const std::string& output,
                                            const std::function<void(uint64_t)>& on_bytes,
                                            const OddityAt& oddity_at) {
  ASSIGN_OR_RETURN(const std::string text,
                   io::ReadWholeFile(fs, io::JoinPath(output, kSumsName), kSumsBytesMax));
  ASSIGN_OR_RETURN(auto sums, ParseSums(text));
  SnapshotCheck check{sums.size(), Sha256(text), {}};
  std::vector<std::string> files;
  RETURN_IF_ERROR(ListFiles(fs, output, "", oddity_at, &files));
  for (const std::string& name : files) {
    const auto expected = sums.find(name);
    const std::string difference =
        Difference(fs, io::JoinPath(output, name),
                   expected == sums.end() ? nullptr : &expected->second, on_bytes, oddity_at);
    if (!difference.empty()) check.differences.push_back(fmt::format("{}: {}", name, difference));
    if (expected != sums.end()) sums.erase(expected);
  }
  for (const auto& [name, hash] : sums) {
    check.differences.push_back(fmt::format("{}: is missing", name));
  }
  return check;
}

}  // namespace graven::store
