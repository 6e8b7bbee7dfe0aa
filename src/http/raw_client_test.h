#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

// A peer that sends what it likes.
namespace graven::http {

class RawClient {
 public:
  // `url`: as Server::addresses has it.
  explicit RawClient(const std::string& url) {
    if (url.starts_with("unix:")) {
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      url.copy(address.sun_path, sizeof address.sun_path - 1, 5);
      handle_ = socket(AF_UNIX, SOCK_STREAM, 0);
      Connect(reinterpret_cast<const sockaddr*>(&address), sizeof address);
      return;
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const size_t colon = url.rfind(':');
    address.sin_port = htons(static_cast<uint16_t>(std::atoi(url.c_str() + colon + 1)));
    handle_ = socket(AF_INET, SOCK_STREAM, 0);
    Connect(reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  ~RawClient() { Close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }

  // False: the peer takes no more.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n =
          Again([&] { return send(handle_, bytes.data(), bytes.size(), MSG_NOSIGNAL); });
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }

  // All that comes until the peer closes.
  std::string ReadAll() {
    while (Receive()) {
    }
    return std::exchange(seen_, {});
  }

  // One response whose end its Content-Length tells; without its body when `head_only`.
  std::string ReadResponse(bool head_only = false) {
    size_t end;
    while ((end = seen_.find("\r\n\r\n")) == std::string::npos) {
      if (!Receive()) return std::exchange(seen_, {});
    }
    size_t whole = end + 4;
    const size_t field = seen_.find("\r\nContent-Length: ");
    if (!head_only && field != std::string::npos && field < end) {
      whole += static_cast<size_t>(std::atoll(seen_.c_str() + field + 18));
    }
    while (seen_.size() < whole) {
      if (!Receive()) return std::exchange(seen_, {});
    }
    std::string response = seen_.substr(0, whole);
    seen_.erase(0, whole);
    return response;
  }

  // Reads until `text` has come. False: it did not.
  bool ReadUntil(std::string_view text) {
    while (seen_.find(text) == std::string::npos) {
      if (!Receive()) return false;
    }
    return true;
  }

  void FinishSending() { shutdown(handle_, SHUT_WR); }
  void Close() {
    if (handle_ >= 0) close(handle_);
    handle_ = -1;
  }

 private:
  // A socket with a time limit is not resumed after a signal (signal(7)), and a fuzzer has a timer.
  template <typename Call>
  static ssize_t Again(Call call) {
    ssize_t n;
    do n = call();
    while (n < 0 && errno == EINTR);
    return n;
  }

  void Connect(const sockaddr* address, socklen_t length) {
    // So that a server that forgets us fails the test, instead of hanging it.
    const timeval patience{20, 0};
    setsockopt(handle_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(handle_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    connected_ = connect(handle_, address, length) == 0;
  }
  bool Receive() {
    char piece[16384];
    const ssize_t n = Again([&] { return recv(handle_, piece, sizeof piece, 0); });
    if (n <= 0) return false;
    seen_.append(piece, static_cast<size_t>(n));
    return true;
  }

  int handle_ = -1;
  bool connected_ = false;
  std::string seen_;
};

}  // namespace graven::http
