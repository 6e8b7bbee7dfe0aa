#include "store/data_folder.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/absl_views.h"
#include "base/check.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/durable_file.h"

namespace graven::store {
namespace {

constexpr std::string_view kVersionStart = "graven data folder, format ";
constexpr uint64_t kVersionBytesMax = 256;
constexpr uint32_t kDirectoryMode = 0700;

absl::Status FolderStatus(absl::StatusCode code, std::string_view path, std::string_view what) {
  const std::string message = fmt::format("{}: {}", path, what);
  return absl::Status(code, ToAbsl(message));
}

std::string VersionText() { return fmt::format("{}{}\n", kVersionStart, kDataFolderFormat); }

absl::Status CheckVersion(io::FileSystem& fs, const std::string& path) {
  absl::StatusOr<std::string> text = io::ReadWholeFile(fs, path, kVersionBytesMax);
  if (absl::IsOutOfRange(text.status())) {
    return FolderStatus(absl::StatusCode::kDataLoss, path, "not a version file");
  }
  if (!text.ok()) return text.status();
  std::string_view rest = *text;
  std::optional<uint64_t> format;
  if (rest.starts_with(kVersionStart) && rest.ends_with('\n')) {
    rest.remove_prefix(kVersionStart.size());
    rest.remove_suffix(1);
    format = ParseDecimal(rest);
  }
  if (!format.has_value() || *format == 0) {
    return FolderStatus(absl::StatusCode::kDataLoss, path, "not a version file");
  }
  if (*format <= kDataFolderFormat) return absl::OkStatus();
  return FolderStatus(absl::StatusCode::kFailedPrecondition, path,
                      fmt::format("made by a newer version of graven (format {}; this one reads up "
                                  "to {})",
                                  *format, kDataFolderFormat));
}

// Whether a folder without a version file may become ours: it holds nothing but what an interrupted
// creation left.
absl::Status CheckUnfinished(io::FileSystem& fs, const DataPaths& paths) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(paths.directory()));
  for (const std::string& name : names) {
    if (name == "lock" || name == "version.new" || name == "lost+found") continue;
    if (name == "journal" || name == "logs" || name == "keys") {
      ASSIGN_OR_RETURN(const std::vector<std::string> inside,
                       fs.List(io::JoinPath(paths.directory(), name)));
      if (inside.empty()) continue;
    }
    return FolderStatus(
        absl::StatusCode::kFailedPrecondition, paths.directory(),
        fmt::format("not empty ('{}') and no data folder: it has no version file", name));
  }
  return absl::OkStatus();
}

absl::Status MakeFolder(io::FileSystem& fs, const DataPaths& paths) {
  for (const std::string& directory : {paths.Journal(), paths.Logs(), paths.Keys()}) {
    RETURN_IF_ERROR(io::MakeDirectoryDurably(fs, directory, kDirectoryMode));
  }
  // Last: whoever finds a version finds all the rest.
  return io::WriteFileDurably(fs, paths.Version(), VersionText());
}

// Whether a log's directory without a meta file is one that CreateLog had not finished.
absl::StatusOr<bool> IsUnfinishedLog(io::FileSystem& fs, const DataPaths& paths,
                                     std::string_view log) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(paths.Log(log)));
  for (const std::string& name : names) {
    if (name == "meta.new") continue;
    if (name != "segments") return false;
    ASSIGN_OR_RETURN(const std::vector<std::string> segments, fs.List(paths.Segments(log)));
    if (!segments.empty()) return false;
  }
  return true;
}

absl::Status CheckInside(io::FileSystem& fs, const std::string& directory) {
  absl::StatusOr<io::FileInfo> inside = fs.Stat(directory);
  if (absl::IsNotFound(inside.status()) || (inside.ok() && !inside->is_directory)) {
    return FolderStatus(absl::StatusCode::kDataLoss, directory, "missing from the data folder");
  }
  return inside.status();
}

}  // namespace

DataPaths::DataPaths(std::string directory) : directory_(std::move(directory)) {
  while (directory_.size() > 1 && directory_.ends_with('/')) directory_.pop_back();
}

std::string DataPaths::Version() const { return io::JoinPath(directory_, "version"); }
std::string DataPaths::Lock() const { return io::JoinPath(directory_, "lock"); }
std::string DataPaths::Journal() const { return io::JoinPath(directory_, "journal"); }
std::string DataPaths::Logs() const { return io::JoinPath(directory_, "logs"); }
std::string DataPaths::Keys() const { return io::JoinPath(directory_, "keys"); }
std::string DataPaths::Guard() const { return io::JoinPath(directory_, "guard"); }
std::string DataPaths::Log(std::string_view log) const {
  // Names come from strangers; one that is a path must never get this far.
  GRAVEN_CHECK(IsFolderLogName(log));
  return io::JoinPath(Logs(), log);
}
std::string DataPaths::Meta(std::string_view log) const { return io::JoinPath(Log(log), "meta"); }
std::string DataPaths::Segments(std::string_view log) const {
  return io::JoinPath(Log(log), "segments");
}
std::string DataPaths::Checkpoints(std::string_view log) const {
  return io::JoinPath(Log(log), "checkpoints");
}

std::string DataPaths::TimeStamps(std::string_view log) const {
  return io::JoinPath(Log(log), "time-stamps");
}
std::string DataPaths::Key(std::string_view log) const {
  GRAVEN_CHECK(IsFolderLogName(log));
  return io::JoinPath(Keys(), log);
}

absl::Status CheckDataFolder(io::FileSystem& fs, const DataPaths& paths) {
  ASSIGN_OR_RETURN(const io::FileInfo info, fs.Stat(paths.directory()));
  if (!info.is_directory) {
    return FolderStatus(absl::StatusCode::kFailedPrecondition, paths.directory(),
                        "not a directory");
  }
  absl::Status version = CheckVersion(fs, paths.Version());
  if (absl::IsNotFound(version)) {
    return FolderStatus(absl::StatusCode::kFailedPrecondition, paths.directory(),
                        "no data folder: it has no version file");
  }
  if (!version.ok()) return version;
  RETURN_IF_ERROR(CheckInside(fs, paths.Journal()));
  return CheckInside(fs, paths.Logs());
}

namespace {

// Nothing for a directory that an interrupted CreateLog left.
absl::StatusOr<std::optional<LogMeta>> ReadMetaOf(io::FileSystem& fs, const DataPaths& paths,
                                                  const std::string& name) {
  if (!IsFolderLogName(name)) {
    return FolderStatus(absl::StatusCode::kDataLoss, io::JoinPath(paths.Logs(), name),
                        "not the name of a log");
  }
  absl::StatusOr<LogMeta> meta = ReadLogMeta(fs, paths.Meta(name));
  if (absl::IsNotFound(meta.status())) {
    ASSIGN_OR_RETURN(const bool unfinished, IsUnfinishedLog(fs, paths, name));
    if (unfinished) return std::optional<LogMeta>();
  }
  if (absl::IsNotFound(meta.status()) || (meta.ok() && meta->name != name)) {
    return FolderStatus(absl::StatusCode::kDataLoss, paths.Meta(name),
                        meta.ok() ? "of another log" : "missing beside the log's data");
  }
  if (!meta.ok()) return meta.status();
  return std::optional<LogMeta>(*std::move(meta));
}

}  // namespace

absl::StatusOr<std::vector<LogMeta>> ReadLogMetas(io::FileSystem& fs, const DataPaths& paths,
                                                  std::vector<DamagedLog>* damaged) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(paths.Logs()));
  std::vector<LogMeta> metas;
  std::map<uint32_t, std::string> numbers;
  for (const std::string& name : names) {
    absl::StatusOr<std::optional<LogMeta>> meta = ReadMetaOf(fs, paths, name);
    if (meta.ok() && meta->has_value()) {
      const auto [other, fresh] = numbers.emplace((*meta)->number, name);
      if (!fresh) {
        meta = FolderStatus(absl::StatusCode::kDataLoss, paths.Meta(name),
                            fmt::format("has the number of log '{}'", other->second));
      }
    }
    if (damaged != nullptr && absl::IsDataLoss(meta.status())) {
      damaged->push_back({name, meta.status()});
      continue;
    }
    RETURN_IF_ERROR(meta.status());
    if (meta->has_value()) metas.push_back(**std::move(meta));
  }
  return metas;
}

absl::StatusOr<std::unique_ptr<DataFolder>> DataFolder::Open(io::FileSystem& fs,
                                                             std::string directory,
                                                             const DataFolderOptions& options) {
  const DataPaths paths(std::move(directory));
  if (options.create_if_missing) {
    absl::Status exists = fs.Stat(paths.directory()).status();
    if (absl::IsNotFound(exists)) {
      exists = io::MakeDirectoryDurably(fs, paths.directory(), kDirectoryMode);
    }
    if (!exists.ok()) return exists;
  }
  ASSIGN_OR_RETURN(const io::FileInfo info, fs.Stat(paths.directory()));
  if (!info.is_directory) {
    return FolderStatus(absl::StatusCode::kFailedPrecondition, paths.directory(),
                        "not a directory");
  }
  // Before the lock: nothing may be made in a stranger's folder.
  if (info.owner != options.effective_user) {
    return FolderStatus(absl::StatusCode::kPermissionDenied, paths.directory(),
                        fmt::format("belongs to user {}, and this process runs as user {}",
                                    info.owner, options.effective_user));
  }
  const absl::Status version = fs.Stat(paths.Version()).status();
  const bool create = options.create_if_missing && absl::IsNotFound(version);
  if (create) {
    RETURN_IF_ERROR(CheckUnfinished(fs, paths));
  } else {
    RETURN_IF_ERROR(CheckDataFolder(fs, paths));
    RETURN_IF_ERROR(CheckInside(fs, paths.Keys()));
  }
  absl::StatusOr<std::unique_ptr<io::FolderLock>> lock = fs.Lock(paths.Lock());
  if (absl::IsFailedPrecondition(lock.status())) {
    return FolderStatus(
        absl::StatusCode::kFailedPrecondition, paths.directory(),
        fmt::format("in use by another server ({})", ToStd(lock.status().message())));
  }
  if (!lock.ok()) return lock.status();
  if (create) {
    // A crash anywhere in here leaves a folder that CheckUnfinished lets through. The parent is
    // synced again, because the crash may have come before that.
    RETURN_IF_ERROR(fs.SyncDirectory(io::ParentDirectory(paths.directory())));
    RETURN_IF_ERROR(MakeFolder(fs, paths));
  }
  return std::unique_ptr<DataFolder>(new DataFolder(fs, paths, *std::move(lock), create));
}

DataFolder::DataFolder(io::FileSystem& fs, DataPaths paths, std::unique_ptr<io::FolderLock> lock,
                       bool created)
    : fs_(fs), paths_(std::move(paths)), lock_(std::move(lock)), created_(created) {}

absl::Status DataFolder::CreateLog(const LogMeta& meta) {
  RETURN_IF_ERROR(CheckLogMeta(meta));
  absl::Status exists = fs_.Stat(paths_.Meta(meta.name)).status();
  if (exists.ok()) {
    const std::string message = fmt::format("there is a log named '{}' already", meta.name);
    return absl::AlreadyExistsError(ToAbsl(message));
  }
  if (!absl::IsNotFound(exists)) return exists;
  RETURN_IF_ERROR(io::MakeDirectoryDurably(fs_, paths_.Log(meta.name), kDirectoryMode));
  RETURN_IF_ERROR(io::MakeDirectoryDurably(fs_, paths_.Segments(meta.name), kDirectoryMode));
  return CreateLogMeta(fs_, paths_.Meta(meta.name), meta);
}

}  // namespace graven::store
