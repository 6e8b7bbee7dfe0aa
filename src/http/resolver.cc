#include "http/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace graven::http {
namespace {

using Addresses = absl::StatusOr<std::vector<std::string>>;

std::atomic<int> look_ups_under_way{0};

// Shared by whoever waits and the thread that asks the system: either may be the last to go.
struct LookUp {
  std::mutex mutex;
  std::condition_variable done;
  std::optional<Addresses> result;
};

bool IsAddress(const std::string& host) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

Addresses AskSystem(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &list); error != 0)
    return absl::UnavailableError(
        fmt::format("the name {} cannot be resolved: {}", host, gai_strerror(error)));
  std::vector<std::string> addresses;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    char text[NI_MAXHOST];
    if (getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof text, nullptr, 0,
                    NI_NUMERICHOST) != 0)
      continue;
    if (std::find(addresses.begin(), addresses.end(), text) == addresses.end())
      addresses.emplace_back(text);
  }
  freeaddrinfo(list);
  if (addresses.empty())
    return absl::UnavailableError(fmt::format("the name {} has no address", host));
  return addresses;
}

void StartLookUp(const std::string& host, std::shared_ptr<LookUp> look_up) {
  std::thread([host, look_up = std::move(look_up)] {
    Addresses found = AskSystem(host);
    const std::lock_guard lock(look_up->mutex);
    look_up->result = std::move(found);
    look_ups_under_way.fetch_sub(1);
    look_up->done.notify_all();
  }).detach();
}

}  // namespace

Addresses Resolve(const std::string& host, std::chrono::steady_clock::time_point deadline,
                  const std::atomic<bool>& cancelled) {
  if (IsAddress(host)) return std::vector<std::string>{host};
  if (look_ups_under_way.fetch_add(1) >= kLookUpsMax) {
    look_ups_under_way.fetch_sub(1);
    return absl::ResourceExhaustedError(
        fmt::format("{} names are being resolved already", kLookUpsMax));
  }
  const auto look_up = std::make_shared<LookUp>();
  try {
    StartLookUp(host, look_up);
  } catch (const std::system_error& error) {
    look_ups_under_way.fetch_sub(1);
    return absl::ResourceExhaustedError(fmt::format("no thread to resolve with: {}", error.what()));
  }
  std::unique_lock lock(look_up->mutex);
  while (!look_up->result.has_value()) {
    if (cancelled.load()) return absl::CancelledError("stopped while a name was being resolved");
    const auto now = std::chrono::steady_clock::now();
    if (now >= deadline)
      return absl::DeadlineExceededError(fmt::format("the name {} was not resolved in time", host));
    look_up->done.wait_until(lock, std::min(deadline, now + std::chrono::milliseconds(100)));
  }
  return *look_up->result;
}

}  // namespace graven::http
