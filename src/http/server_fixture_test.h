#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "fmt/format.h"
#include "http/compression.h"
#include "http/raw_client_test.h"
#include "http/server.h"

namespace graven::http {

// Gives `pieces` pieces, each when the one before is out; waits for Cancel behind the last if it
// `lasts`.
class CountingSource final : public BodySource {
 public:
  struct Facts {
    std::atomic<int> asked{0};
    std::atomic<int> cancelled{0};
    std::atomic<bool> destroyed{false};
  };
  CountingSource(std::shared_ptr<Facts> facts, int pieces, size_t piece_bytes, bool lasts)
      : facts_(std::move(facts)), pieces_(pieces), piece_bytes_(piece_bytes), lasts_(lasts) {}
  ~CountingSource() override { facts_->destroyed = true; }

  void Next(Give give) override {
    if (facts_->asked++ < pieces_) return give(std::string(piece_bytes_, 'x'));
    if (!lasts_) return give(std::string());
    std::lock_guard lock(mutex_);
    if (cancelled_) {
      give(absl::CancelledError());
    } else {
      owed_ = std::move(give);
    }
  }
  void Cancel() override {
    std::lock_guard lock(mutex_);
    facts_->cancelled++;
    cancelled_ = true;
    if (owed_) std::exchange(owed_, nullptr)(absl::CancelledError());
  }

 private:
  const std::shared_ptr<Facts> facts_;
  const int pieces_;
  const size_t piece_bytes_;
  const bool lasts_;
  std::mutex mutex_;
  bool cancelled_ = false;
  Give owed_;
};

class TestSite final : public Site {
 public:
  Admission Admit(const Request& head) override {
    Admission admission;
    if (head.method != "GET" && head.method != "POST") {
      admission.refusal = TextResponse(405, "GET or POST");
      admission.refusal->headers.push_back({"Allow", "GET, HEAD, POST"});
      return admission;
    }
    if (head.path == "/missing") admission.refusal = TextResponse(404, "not here");
    admission.page = head.path == "/page";
    admission.body_bytes_max = head.method == "POST" ? 100'000 : 0;
    return admission;
  }

  void Handle(const Request& request, Responder responder) override {
    ++handled;
    if (request.path == "/forget") return;
    if (request.path == "/hang") {
      std::unique_lock lock(mutex_);
      ++hanging;
      wake_.notify_all();
      wake_.wait(lock, [this] { return released_; });
      --hanging;
    }
    if (request.path == "/keep") {
      std::lock_guard lock(mutex_);
      kept_.push_back(std::move(responder));
      wake_.notify_all();
      return;
    }
    Response response;
    response.content_type = "text/plain";
    response.body = "hello " + request.path;
    if (request.method == "POST") response.body = fmt::format("got {}", request.body.size());
    if (request.path == "/large") {
      response.body = std::string(100'000, 'a');
      response.compressible = true;
      response.cache_control = "no-cache";
    }
    if (request.path == "/huge") response.body = std::string(16 << 20, 'a');
    if (request.path == "/source") {
      response.source = std::make_unique<CountingSource>(facts, 3, 5, false);
    }
    if (request.path == "/live")
      response.source = std::make_unique<CountingSource>(facts, 1, 5, true);
    if (request.path == "/endless") {
      response.source = std::make_unique<CountingSource>(facts, 1'000'000, 100'000, false);
    }
    if (request.path == "/header") response.headers.push_back({"X-Evil", "a\r\nSet-Cookie: b"});
    std::move(responder).Send(std::move(response));
  }

  void AwaitHanging(int count) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return hanging == count; });
  }
  Responder AwaitKept() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return !kept_.empty(); });
    Responder first = std::move(kept_.front());
    kept_.pop_front();
    return first;
  }
  void Release() {
    std::lock_guard lock(mutex_);
    released_ = true;
    wake_.notify_all();
  }

  std::atomic<int> handled{0};
  std::shared_ptr<CountingSource::Facts> facts = std::make_shared<CountingSource::Facts>();

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  int hanging = 0;
  bool released_ = false;
  std::deque<Responder> kept_;
};

class ServerTest : public ::testing::Test {
 protected:
  void Start(ServerOptions options = {}) {
    if (options.listen.empty()) options.listen = {"127.0.0.1:0"};
    auto started = Server::Start(site_, std::move(options));
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
  }
  void TearDown() override { site_.Release(); }

  const std::string& url() { return server_->addresses()[0]; }

  // What comes for these bytes until the server closes.
  std::string Ask(std::string_view bytes) {
    RawClient client(url());
    EXPECT_TRUE(client.connected());
    client.Send(bytes);
    client.FinishSending();
    return client.ReadAll();
  }
  std::string Get(std::string_view target, std::string_view headers = "Host: localhost\r\n") {
    return Ask(fmt::format("GET {} HTTP/1.1\r\n{}\r\n", target, headers));
  }
  // Until `true`, or the test's time is up.
  template <class Condition>
  void Await(Condition condition) {
    for (int i = 0; i < 20'000 && !condition(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_TRUE(condition());
  }

  TestSite site_;
  std::unique_ptr<Server> server_;
};

inline std::string BodyOf(const std::string& response) {
  const size_t end = response.find("\r\n\r\n");
  return end == std::string::npos ? "" : response.substr(end + 4);
}

}  // namespace graven::http
