#include "http/server.h"

#include <fmt/format.h>

#include <sys/un.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <condition_variable>
#include <exception>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "base/text_safety.h"
#include "base/thread_name.h"
#include "http/server_core.h"
#include "http/target.h"
#include "http/tls.h"

namespace graven::http {
namespace {

using boost::system::error_code;
using tcp = net::ip::tcp;
using local = net::local::stream_protocol;

constexpr std::string_view kUnixPrefix = "unix:";
constexpr int kBacklog = 1024;
constexpr int64_t kAcceptPauseMs = 50;
struct HostPort {
  std::string host;
  std::string port;
};

absl::StatusOr<HostPort> ParseHostPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  HostPort parsed;
  if (colon != std::string_view::npos && colon > 0) {
    parsed.host = std::string(text.substr(0, colon));
    parsed.port = std::string(text.substr(colon + 1));
    if (parsed.host.starts_with('[') && parsed.host.ends_with(']')) {
      parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
    }
  }
  if (parsed.host.empty() || parsed.port.empty() || parsed.port.size() > 5 ||
      parsed.port.find_first_not_of("0123456789") != std::string::npos) {
    return absl::InvalidArgumentError(
        fmt::format("{} is not HOST:PORT or unix:PATH", SafeText(text)));
  }
  return parsed;
}

std::string EndpointText(const tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return endpoint.address().is_v6() ? fmt::format("[{}]:{}", address, endpoint.port())
                                    : fmt::format("{}:{}", address, endpoint.port());
}

// The hosts that the server is asked to listen on; a wildcard names none.
std::vector<std::string> ListenHosts(const ServerOptions& options) {
  std::vector<std::string> hosts;
  for (const std::string& text : options.listen) {
    const absl::StatusOr<HostPort> parsed = ParseHostPort(text);
    if (!parsed.ok() || text.starts_with(kUnixPrefix)) continue;
    if (parsed->host != "0.0.0.0" && parsed->host != "::") hosts.push_back(parsed->host);
  }
  return hosts;
}

class ServerImpl final : public Server {
 public:
  ServerImpl(Site& site, ServerOptions options, std::vector<std::string> hosts)
      : core_(site, std::move(options), std::move(hosts)), guard_(core_.io.get_executor()) {}

  ~ServerImpl() override { Stop(0); }

  absl::Status Open() {
    if (core_.options.tls) RETURN_IF_ERROR(MakeTls(*core_.options.tls, &core_.tls));
    for (const std::string& text : core_.options.listen) {
      if (text.starts_with(kUnixPrefix)) {
        RETURN_IF_ERROR(ListenUnix(text.substr(kUnixPrefix.size())));
      } else {
        RETURN_IF_ERROR(ListenTcp(text));
      }
    }
    thread_ = std::thread([this] { RunThread(); });
    NameThread(thread_, "graven-http");
    return absl::OkStatus();
  }

  const std::vector<std::string>& addresses() const override { return addresses_; }

  void Stop(int64_t patience_ms) override {
    if (!thread_.joinable()) return;
    core_.mailbox->Post([this] { BeginStop(); });
    {
      std::unique_lock lock(mutex_);
      if (!ended_.wait_for(lock, std::chrono::milliseconds(patience_ms),
                           [this] { return gone_; })) {
        lock.unlock();
        core_.mailbox->Post([this] {
          // Cut may end one at once, which takes it off the list.
          const std::list<ConnectionBase*> left = core_.connections;
          for (ConnectionBase* connection : left) connection->Cut();
        });
      }
    }
    guard_.reset();
    thread_.join();
    core_.mailbox->Close();
    core_.workers.Stop();
  }

  ServerCounters counters() const override {
    ServerCounters counters{core_.requests,
                            core_.refused_overload,
                            core_.refused_browser,
                            core_.refused_malformed,
                            core_.evicted,
                            core_.connection_count,
                            core_.held[static_cast<size_t>(Budget::kBodies)],
                            {}};
    for (size_t i = 0; i < counters.answers.size(); ++i) counters.answers[i] = core_.answers[i];
    return counters;
  }

 private:
  absl::Status CannotListen(std::string_view text, const error_code& error) {
    return absl::UnavailableError(fmt::format("cannot listen on {}: {}", text, error.message()));
  }

  absl::Status ListenTcp(const std::string& text) {
    ASSIGN_OR_RETURN(const HostPort parsed, ParseHostPort(text));
    error_code error;
    tcp::resolver resolver(core_.io);
    const auto found =
        resolver.resolve(parsed.host, parsed.port, net::ip::resolver_base::passive, error);
    if (error || found.empty()) return CannotListen(text, error);
    const tcp::endpoint endpoint = found.begin()->endpoint();
    tcp::acceptor& acceptor = tcp_doors_.emplace_back(core_.io);
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(net::socket_base::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(kBacklog, error);
    if (error) return CannotListen(text, error);
    addresses_.push_back(fmt::format("{}://{}{}", core_.tls ? "https" : "http",
                                     EndpointText(acceptor.local_endpoint()),
                                     core_.options.path_prefix));
    net::co_spawn(core_.io, AcceptTcp(acceptor), net::detached);
    return absl::OkStatus();
  }

  absl::Status ListenUnix(const std::string& path) {
    error_code error;
    local::acceptor& acceptor = local_doors_.emplace_back(core_.io);
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
      return absl::InvalidArgumentError(
          fmt::format("the path of a unix socket is {} bytes; at most {}", path.size(),
                      sizeof(sockaddr_un::sun_path) - 1));
    }
    acceptor.open(local(), error);
    if (!error) acceptor.bind(local::endpoint(path), error);
    if (!error) acceptor.listen(kBacklog, error);
    if (error) return CannotListen(fmt::format("unix:{}", path), error);
    addresses_.push_back(fmt::format("unix:{}", path));
    net::co_spawn(core_.io, AcceptLocal(acceptor), net::detached);
    return absl::OkStatus();
  }

  // Too many open files, a peer that is gone already: the next one may do better.
  net::awaitable<void> PauseAccepting() {
    net::steady_timer timer(core_.io, std::chrono::milliseconds(kAcceptPauseMs));
    error_code ignored;
    co_await timer.async_wait(net::redirect_error(net::use_awaitable, ignored));
  }

  net::awaitable<void> AcceptTcp(tcp::acceptor& acceptor) {
    while (!core_.stopping) {
      error_code error;
      tcp::socket socket =
          co_await acceptor.async_accept(net::redirect_error(net::use_awaitable, error));
      if (core_.stopping) co_return;
      if (error) {
        co_await PauseAccepting();
        continue;
      }
      const tcp::endpoint here = socket.local_endpoint(error);
      const tcp::endpoint there = socket.remote_endpoint(error);
      if (error) continue;
      socket.set_option(tcp::no_delay(true), error);
      StartConnection(core_, std::move(socket), false, EndpointText(there),
                      here.address().to_string());
    }
  }

  net::awaitable<void> AcceptLocal(local::acceptor& acceptor) {
    while (!core_.stopping) {
      error_code error;
      local::socket socket =
          co_await acceptor.async_accept(net::redirect_error(net::use_awaitable, error));
      if (core_.stopping) co_return;
      if (error) {
        co_await PauseAccepting();
        continue;
      }
      StartConnection(core_, std::move(socket), true, "unix", "");
    }
  }

  void BeginStop() {
    core_.stopping = true;
    core_.all_gone = [this] {
      std::lock_guard lock(mutex_);
      gone_ = true;
      ended_.notify_all();
    };
    error_code ignored;
    for (tcp::acceptor& acceptor : tcp_doors_) acceptor.close(ignored);
    for (local::acceptor& acceptor : local_doors_) acceptor.close(ignored);
    const std::list<ConnectionBase*> all = core_.connections;
    for (ConnectionBase* connection : all) connection->Finish();
    if (core_.connections.empty()) core_.all_gone();
  }

  void RunThread() {
    while (true) {
      try {
        core_.io.run();
        return;
      } catch (const std::exception&) {
        // Of one handler, for want of memory: the others go on.
      }
    }
  }

  ServerCore core_;
  net::executor_work_guard<net::io_context::executor_type> guard_;
  std::list<tcp::acceptor> tcp_doors_;
  std::list<local::acceptor> local_doors_;
  std::vector<std::string> addresses_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool gone_ = false;  // guarded by mutex_
};

}  // namespace

Responder::~Responder() {
  // Moved from: somebody else answers. A Send before makes this one without effect.
  if (sink_ == nullptr) return;
  sink_->Send(TextResponse(500, "the request was not answered"));
}

void Responder::Send(Response response) && {
  const std::shared_ptr<Sink> sink = std::move(sink_);
  sink->Send(std::move(response));
}

Response Site::Error(int status, std::string_view, std::string_view message) {
  return TextResponse(status, message);
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(Site& site, ServerOptions options) {
  RETURN_IF_ERROR(CheckPathPrefix(options.path_prefix));
  if (options.listen.empty()) return absl::InvalidArgumentError("no address to listen on");
  std::vector<std::string> hosts = ListenHosts(options);
  auto server = std::make_unique<ServerImpl>(site, std::move(options), std::move(hosts));
  RETURN_IF_ERROR(server->Open());
  return server;
}

}  // namespace graven::http
