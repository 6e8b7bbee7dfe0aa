#pragma once

#include <array>
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

// Bytes that all connections together may hold: of request bodies, and of answers that are not
// written yet.
enum class Budget : size_t { kBodies, kAnswers };
inline constexpr size_t kBudgets = 2;

class ConnectionBase {
 public:
  virtual ~ConnectionBase() = default;
  // Ends it as soon as the thread gets there.
  virtual void Cut() = 0;
  // Ends it after the request under way.
  virtual void Finish() = 0;

  Stage stage = Stage::kNew;
  std::array<size_t, kBudgets> held{};
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
  std::array<std::atomic<uint64_t>, 5> answers{};  // by the first digit of the status, less one
  std::array<std::atomic<size_t>, kBudgets> held{};

  void CountAnswer(int status);
  void Add(ConnectionBase* connection);
  void Remove(ConnectionBase* connection);
  void SetStage(ConnectionBase* connection, Stage stage);

  // Counts `bytes` more for the connection. When there is no room, those who hold some and have
  // kept us waiting longest are cut; false: what is held is all the site's.
  bool Hold(ConnectionBase* connection, Budget budget, size_t bytes);
  // All that it holds of it.
  void Release(ConnectionBase* connection, Budget budget);

 private:
  void Evict(ConnectionBase* connection);
};

// Serves one accepted connection until it ends.
void StartConnection(ServerCore& core, net::generic::stream_protocol::socket socket,
                     bool unix_socket, std::string peer_address, std::string local_host);

}  // namespace graven::http
