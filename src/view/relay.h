// The way from a view's page to the server that it judges: reading calls only, those that the page
// makes, to one server, passed on as they were asked and answered as they came. What comes back is
// a stranger's: it is bounded in size and time, none of its headers but type and status is passed
// on, and nothing in it is believed.
//
// Threads: a few of its own, in which calls wait for the server; each live stream has one more.
// Invariants: nothing is ever sent that could write (GET only, without a body); no address but the
// server's is called; a redirect is no answer.
#pragma once

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "http/client.h"
#include "http/server.h"
#include "http/url.h"
#include "http/worker_queue.h"
#include "web/routes.h"

namespace graven::view {

inline constexpr size_t kRelayedBytesMax = size_t{16} << 20;
inline constexpr size_t kLiveStreamsMax = 32;

struct RelayOptions {
  // http or https, with or without a path in front: "https://audit.example/graven".
  std::string server;
  std::string ca_file;  // of https; empty: the system's
  // Bearer token for calls that bring none of their own; empty: none.
  std::string token;
  std::chrono::milliseconds patience{30'000};
  // For a statement: the server may search for a minute.
  std::chrono::milliseconds statement_patience{75'000};
  // How long a live stream may say nothing: the server says something every 15 s.
  std::chrono::milliseconds silence{45'000};
};

class Relay {
 public:
  // kInvalidArgument: the URL.
  static absl::StatusOr<std::unique_ptr<Relay>> Make(RelayOptions options);
  ~Relay() { Stop(); }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // The server as it is remembered and shown: without a final slash.
  const std::string& server() const { return server_; }

  // The calls that are passed on. The relay outlives the routes.
  void AddRoutes(web::Routes* routes);

  // Calls under way end, later ones are refused. Any thread.
  void Stop();

 private:
  Relay(RelayOptions options, std::string server);

  enum class Kind { kAnswer, kStatement, kLive };

  void Forward(const http::Request& request, Kind kind, http::Responder responder);
  void Call(const http::FetchRequest& request, Kind kind, http::Responder responder);
  http::FetchRequest MakeRequest(const http::Request& request) const;
  std::unique_ptr<http::Client> Borrow(Kind kind);
  void GiveBack(std::unique_ptr<http::Client> client, bool reusable);

  const RelayOptions options_;
  const std::string server_;
  Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::unique_ptr<http::Client>> idle_ ABSL_GUARDED_BY(mutex_);
  std::set<http::Client*> busy_ ABSL_GUARDED_BY(mutex_);
  http::WorkerQueue workers_;
};

}  // namespace graven::view
