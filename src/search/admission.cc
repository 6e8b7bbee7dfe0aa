#include "search/admission.h"

#include "engine/authenticator.h"
#include "engine/error_details.h"

namespace graven::search {
namespace {

constexpr int64_t kRetryMs = 1000;

absl::Status TooMany(std::string_view whose) {
  return engine::WithRetryDelay(engine::WithReason(absl::ResourceExhaustedError(std::string(whose)),
                                                   engine::reason::kTooManySearches),
                                kRetryMs);
}

}  // namespace

absl::StatusOr<Admission::Ticket> Admission::Admit(std::string_view peer) {
  const std::string name(peer);
  {
    MutexLock lock(&mutex_);
    if (running_ >= limits_.searches_max) return TooMany("too many searches run at once");
    size_t& own = by_peer_[name];
    if (own >= limits_.searches_per_peer_max) return TooMany("too many searches of yours run");
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
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || address.starts_with("unix")) return std::string(address);
  return std::string(address.substr(0, colon));
}

}  // namespace graven::search
