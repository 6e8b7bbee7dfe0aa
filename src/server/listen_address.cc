#include "server/listen_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/encoding.h"
#include "base/status_macros.h"
#include "base/text_safety.h"

namespace graven::server {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";

bool IsLoopback(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
  }
  if (address.sa_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
  }
  return false;
}

absl::StatusOr<ListenAddress> ParseUnix(std::string_view text) {
  ListenAddress address;
  address.text = std::string(text);
  address.path = std::string(text.substr(kUnixPrefix.size()));
  if (address.path.empty()) {
    return absl::InvalidArgumentError("a unix address is unix:PATH");
  }
  if (address.path.size() >= sizeof(sockaddr_un::sun_path)) {
    return absl::InvalidArgumentError(
        fmt::format("the path of a unix socket is {} bytes; at most {}", address.path.size(),
                    sizeof(sockaddr_un::sun_path) - 1));
  }
  return address;
}

}  // namespace

absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view text) {
  if (text.starts_with(kUnixPrefix)) return ParseUnix(text);
  ListenAddress address;
  address.text = std::string(text);
  const size_t colon = text.rfind(':');
  const std::optional<uint64_t> port =
      colon == std::string_view::npos ? std::nullopt : ParseDecimal(text.substr(colon + 1));
  if (!port || *port > 65'535 || colon == 0) {
    return absl::InvalidArgumentError(
        fmt::format("{} is not HOST:PORT or unix:PATH", SafeText(text)));
  }
  address.host = std::string(text.substr(0, colon));
  address.port = std::to_string(*port);
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
  } else if (address.host.find(':') != std::string::npos) {
    return absl::InvalidArgumentError(
        fmt::format("an IPv6 address is written [{}]:{}", SafeText(address.host), address.port));
  }
  return address;
}

bool IsLocal(const ListenAddress& address) {
  if (address.is_unix()) return true;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  // A name that cannot be resolved now is not known to be local.
  if (getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found) != 0) return false;
  bool local = found != nullptr;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    local = local && IsLoopback(*one->ai_addr);
  }
  freeaddrinfo(found);
  return local;
}

absl::StatusOr<std::unique_ptr<UnixSocketLock>> UnixSocketLock::Take(const std::string& path) {
  absl::StatusOr<std::unique_ptr<io::FolderLock>> lock = io::PosixFileSystem().Lock(path + ".lock");
  if (!lock.ok()) {
    // Only a lock that somebody holds speaks of another server; the rest is the folder's fault.
    const std::string_view what = absl::IsFailedPrecondition(lock.status())
                                      ? "another server listens on"
                                      : "cannot listen on";
    return absl::FailedPreconditionError(
        fmt::format("{} unix:{}: {}", what, path, std::string(lock.status().message())));
  }
  struct stat info;
  if (lstat(path.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode)) {
      return absl::FailedPreconditionError(
          fmt::format("{} is there and is not a socket: move it away or listen elsewhere", path));
    }
    // Nobody holds the lock, so its server is gone.
    unlink(path.c_str());
  }
  return std::unique_ptr<UnixSocketLock>(new UnixSocketLock(path, *std::move(lock)));
}

UnixSocketLock::~UnixSocketLock() { unlink(path_.c_str()); }

}  // namespace graven::server
