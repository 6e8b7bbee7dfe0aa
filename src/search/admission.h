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
  size_t searches_max = 64;           // at once, of everybody
  size_t searches_per_peer_max = 16;  // of one peer
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

// What stands for a peer: its identity if it has proven one, else its address without the port
// ("ipv4:10.0.0.1:9", "127.0.0.1:51234", "[::1]:80").
std::string PeerName(std::string_view identity, std::string_view address);

}  // namespace graven::search
