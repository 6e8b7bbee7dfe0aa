#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "io/file_system.h"

namespace graven::server {

// HOST:PORT, [IPV6]:PORT or unix:PATH.
struct ListenAddress {
  std::string text;
  std::string host;  // "" of a unix socket
  std::string port;
  std::string path;  // of a unix socket
  bool is_unix() const { return !path.empty(); }
};

// kInvalidArgument: not an address.
absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view text);

// Whether only this machine reaches it: a unix socket, or a host all of whose addresses are
// loopback.
bool IsLocal(const ListenAddress& address);

// Keeps other servers off the path of a unix socket; removes the socket at the end.
class UnixSocketLock {
 public:
  // Locks PATH.lock and removes a socket that a dead server left.
  // kFailedPrecondition: another server has it, or something else than a socket is there.
  static absl::StatusOr<std::unique_ptr<UnixSocketLock>> Take(const std::string& path);
  ~UnixSocketLock();

 private:
  UnixSocketLock(std::string path, std::unique_ptr<io::FolderLock> lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}
  const std::string path_;
  const std::unique_ptr<io::FolderLock> lock_;
};

}  // namespace graven::server
