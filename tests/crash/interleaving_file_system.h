#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/file_system.h"

namespace graven::crash {

// Passes everything on to another file system, and tells the simulation when a thread would wait
// for the disk (a sync, a rename): there another thread's step may come in between.
class InterleavingFileSystem final : public io::FileSystem {
 public:
  // `while_waiting` is called before and after the operation proper.
  InterleavingFileSystem(io::FileSystem& below, std::function<void()> while_waiting)
      : below_(below), while_waiting_(std::move(while_waiting)) {}

  absl::StatusOr<std::unique_ptr<io::File>> Open(const std::string& path, io::OpenMode mode,
                                                 uint32_t permissions) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override { return below_.Remove(path); }
  absl::Status MakeDirectory(const std::string& path, uint32_t permissions) override {
    return below_.MakeDirectory(path, permissions);
  }
  absl::Status RemoveDirectory(const std::string& path) override {
    return below_.RemoveDirectory(path);
  }
  absl::StatusOr<std::vector<std::string>> List(const std::string& path) override {
    return below_.List(path);
  }
  absl::Status SyncDirectory(const std::string& path) override;
  absl::StatusOr<io::FileInfo> Stat(const std::string& path) override { return below_.Stat(path); }
  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    return below_.FreeBytes(path);
  }
  absl::StatusOr<std::unique_ptr<io::FolderLock>> Lock(const std::string& path) override {
    return below_.Lock(path);
  }

 private:
  io::FileSystem& below_;
  const std::function<void()> while_waiting_;
};

}  // namespace graven::crash
