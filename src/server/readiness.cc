#include "server/readiness.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "server/operational_log.h"

namespace graven::server {

std::string ReadyText(const std::vector<std::string>& addresses, const ledger::Ledger& ledger) {
  std::string grpc, logs;
  for (const std::string& address : addresses) {
    grpc += fmt::format("{}{}", grpc.empty() ? "" : ", ", JsonText(address));
  }
  for (ledger::LogRef log : ledger.Logs()) {
    const ledger::LogInfo info = ledger.Info(log);
    logs += fmt::format("{}{}: {{\"origin\": {}, \"vkey\": {}}}", logs.empty() ? "" : ", ",
                        JsonText(info.name), JsonText(info.origin), JsonText(info.vkey));
  }
  return fmt::format("{{\"pid\": {}, \"grpc\": [{}], \"http\": [], \"logs\": {{{}}}}}\n", getpid(),
                     grpc, logs);
}

absl::Status WriteReadyFile(const std::string& path, std::string_view text) {
  const std::string temporary = fmt::format("{}.{}.tmp", path, getpid());
  std::ofstream file(temporary, std::ios::trunc);
  file << text;
  file.close();
  if (!file || std::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    unlink(temporary.c_str());
    return absl::UnavailableError(
        fmt::format("the ready file {} cannot be written: {}", path, std::strerror(error)));
  }
  return absl::OkStatus();
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
