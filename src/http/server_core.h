#pragma once

#include <atomic>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <list>
#include <memory>
#include <string>

#include "http/browser_rules.h"
#include "http/exchange.h"
#include "http/server.h"
#include "http/worker_queue.h"

namespace graven::http {

// What a connection waits for. Those that wait for their peer can be evicted.
enum class Stage { kNew, kIdle, kPeer, kSite, kSource };

class ConnectionBase {
 public:
  virtual ~ConnectionBase() = default;
  // Ends it as soon as the thread gets there.
  virtual void Cut() = 0;
  // Ends it after the request under way.
  virtual void Finish() = 0;

  Stage stage = Stage::kNew;
  std::list<ConnectionBase*>::iterator place;    // among all
  std::list<ConnectionBase*>::iterator waiting;  // among those that wait for their peer
};

// What all connections of a server share. On their thread, unless said.
struct ServerCore {
  ServerCore(Site& the_site, ServerOptions the_options, std::vector<std::string> listen_hosts)
      : site(the_site),
        options(std::move(the_options)),
        gate(options.browser, std::move(listen_hosts)),
        mailbox(std::make_shared<Mailbox>(io)),
        workers(options.limits.workers, options.limits.queued_requests) {}

  net::io_context io{1};
  Site& site;
  const ServerOptions options;
  const BrowserGate gate;
  const std::shared_ptr<Mailbox> mailbox;  // any thread
  WorkerQueue workers;                     // any thread
  std::optional<net::ssl::context> tls;

  std::list<ConnectionBase*> connections;
  std::list<ConnectionBase*> waiting;  // who has waited longest comes first
  size_t sources = 0;
  bool stopping = false;
  std::function<void()> all_gone;  // called when the last connection ends while stopping

  // Read on any thread.
  std::atomic<uint64_t> requests{0};
  std::atomic<uint64_t> refused_overload{0};
  std::atomic<uint64_t> refused_browser{0};
  std::atomic<uint64_t> refused_malformed{0};
  std::atomic<uint64_t> evicted{0};
  std::atomic<uint64_t> connection_count{0};
  std::atomic<uint64_t> bodies_bytes{0};

  void Add(ConnectionBase* connection);
  void Remove(ConnectionBase* connection);
  void SetStage(ConnectionBase* connection, Stage stage);
};

// Serves one accepted connection until it ends.
void StartConnection(ServerCore& core, net::generic::stream_protocol::socket socket,
                     bool unix_socket, std::string peer_address, std::string local_host);

}  // namespace graven::http
