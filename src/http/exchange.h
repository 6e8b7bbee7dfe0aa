#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "base/mutex.h"

namespace graven::http {

namespace net = boost::asio;

// The way onto the connections' thread, which may be gone already.
class Mailbox {
 public:
  explicit Mailbox(net::io_context& io) : io_(&io) {}

  void Post(std::function<void()> job) {
    MutexLock lock(&mutex_);
    if (io_ != nullptr) net::post(*io_, std::move(job));
  }
  void Close() {
    MutexLock lock(&mutex_);
    io_ = nullptr;
  }

 private:
  Mutex mutex_;
  net::io_context* io_ ABSL_GUARDED_BY(mutex_);
};

// A value that arrives from another thread, at most once, awaited by one coroutine on the
// connections' thread.
template <class T>
class Arrival : public std::enable_shared_from_this<Arrival<T>> {
 public:
  explicit Arrival(std::shared_ptr<Mailbox> mailbox) : mailbox_(std::move(mailbox)) {}

  // Any thread.
  void Fill(T value) {
    auto held = std::make_shared<T>(std::move(value));
    mailbox_->Post([self = this->shared_from_this(), held] {
      if (self->over_) return;
      self->value_ = std::move(*held);
      if (self->timer_ != nullptr) self->timer_->cancel();
    });
  }

  // Nothing: it did not come in time, or Abandon was called.
  net::awaitable<std::optional<T>> Wait(int64_t timeout_ms) {
    net::steady_timer timer(co_await net::this_coro::executor,
                            std::chrono::milliseconds(timeout_ms));
    timer_ = &timer;
    boost::system::error_code cancelled;
    if (!value_ && !over_) {
      co_await timer.async_wait(net::redirect_error(net::use_awaitable, cancelled));
    }
    timer_ = nullptr;
    over_ = true;
    co_return std::exchange(value_, std::nullopt);
  }

  // On the connections' thread: nobody waits any more.
  void Abandon() {
    over_ = true;
    if (timer_ != nullptr) timer_->cancel();
  }

 private:
  const std::shared_ptr<Mailbox> mailbox_;
  // All on the connections' thread.
  std::optional<T> value_;
  net::steady_timer* timer_ = nullptr;
  bool over_ = false;
};

}  // namespace graven::http
