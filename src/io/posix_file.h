#pragma once

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/file_system.h"

// What the room's doors to the operating system share. Nothing outside the room includes it.
namespace graven::io {

// "OPERATION PATH: CAUSE", with the code that file_system.h gives to this errno.
absl::Status ErrnoStatus(std::string_view operation, std::string_view path, int error);

FileInfo InfoOf(const struct stat& st);

// What is in the folder, without "." and "..", sorted bytewise. Closes `dir`.
absl::StatusOr<std::vector<std::string>> NamesIn(DIR* dir, const std::string& path);

// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  // An error of close says nothing that a sync has not said before, so it is not looked at.
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

class PosixFile final : public File {
 public:
  // Owns `fd`.
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  absl::Status ReadAt(uint64_t offset, std::span<char> out) override;
  absl::Status WriteAt(uint64_t offset, std::string_view data) override;
  absl::Status Sync() override;
  void StartWriteback(uint64_t offset, uint64_t length) override;
  void DropFromCache() override;
  absl::StatusOr<uint64_t> Size() override;
  absl::Status Truncate(uint64_t size) override;

  // Of the open file, whatever its name means by now.
  absl::StatusOr<FileInfo> Info() const;

 private:
  const Descriptor fd_;
  const std::string path_;
};

}  // namespace graven::io
