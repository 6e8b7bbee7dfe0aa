// The folder that holds all that a server keeps: where each thing lies, who may open it, how it and
// a new log in it come to be.
//
// Threads: DataPaths is plain data. A DataFolder may be used by any thread, CreateLog by one at a
// time.
//
// Invariants:
// - One process at a time has the folder open (DIR/lock).
// - DIR/version is written last when the folder is made, so a folder with a version is whole: a
//   missing directory is then damage, not a fresh start.
// - A log exists from the moment its meta file is durable, which is the last step of making it.
//
// The folder:
//   DIR/version                    "graven data folder, format 1\n"
//   DIR/lock                       locked by the server that has the folder open; its process id
//   DIR/journal/                   the journal's files
//   DIR/logs/<log>/meta            what is fixed about the log (store/log_meta.h)
//   DIR/logs/<log>/segments/       its segments
//   DIR/logs/<log>/checkpoints     signed notes worth keeping (store/checkpoints_file.h)
//   DIR/keys/<log>                 its private key, mode 0600
//   DIR/guard                      unless the operator put it elsewhere (store/guard.h)
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file_system.h"
#include "store/log_meta.h"

namespace graven::store {

inline constexpr uint32_t kDataFolderFormat = 1;

// Where things lie in a data folder. REQUIRES of `log`: IsFolderLogName.
class DataPaths {
 public:
  explicit DataPaths(std::string directory);

  const std::string& directory() const { return directory_; }
  std::string Version() const;
  std::string Lock() const;
  std::string Journal() const;
  std::string Logs() const;
  std::string Keys() const;
  std::string Guard() const;
  std::string Log(std::string_view log) const;
  std::string Meta(std::string_view log) const;
  std::string Segments(std::string_view log) const;
  std::string Checkpoints(std::string_view log) const;
  std::string TimeStamps(std::string_view log) const;
  std::string Key(std::string_view log) const;

 private:
  std::string directory_;
};

// Whether this is a data folder that this program can read; writes nothing and takes no lock. A
// copy without keys/ is one: it can be read and verified, but not opened by a server.
// kNotFound: no such directory. kFailedPrecondition: made by a newer version, or no data folder.
// kDataLoss: damaged.
absl::Status CheckDataFolder(io::FileSystem& fs, const DataPaths& paths);

// Reads the meta files of all logs, in order of name; writes nothing. Directories that an
// interrupted CreateLog left are passed over. kDataLoss: a log with segments and no meta, a name
// that is none, two logs of one number, a damaged meta file. kFailedPrecondition: a log of a newer
// format.
// With `damaged` what is kDataLoss of one log ends nothing: it is put there, and the others are
// read.
struct DamagedLog {
  std::string name;  // of its directory
  absl::Status status;
};
absl::StatusOr<std::vector<LogMeta>> ReadLogMetas(io::FileSystem& fs, const DataPaths& paths,
                                                  std::vector<DamagedLog>* damaged = nullptr);

struct DataFolderOptions {
  // Makes the folder when it is missing or empty (its parent must exist).
  bool create_if_missing = false;
  // The user that the process runs as; the folder must be theirs.
  uint32_t effective_user = 0;
};

class DataFolder {
 public:
  // Opens the folder and takes its lock, held until destruction. A new folder is durable on return.
  // kNotFound: missing, and not to be created. kPermissionDenied: another user's.
  // kFailedPrecondition: in use by the process named, made by a newer version, or no data folder.
  // kDataLoss: damaged.
  static absl::StatusOr<std::unique_ptr<DataFolder>> Open(io::FileSystem& fs, std::string directory,
                                                          const DataFolderOptions& options);

  const DataPaths& paths() const { return paths_; }
  // Whether Open made it.
  bool created() const { return created_; }

  // Makes the log's directories, then its meta file. On return OK all is durable; after a crash
  // before that the log is whole or does not exist, and creating it again works. kAlreadyExists:
  // there is a log of that name. kInvalidArgument: as CheckLogMeta. The key, the guard's entry and
  // a number that no log had before are the caller's affair, and before this call.
  absl::Status CreateLog(const LogMeta& meta);

 private:
  DataFolder(io::FileSystem& fs, DataPaths paths, std::unique_ptr<io::FolderLock> lock,
             bool created);

  io::FileSystem& fs_;
  const DataPaths paths_;
  const std::unique_ptr<io::FolderLock> lock_;
  const bool created_;
};

}  // namespace graven::store
