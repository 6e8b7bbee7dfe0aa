#include "search/admission.h"

#include <algorithm>
#include <optional>

#include "engine/authenticator.h"
#include "engine/error_details.h"
#include "fmt/format.h"
#include "query/address.h"

namespace graven::search {
namespace {

constexpr int64_t kRetryMs = 1000;

absl::Status TooMany(std::string message) {
  return engine::WithRetryDelay(
      engine::WithReason(absl::ResourceExhaustedError(message), engine::reason::kTooManySearches),
      kRetryMs);
}

}  // namespace

absl::StatusOr<Admission::Ticket> Admission::Admit(std::string_view peer) {
  const std::string name(peer);
  {
    MutexLock lock(&mutex_);
    if (running_ >= limits_.places_max) {
      return TooMany(fmt::format("{} searches run, and more may not at once", running_));
    }
    size_t& own = by_peer_[name];
    if (own >= limits_.places_per_peer_max) {
      return TooMany(fmt::format("{} searches of yours run, and more may not at once", own));
    }
    ++own;
    ++running_;
  }
  return Ticket(nullptr, [this, name](void*) { Leave(name); });
}

void Admission::Leave(const std::string& peer) {
  MutexLock lock(&mutex_);
  --running_;
  const auto found = by_peer_.find(peer);
  if (--found->second == 0) by_peer_.erase(found);
}

size_t Admission::running() const {
  MutexLock lock(&mutex_);
  return running_;
}

std::string PeerName(std::string_view identity, std::string_view address) {
  if (!identity.empty() && identity != engine::kAnonymous) return std::string(identity);
  if (address.starts_with("unix")) return "unix";
  std::string_view host = address;
  for (const std::string_view scheme : {"ipv4:", "ipv6:"}) {
    if (host.starts_with(scheme)) host.remove_prefix(scheme.size());
  }
  host = host.substr(0, host.rfind(':'));
  // gRPC writes the brackets of a URI.
  for (const std::string_view bracket : {"[", "%5B", "%5b"}) {
    if (host.starts_with(bracket)) host.remove_prefix(bracket.size());
  }
  for (const std::string_view bracket : {"]", "%5D", "%5d"}) {
    if (host.ends_with(bracket)) host.remove_suffix(bracket.size());
  }
  // A zone ("%eth0", "%25eth0") is the server's own name for the way to the host.
  std::optional<query::Network> network = query::ParseAddress(host.substr(0, host.find('%')));
  if (!network) return std::string(address);
  constexpr int kBitsOfSite = 64;
  if (!query::Contains(*query::ParseNetwork("::ffff:0:0/96"), *network)) {
    std::fill(network->address.begin() + kBitsOfSite / 8, network->address.end(), 0);
    network->prefix_bits = kBitsOfSite;
  }
  return query::FormatNetwork(*network);
}

}  // namespace graven::search
