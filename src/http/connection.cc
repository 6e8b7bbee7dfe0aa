#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <ctime>
#include <memory>
#include <string>
#include <utility>

#include "fmt/format.h"
#include "http/answer.h"
#include "http/server_core.h"
#include "http/target.h"
#include "http/tls.h"

// One connection, as a coroutine. Everything here is on the connections' thread.
namespace graven::http {
namespace {

namespace beast = boost::beast;
using boost::system::error_code;
using PlainStream = net::generic::stream_protocol::socket;
using TlsStream = net::ssl::stream<PlainStream>;
using Parser = beast::http::request_parser<beast::http::buffer_body>;

constexpr size_t kReadBytes = 16 << 10;
constexpr size_t kWriteBytesPerSecond = 64 << 10;
// What a refused request may still send while we wait for it to read the refusal. Closing at once
// would reset the connection and take the answer from it.
constexpr size_t kLingerBytesMax = 256 << 10;
constexpr int64_t kLingerMs = 1'000;
// How often an operation is cancelled that is over its time: once may have hit nothing, when it was
// between two steps.
constexpr int64_t kCancelAgainMs = 50;
constexpr int64_t kSourceRetryMs = 20;
// A source says something every now and then, or its connection is not worth the place.
constexpr int64_t kSourceSilenceMs = 120'000;

std::chrono::milliseconds Ms(int64_t ms) { return std::chrono::milliseconds(ms); }

auto Redirect(error_code* error) { return net::redirect_error(net::use_awaitable, *error); }

Refusal MalformedRefusal(const error_code& error, const beast::flat_buffer& buffer) {
  namespace errors = beast::http;
  if (error == errors::error::header_limit || error == errors::error::buffer_overflow) {
    const std::string_view seen(static_cast<const char*>(buffer.data().data()), buffer.size());
    if (seen.find('\n') == std::string_view::npos) {
      return {414, "TARGET_TOO_LONG", "the request line is too long"};
    }
    return {431, "HEADERS_TOO_LARGE", "the headers are too large"};
  }
  if (error == errors::error::bad_version) {
    return {505, "REQUEST_INVALID", "HTTP/1.1 is spoken here"};
  }
  return {400, "REQUEST_INVALID", fmt::format("not HTTP: {}", error.message())};
}

// One of the places of long answers, for as long as it lasts.
class SourcePlace {
 public:
  explicit SourcePlace(ServerCore& core) : core_(core) { ++core_.sources; }
  ~SourcePlace() { --core_.sources; }
  SourcePlace(const SourcePlace&) = delete;
  SourcePlace& operator=(const SourcePlace&) = delete;

 private:
  ServerCore& core_;
};

template <class Stream>
class Connection final : public ConnectionBase,
                         public std::enable_shared_from_this<Connection<Stream>> {
 public:
  Connection(ServerCore& core, Stream stream, ConnectionFacts facts, std::string peer_address)
      : core_(core),
        limits_(core.options.limits),
        stream_(std::move(stream)),
        facts_(std::move(facts)),
        deadline_(core.io),
        buffer_(limits_.head_bytes + kReadBytes) {
    peer_.address = std::move(peer_address);
    peer_.tls = facts_.tls;
    core_.Add(this);
  }
  ~Connection() override { core_.Remove(this); }

  void Cut() override {
    cut_ = true;
    Close();
    if (exchange_ != nullptr) {
      exchange_->SetGone();
      exchange_->arrival->Abandon();
    }
    if (piece_ != nullptr) piece_->Abandon();
    if (source_ != nullptr) source_->Cancel();
  }

  void Finish() override {
    finishing_ = true;
    if (this->stage == Stage::kIdle) {
      Cut();
    } else if (source_ != nullptr) {
      source_->Cancel();
    }
  }

  net::awaitable<void> Run() {
    // Keeps this alive until the coroutine has ended.
    const auto self = this->shared_from_this();
    if (co_await Handshake()) {
      bool first = true;
      while (!cut_ && !finishing_ && co_await ServeOne(std::exchange(first, false))) {
      }
      if (linger_ && !cut_) co_await Linger();
    }
    deadline_.cancel();
    Close();
  }

 private:
  void SetStage(Stage next) { core_.SetStage(this, next); }
  PlainStream& socket() {
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      return stream_.next_layer();
    } else {
      return stream_;
    }
  }
  void Close() {
    error_code ignored;
    socket().close(ignored);
  }

  // From now on until the next call: what is under way then is cancelled, and the connection still
  // there.
  void ExpireIn(int64_t ms) {
    expired_ = false;
    ArmDeadline(ms);
  }
  void ExpireNever() {
    deadline_.cancel();
    expired_ = false;
  }
  void ArmDeadline(int64_t ms) {
    deadline_.expires_after(Ms(ms));
    deadline_.async_wait([weak = this->weak_from_this()](const error_code& moved) {
      const auto self = weak.lock();
      if (moved || self == nullptr ||
          self->deadline_.expiry() > net::steady_timer::clock_type::now()) {
        return;
      }
      self->expired_ = true;
      error_code ignored;
      self->socket().cancel(ignored);
      self->ArmDeadline(kCancelAgainMs);
    });
  }

  net::awaitable<bool> Handshake() {
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      SetStage(Stage::kPeer);
      ExpireIn(limits_.tls_handshake_ms);
      error_code error;
      co_await stream_.async_handshake(net::ssl::stream_base::server, Redirect(&error));
      if (error) co_return false;
      peer_.certificate_name = CertificateName(stream_.native_handle());
    }
    co_return true;
  }

  // Waits until something of a request is there. False: nothing came.
  net::awaitable<bool> AwaitRequest(bool first) {
    if (buffer_.size() > 0) co_return true;
    // A new connection that says nothing is as good a target for eviction as an idle one.
    SetStage(Stage::kIdle);
    ExpireIn(first ? limits_.head_ms : limits_.idle_ms);
    error_code error;
    const size_t n = co_await stream_.async_read_some(buffer_.prepare(4096), Redirect(&error));
    buffer_.commit(n);
    co_return !error && n > 0;
  }

  // One request and its answer. False: the connection ends.
  net::awaitable<bool> ServeOne(bool first) {
    if (!co_await AwaitRequest(first)) co_return false;
    SetStage(Stage::kPeer);
    Parser parser;
    parser.header_limit(static_cast<uint32_t>(limits_.head_bytes));
    parser.body_limit(boost::none);  // held below, where it is known what the site takes
    ExpireIn(limits_.head_ms);
    error_code error;
    co_await beast::http::async_read_header(stream_, buffer_, parser, Redirect(&error));
    if (error) co_return co_await RefuseHead(error);
    ++core_.requests;

    Request request;
    request.peer = peer_;
    Admission admission;
    head_only_ = false;
    bool keep = parser.keep_alive();
    const bool has_body = !parser.is_done();
    if (std::optional<Answer> refused = Admit(parser, &request, &admission)) {
      keep = keep && !has_body;
      co_return co_await Write(request, *std::move(refused), keep);
    }
    if (has_body) {
      Refusal refusal = co_await ReadBody(parser, admission.body_bytes_max, &request.body);
      if (cut_ || refusal.status < 0) co_return false;
      if (refusal.status != 0) {
        co_return co_await Write(request, Refuse(refusal), false);
      }
    }
    const bool goes_on = co_await AskSite(std::move(request), keep);
    core_.Release(this, Budget::kBodies);
    co_return goes_on;
  }

  net::awaitable<bool> RefuseHead(const error_code& error) {
    const Request nothing;
    if (cut_) co_return false;
    if (expired_) {
      co_return co_await Write(nothing, Refuse(HeadTimeout()), false);
    }
    if (error == beast::http::error::end_of_stream ||
        error == beast::http::error::partial_message ||
        error.category() != make_error_code(beast::http::error::bad_method).category()) {
      co_return false;
    }
    co_return co_await Write(nothing, Refuse(MalformedRefusal(error, buffer_)), false);
  }

  Refusal HeadTimeout() const {
    return {408, "REQUEST_TOO_SLOW", fmt::format("no whole head within {} ms", limits_.head_ms)};
  }

  Answer Refuse(const Refusal& refusal) {
    const bool overload = refusal.status == 503;
    ++(overload ? core_.refused_overload : core_.refused_malformed);
    // Where its peer saw the end of a malformed request is not known.
    close_after_ = close_after_ || !overload;
    Answer answer{core_.site.Error(refusal.status, refusal.reason, refusal.message), {}};
    answer.response.status = refusal.status;
    if (overload) answer.headers.push_back({"Retry-After", "1"});
    return answer;
  }

  // Fills `request` but for its body. An answer when it is refused.
  std::optional<Answer> Admit(const Parser& parser, Request* request, Admission* admission) {
    const auto& message = parser.get();
    request->method = std::string(message.method_string().data(), message.method_string().size());
    for (const auto& header : message.base()) {
      request->headers.push_back(
          {LowerAscii({header.name_string().data(), header.name_string().size()}),
           std::string(header.value().data(), header.value().size())});
    }
    if (const auto refusal = CheckFraming(*request, message.version() < 11)) {
      return Refuse(*refusal);
    }
    head_only_ = request->method == "HEAD";
    if (head_only_) request->method = "GET";
    if (const auto refusal = ReadTarget({message.target().data(), message.target().size()},
                                        limits_.target_bytes, core_.options.path_prefix, request)) {
      return Refuse(*refusal);
    }
    if (const auto refusal = core_.gate.CheckHost(*request, facts_)) return RefuseBrowser(*refusal);
    if (std::optional<Response> preflight = core_.gate.Preflight(*request)) {
      return Answer{*std::move(preflight), {}};
    }
    if (const auto expect = request->Find("expect");
        expect && LowerAscii(*expect) != "100-continue") {
      return Refuse({417, "REQUEST_INVALID", "the only expectation known is 100-continue"});
    }
    *admission = core_.site.Admit(*request);
    if (const auto refusal = core_.gate.CheckOrigin(*request, facts_, admission->page)) {
      return RefuseBrowser(*refusal);
    }
    if (admission->refusal) return MakeAnswer(*request, *std::move(admission->refusal));
    return std::nullopt;
  }

  Answer RefuseBrowser(const BrowserRefusal& refusal) {
    ++core_.refused_browser;
    Answer answer{core_.site.Error(refusal.status, refusal.reason, refusal.message), {}};
    answer.response.status = refusal.status;
    return answer;
  }

  // A refusal of status 0: the body is there; below 0: the connection is not.
  net::awaitable<Refusal> ReadBody(Parser& parser, size_t bytes_max, std::string* body) {
    const auto length = parser.content_length();
    const auto too_large = [&](uint64_t bytes) {
      return Refusal{413, "BODY_TOO_LARGE",
                     fmt::format("the body is {}{} bytes; at most {}", length ? "" : "more than ",
                                 bytes, bytes_max)};
    };
    if (length && *length > bytes_max) co_return too_large(*length);
    ExpireIn(limits_.body_ms);
    error_code error;
    if (buffer_.size() == 0 && parser.get().count(beast::http::field::expect) > 0) {
      static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      co_await net::async_write(stream_, net::buffer(kContinue.data(), kContinue.size()),
                                Redirect(&error));
      if (error) co_return Refusal{-1, "", ""};
    }
    char piece[kReadBytes];
    while (!parser.is_done()) {
      parser.get().body().data = piece;
      parser.get().body().size = sizeof piece;
      co_await beast::http::async_read_some(stream_, buffer_, parser, Redirect(&error));
      if (error == beast::http::error::need_buffer) error = {};
      if (error.category() == make_error_code(beast::http::error::bad_chunk).category() &&
          error != beast::http::error::partial_message &&
          error != beast::http::error::end_of_stream) {
        co_return MalformedRefusal(error, buffer_);
      }
      if (expired_) {
        co_return Refusal{408, "REQUEST_TOO_SLOW",
                          fmt::format("no whole body within {} ms", limits_.body_ms)};
      }
      if (error) co_return Refusal{-1, "", ""};
      const size_t got = sizeof piece - parser.get().body().size;
      if (body->size() + got > bytes_max) co_return too_large(bytes_max);
      if (!core_.Hold(this, Budget::kBodies, got)) {
        co_return Refusal{503, "OVERLOADED", "too many bodies at once; try again"};
      }
      body->append(piece, got);
    }
    co_return Refusal{};
  }

  net::awaitable<bool> AskSite(Request request, bool keep) {
    SetStage(Stage::kSite);
    ExpireNever();
    auto exchange = std::make_shared<Exchange>(std::move(request), core_.mailbox);
    exchange_ = exchange.get();
    const bool taken = core_.workers.TrySubmit([&site = core_.site, exchange] {
      if (exchange->gone()) return;
      site.Handle(exchange->request, Responder(exchange));
    });
    std::optional<Answer> answer;
    if (taken) answer = co_await exchange->arrival->Wait(limits_.answer_ms);
    exchange_ = nullptr;
    exchange->SetGone();
    if (cut_) co_return false;
    if (!taken) {
      answer = Refuse({503, "OVERLOADED", "too many requests at once; try again"});
    } else if (!answer) {
      answer = Refuse({503, "OVERLOADED", "no answer in time; try again"});
      keep = false;
    }
    co_return co_await Write(exchange->request, *std::move(answer), keep);
  }

  net::awaitable<bool> Write(const Request& request, Answer answer, bool keep) {
    keep = keep && !finishing_ && !close_after_;
    if (answer.response.source != nullptr) {
      if (core_.sources < limits_.sources) {
        co_await WriteSource(request, std::move(answer));
        co_return false;
      }
      answer = Refuse({503, "OVERLOADED", "too many long answers at once; try again"});
    }
    SetStage(Stage::kPeer);
    if (!core_.Hold(this, Budget::kAnswers, answer.response.body.size())) {
      answer = Refuse({503, "OVERLOADED", "too many answers at once; try again"});
    }
    const std::string& body = answer.response.body;
    ExpireIn(limits_.write_ms + static_cast<int64_t>(body.size() / kWriteBytesPerSecond) * 1000);
    core_.CountAnswer(answer.response.status);
    const std::string head =
        FormatHead(answer, core_.gate.SecurityHeaders(request, answer.response), body.size(), keep,
                   time(nullptr));
    const std::array<net::const_buffer, 2> both = {
        net::buffer(head), head_only_ ? net::const_buffer() : net::buffer(body)};
    error_code error;
    co_await net::async_write(stream_, both, Redirect(&error));
    core_.Release(this, Budget::kAnswers);
    linger_ = !keep;
    co_return !error && keep;
  }

  // The peer of a source has nothing more to say: what comes of it is its end.
  void WatchPeer() {
    socket().async_wait(
        net::socket_base::wait_read, [weak = this->weak_from_this()](const error_code& error) {
          const auto self = weak.lock();
          if (self == nullptr || error) return;
          char byte;
          const ssize_t n = recv(self->socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
          // Over TLS it can only be the alert that ends it.
          if (n <= 0 || self->facts_.tls) self->Cut();
        });
  }

  net::awaitable<std::optional<absl::StatusOr<std::string>>> NextPiece(
      const std::shared_ptr<BodySource>& source) {
    SetStage(Stage::kSource);
    auto arrival = std::make_shared<Arrival<absl::StatusOr<std::string>>>(core_.mailbox);
    piece_ = arrival.get();
    const auto ask = [source, arrival] {
      source->Next(
          [arrival](absl::StatusOr<std::string> piece) { arrival->Fill(std::move(piece)); });
    };
    while (!cut_ && !core_.workers.TrySubmit(ask)) {
      net::steady_timer timer(co_await net::this_coro::executor, Ms(kSourceRetryMs));
      error_code ignored;
      co_await timer.async_wait(Redirect(&ignored));
    }
    std::optional<absl::StatusOr<std::string>> piece;
    if (!cut_) piece = co_await arrival->Wait(kSourceSilenceMs);
    piece_ = nullptr;
    co_return piece;
  }

  net::awaitable<void> WriteSource(const Request& request, Answer answer) {
    const std::shared_ptr<BodySource> source(std::move(answer.response.source));
    const SourcePlace source_place(core_);
    core_.CountAnswer(answer.response.status);
    source_ = source.get();
    if (finishing_) source->Cancel();
    std::string out = FormatHead(answer, core_.gate.SecurityHeaders(request, answer.response),
                                 std::nullopt, false, time(nullptr));
    WatchPeer();
    error_code error;
    bool more = !head_only_;
    do {
      ExpireIn(limits_.write_ms);
      co_await net::async_write(stream_, net::buffer(out), Redirect(&error));
      ExpireNever();
      if (error || cut_ || !more) break;
      std::optional<absl::StatusOr<std::string>> piece = co_await NextPiece(source);
      // No last chunk: the peer sees that something is missing.
      if (!piece || !piece->ok()) break;
      more = !(*piece)->empty();
      out = more ? fmt::format("{:x}\r\n{}\r\n", (*piece)->size(), **piece) : "0\r\n\r\n";
    } while (true);
    source->Cancel();
    source_ = nullptr;
  }

  // The answer is out; what is still coming is read and dropped until the peer has seen it.
  net::awaitable<void> Linger() {
    SetStage(Stage::kPeer);
    ExpireIn(kLingerMs);
    error_code error;
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      co_await stream_.async_shutdown(Redirect(&error));
    }
    socket().shutdown(net::socket_base::shutdown_send, error);
    char piece[4096];
    for (size_t read = 0; read < kLingerBytesMax && !error;) {
      read += co_await socket().async_read_some(net::buffer(piece), Redirect(&error));
    }
  }

  ServerCore& core_;
  const ServerLimits& limits_;
  Stream stream_;
  const ConnectionFacts facts_;
  Peer peer_;
  net::steady_timer deadline_;
  bool expired_ = false;
  beast::flat_buffer buffer_;
  bool head_only_ = false;
  bool cut_ = false;
  bool finishing_ = false;
  bool close_after_ = false;
  bool linger_ = false;
  // What is under way, to be ended by Cut.
  Exchange* exchange_ = nullptr;
  BodySource* source_ = nullptr;
  Arrival<absl::StatusOr<std::string>>* piece_ = nullptr;
};

template <class Stream>
void Spawn(ServerCore& core, std::shared_ptr<Connection<Stream>> connection) {
  net::co_spawn(
      core.io, [connection] { return connection->Run(); },
      [connection](std::exception_ptr) {
        // A library threw, most likely for want of memory: this connection ends, the others go on.
      });
}

}  // namespace

void StartConnection(ServerCore& core, net::generic::stream_protocol::socket socket,
                     bool unix_socket, std::string peer_address, std::string local_host) {
  ConnectionFacts facts{unix_socket, core.tls.has_value() && !unix_socket, std::move(local_host)};
  PlainStream plain(std::move(socket));
  if (facts.tls) {
    Spawn(core,
          std::make_shared<Connection<TlsStream>>(core, TlsStream(std::move(plain), *core.tls),
                                                  std::move(facts), std::move(peer_address)));
  } else {
    Spawn(core, std::make_shared<Connection<PlainStream>>(core, std::move(plain), std::move(facts),
                                                          std::move(peer_address)));
  }
}

}  // namespace graven::http
