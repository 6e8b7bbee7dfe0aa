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
constexpr uint32_t kFileMode = 0400;
constexpr uint32_t kFolderMode = 0700;
// Each holds a file handle, and makes the path of the copy longer: who may write in the folder must
// not make the copy fail by either.
constexpr int kDepthMax = 64;
constexpr size_t kPathBytesMax = 3500;

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
  size_t piece_max = kPieceBytes;
  while (read.bytes < size) {
    piece.resize(std::min<uint64_t>(size - read.bytes, piece_max));
    if (!ReadWhatCanBe(file, read.bytes, piece, &read).ok()) {
      ASSIGN_OR_RETURN(const uint64_t now, file.Size());
      if (now < read.bytes + piece.size()) {
        size = std::max(now, read.bytes);
      } else {
        // It ends before the size that it says it has: its end is somewhere in this piece.
        piece_max = piece.size() / 2;
        if (piece_max == 0) size = read.bytes;
      }
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

OpenSource OpenerOf(const OpenSource& open, io::FileSystem& fs) {
  return open ? open : SourcesOf(fs);
}

// Copies trees, and keeps what SHA256SUMS will say.
class Copier {
 public:
  Copier(io::FileSystem& fs, const SnapshotRequest& request) : fs_(fs), request_(request) {}

  // `name`: the place in the output. Errors are those of writing.
  absl::Status Copy(absl::StatusOr<SourceEntry> source, const std::string& name, int depth = 1) {
    if (!source.ok()) return NameMissing(name, source.status());
    if (!source->words.empty()) {
      Note(source->is_left() ? &found_.left_out : &found_.followed, name, source->words);
    }
    if (source->is_left()) return absl::OkStatus();
    if (depth > kDepthMax || Out(name).size() > kPathBytesMax) {
      Note(&found_.left_out, name, "it lies too deep");
      return absl::OkStatus();
    }
    return source->folder != nullptr ? CopyFolder(*source->folder, name, depth)
                                     : CopyFile(*source, name);
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

  absl::Status CopyFolder(SourceFolder& from, const std::string& name, int depth) {
    RETURN_IF_ERROR(io::MakeDirectoryDurably(fs_, Out(name), kFolderMode));
    const auto children = from.List();
    if (!children.ok()) return NameMissing(name, children.status());
    for (const std::string& child : *children) {
      RETURN_IF_ERROR(Copy(from.Open(child), io::JoinPath(name, child), depth + 1));
    }
    return fs_.SyncDirectory(Out(name));
  }

  absl::Status CopyFile(const SourceEntry& from, const std::string& name) {
    const uint64_t size = from.info.size;
    if (name.starts_with(kJournalPrefix) && size > 0) {
      const auto unused = HoldsOnlyZeros(*from.file, size);
      if (unused.ok() && *unused) {
        found_.unused.push_back(name);
        if (HasChanged(from)) found_.changed.push_back(name);
        return absl::OkStatus();
      }
    }
    ASSIGN_OR_RETURN(const auto copy, fs_.Open(Out(name), io::OpenMode::kCreateNew, kFileMode));
    ASSIGN_OR_RETURN(const FileRead read,
                     ReadFile(*from.file, size, copy.get(), request_.on_bytes));
    RETURN_IF_ERROR(copy->Sync());
    if (read.unreadable_bytes > 0) {
      Note(&found_.unreadable, name,
           fmt::format("{} bytes of it, for which zeros stand: {}", read.unreadable_bytes,
                       ToStd(read.why.message())));
    }
    if (read.bytes != size || HasChanged(from)) found_.changed.push_back(name);
    found_.bytes += read.bytes;
    sums_[name] = read.hash;
    return absl::OkStatus();
  }

  static bool HasChanged(const SourceEntry& file) {
    const auto after = file.info_now();
    return !after.ok() || after->size != file.info.size || after->mtime_ns != file.info.mtime_ns;
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

// A version file that somebody took away, spoilt, or made a pipe is no reason to preserve nothing.
absl::Status CheckThatItIsOne(io::FileSystem& fs, const DataPaths& paths, SourceFolder& folder) {
  const auto logs = fs.Stat(paths.Logs());
  if (logs.ok() && logs->is_directory) return absl::OkStatus();
  const auto version = folder.Open(std::string(LastComponent(paths.Version())));
  if (version.ok() && version->file == nullptr) {
    return absl::FailedPreconditionError(paths.directory() + ": no data folder");
  }
  return CheckDataFolder(fs, paths);
}

absl::Status CopyData(io::FileSystem& fs, const SnapshotRequest& request, SourceFolder& folder,
                      Copier* copier) {
  const DataPaths paths(request.folder);
  const std::string out = io::JoinPath(request.output, "data");
  RETURN_IF_ERROR(fs.MakeDirectory(out, kFolderMode));
  // By name, so the guard and the journal come before the logs: what leaves the journal meanwhile
  // is in a segment that is still to be copied.
  ASSIGN_OR_RETURN(const std::vector<std::string> children, folder.List());
  for (const std::string& child : children) {
    const std::string from = io::JoinPath(request.folder, child);
    if (from == paths.Keys() || from == paths.Lock()) continue;
    RETURN_IF_ERROR(copier->Copy(folder.Open(child), io::JoinPath("data", child)));
  }
  return fs.SyncDirectory(out);
}

absl::Status CopyAlso(io::FileSystem& fs, const SnapshotRequest& request, Copier* copier) {
  if (request.also.empty()) return absl::OkStatus();
  const std::string out = io::JoinPath(request.output, "also");
  RETURN_IF_ERROR(fs.MakeDirectory(out, kFolderMode));
  for (size_t i = 0; i < request.also.size(); ++i) {
    const std::string name = fmt::format("also/{}-{}", i + 1, LastComponent(request.also[i]));
    RETURN_IF_ERROR(copier->Copy(OpenerOf(request.open, fs)(request.also[i]), name));
  }
  return fs.SyncDirectory(out);
}

absl::StatusOr<Snapshot> Fill(io::FileSystem& fs, const SnapshotRequest& request,
                              SourceFolder& folder) {
  RETURN_IF_ERROR(fs.SyncDirectory(io::ParentDirectory(request.output)));
  Copier copier(fs, request);
  RETURN_IF_ERROR(CopyData(fs, request, folder, &copier));
  RETURN_IF_ERROR(CopyAlso(fs, request, &copier));
  RETURN_IF_ERROR(copier.AddText(kFactsName, Facts(request, copier.found())));
  return copier.Finish();
}

// Reads a copy again, and holds it against its SHA256SUMS.
class Rereader {
 public:
  Rereader(std::map<std::string, Hash> sums, const std::function<void(uint64_t)>& on_bytes)
      : sums_(std::move(sums)), on_bytes_(on_bytes) {}

  // Every file below `name`, but SHA256SUMS, and the lock of whoever verified the copy.
  void Look(SourceFolder& folder, const std::string& name, int depth = 1) {
    const auto children = folder.List();
    if (!children.ok()) return Differs(name, ToStd(children.status().message()));
    for (const std::string& child : *children) {
      const std::string below = name.empty() ? child : io::JoinPath(name, child);
      const auto entry = folder.Open(child);
      if (entry.ok() && entry->folder != nullptr && entry->words.empty() &&
          depth <= kDepthMax + 1) {
        Look(*entry->folder, below, depth + 1);
      } else if (below != kSumsName && below != kLockName) {
        Differs(below, Difference(entry, sums_.find(below)));
        sums_.erase(below);
      }
    }
  }

  std::vector<std::string> Finish() {
    for (const auto& [name, hash] : sums_) Differs(name, "is missing");
    return std::move(differences_);
  }

 private:
  using Sums = std::map<std::string, Hash>;

  void Differs(const std::string& name, std::string_view words) {
    if (!words.empty()) differences_.push_back(fmt::format("{}: {}", name, words));
  }

  // What is different about something that is there; nothing: "".
  std::string Difference(const absl::StatusOr<SourceEntry>& entry, Sums::const_iterator sum) const {
    if (!entry.ok()) return std::string(ToStd(entry.status().message()));
    if (!entry->words.empty()) return entry->words;
    if (sum == sums_.end() || entry->file == nullptr) return "was not there";
    const auto read = ReadFile(*entry->file, entry->info.size, nullptr, on_bytes_);
    if (!read.ok()) return std::string(ToStd(read.status().message()));
    if (read->unreadable_bytes > 0) return std::string(ToStd(read->why.message()));
    return read->hash == sum->second ? "" : "has other bytes";
  }

  Sums sums_;
  const std::function<void(uint64_t)>& on_bytes_;
  std::vector<std::string> differences_;
};

// kNotFound: there is none.
absl::StatusOr<std::string> ReadSums(SourceFolder& folder) {
  ASSIGN_OR_RETURN(const SourceEntry sums, folder.Open(std::string(kSumsName)));
  if (sums.file == nullptr || !sums.words.empty()) {
    return absl::DataLossError(
        ToAbsl(fmt::format("{}: {}", kSumsName, sums.words.empty() ? "a folder" : sums.words)));
  }
  if (sums.info.size > kSumsBytesMax) {
    return absl::DataLossError(ToAbsl(
        fmt::format("{}: has {} bytes, more than {}", kSumsName, sums.info.size, kSumsBytesMax)));
  }
  std::string text(sums.info.size, '\0');
  RETURN_IF_ERROR(sums.file->ReadAt(0, text));
  return text;
}

}  // namespace

absl::StatusOr<Snapshot> TakeSnapshot(io::FileSystem& fs, const SnapshotRequest& request) {
  ASSIGN_OR_RETURN(const SourceEntry data, OpenerOf(request.open, fs)(request.folder));
  if (data.folder == nullptr) {
    return absl::FailedPreconditionError(request.folder + ": not a directory");
  }
  RETURN_IF_ERROR(CheckThatItIsOne(fs, DataPaths(request.folder), *data.folder));
  // What somebody named must be there.
  for (const std::string& also : request.also) RETURN_IF_ERROR(fs.Stat(also).status());
  RETURN_IF_ERROR(fs.MakeDirectory(request.output, kFolderMode));
  auto taken = Fill(fs, request, *data.folder);
  if (taken.ok()) return taken;
  // Whoever finds it later must not take it for the whole.
  return absl::Status(
      taken.status().code(),
      ToAbsl(fmt::format("{}; {} is not finished and has no {}", ToStd(taken.status().message()),
                         request.output, kSumsName)));
}

absl::StatusOr<SnapshotCheck> CheckSnapshot(io::FileSystem& fs, const std::string& output,
                                            const std::function<void(uint64_t)>& on_bytes,
                                            const OpenSource& open) {
  ASSIGN_OR_RETURN(const SourceEntry copy, OpenerOf(open, fs)(output));
  if (copy.folder == nullptr) {
    return absl::FailedPreconditionError(output + ": not a directory");
  }
  ASSIGN_OR_RETURN(const std::string text, ReadSums(*copy.folder));
  ASSIGN_OR_RETURN(auto sums, ParseSums(text));
  SnapshotCheck check{sums.size(), Sha256(text), {}};
  Rereader rereader(std::move(sums), on_bytes);
  rereader.Look(*copy.folder, "");
  check.differences = rereader.Finish();
  return check;
}

}  // namespace graven::store
