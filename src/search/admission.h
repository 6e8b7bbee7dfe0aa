#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/mutex.h"

namespace graven::search {

struct AdmissionLimits {
  size_t places_max = 64;           // at once, of everybody
  size_t places_per_peer_max = 16;  // of one peer
};

// How many searches run at once, of everybody and of each peer. Thread-safe.
class Admission {
 public:
  explicit Admission(AdmissionLimits limits) : limits_(limits) {}

  // A place, given back when the ticket goes. The admission must outlive it.
  using Ticket = std::shared_ptr<void>;

  // `peer`: an identity, or the address of one without. kResourceExhausted, TOO_MANY_SEARCHES: try
  // again.
  absl::StatusOr<Ticket> Admit(std::string_view peer);

  size_t running() const;

 private:
  void Leave(const std::string& peer);

  const AdmissionLimits limits_;
  mutable Mutex mutex_;
  size_t running_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, size_t, std::less<>> by_peer_ ABSL_GUARDED_BY(mutex_);
};

// What stands for a peer: its identity if it has proven one, else its address without the port, by
// whatever door it comes ("ipv4:10.0.0.1:9" and "10.0.0.1:51234" are "10.0.0.1", and so is
// "[::ffff:10.0.0.1]:80"). Of IPv6 the first 64 bits: the rest is the host's to choose. All who
// come by a Unix socket are one.
std::string PeerName(std::string_view identity, std::string_view address);

}  // namespace graven::search
