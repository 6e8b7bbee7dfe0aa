#include "server/readiness.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <utility>

#include "upkeep/operational_log.h"

namespace graven::server {

namespace {

std::string JsonList(const std::vector<std::string>& texts) {
  std::string list;
  for (const std::string& text : texts) {
    list += fmt::format("{}{}", list.empty() ? "" : ", ", upkeep::JsonText(text));
  }
  return list;
}

}  // namespace

std::string ReadyText(const std::vector<std::string>& grpc_addresses,
                      const std::vector<std::string>& http_addresses,
                      const ledger::Ledger& ledger) {
  std::string logs;
  for (ledger::LogRef log : ledger.Logs()) {
    const ledger::LogInfo info = ledger.Info(log);
    if (info.name == ledger::kSystemLogName) continue;  // nobody waits for it to write to it
    logs += fmt::format("{}{}: {{\"origin\": {}, \"vkey\": {}}}", logs.empty() ? "" : ", ",
                        upkeep::JsonText(info.name), upkeep::JsonText(info.origin),
                        upkeep::JsonText(info.vkey));
  }
  return fmt::format("{{\"pid\": {}, \"grpc\": [{}], \"http\": [{}], \"logs\": {{{}}}}}\n",
                     getpid(), JsonList(grpc_addresses), JsonList(http_addresses), logs);
}

absl::Status ReadyFile::Clear() {
  struct stat info;
  // What cannot be looked at cannot be written either; that is said then.
  if (path_.empty() || lstat(path_.c_str(), &info) != 0) return absl::OkStatus();
  if (!S_ISREG(info.st_mode)) {
    return absl::UnavailableError(
        fmt::format("the ready file {} is there and is not a plain file", path_));
  }
  if (unlink(path_.c_str()) != 0 && errno != ENOENT) {
    return absl::UnavailableError(fmt::format("the ready file {} of an earlier start stays: {}",
                                              path_, std::strerror(errno)));
  }
  return absl::OkStatus();
}

absl::Status ReadyFile::Write(std::string_view text) {
  if (path_.empty()) return absl::OkStatus();
  const std::string temporary = fmt::format("{}.{}.tmp", path_, getpid());
  std::ofstream file(temporary, std::ios::trunc);
  file << text;
  file.close();
  if (!file || std::rename(temporary.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    unlink(temporary.c_str());
    return absl::UnavailableError(
        fmt::format("the ready file {} cannot be written: {}", path_, std::strerror(error)));
  }
  written_ = true;
  return absl::OkStatus();
}

void ReadyFile::Remove() {
  if (std::exchange(written_, false)) unlink(path_.c_str());
}

void NotifyServiceManager(std::string_view message) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  if (path == nullptr || std::strlen(path) >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path);
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // an abstract name
  const int handle = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (handle < 0) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
  // Nothing can be done about a manager that does not listen.
  (void)sendto(handle, message.data(), message.size(), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&address), length);
  close(handle);
}

}  // namespace graven::server
