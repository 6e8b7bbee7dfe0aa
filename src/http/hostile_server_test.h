#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/check.h"
#include "fmt/format.h"

namespace graven::http {

// A server of one thread on loopback that does to each connection whatever the test wants.
class HostileServer {
 public:
  // A connection as the test sees it; closed when the test's function returns.
  class Connection {
   public:
    explicit Connection(int socket) : socket_(socket) {}
    ~Connection() { close(socket_); }

    // Up to the blank line, and as much of a body as came along. Empty when the other side closed.
    std::string ReadRequest() {
      std::string text;
      char piece[4096];
      while (text.find("\r\n\r\n") == std::string::npos) {
        const ssize_t got = recv(socket_, piece, sizeof piece, 0);
        if (got <= 0) return {};
        text.append(piece, static_cast<size_t>(got));
      }
      return text;
    }

    // False when nothing more came.
    bool ReadMore(std::string& text) {
      char piece[4096];
      const ssize_t got = recv(socket_, piece, sizeof piece, 0);
      if (got > 0) text.append(piece, static_cast<size_t>(got));
      return got > 0;
    }

    // False when nobody reads any more.
    bool Write(std::string_view text) {
      while (!text.empty()) {
        const ssize_t sent = send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        text.remove_prefix(static_cast<size_t>(sent));
      }
      return true;
    }

    // Says nothing until the other side goes away.
    void Hang() {
      char ignored[256];
      while (recv(socket_, ignored, sizeof ignored, 0) > 0) {
      }
    }

   private:
    const int socket_;
  };

  explicit HostileServer(std::function<void(Connection&)> behaviour)
      : behaviour_(std::move(behaviour)), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    GRAVEN_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    GRAVEN_CHECK(listen(listener_, 8) == 0);
    GRAVEN_CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }

  ~HostileServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  uint16_t port() const { return port_; }
  std::string Url(std::string_view target = "/") const {
    return fmt::format("http://127.0.0.1:{}{}", port_, target);
  }
  int connections() const { return connections_.load(); }

 private:
  void Serve() {
    while (true) {
      const int accepted = accept(listener_, nullptr, nullptr);
      if (accepted < 0) return;
      connections_.fetch_add(1);
      Connection connection(accepted);
      behaviour_(connection);
    }
  }

  const std::function<void(Connection&)> behaviour_;
  const int listener_;
  uint16_t port_ = 0;
  std::atomic<int> connections_{0};
  std::thread thread_;
};

}  // namespace graven::http
