#include "view/relay.h"

#include <algorithm>
#include <condition_variable>
#include <optional>
#include <thread>
#include <utility>

#include "base/absl_views.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "note/keys.h"
#include "web/errors.h"

namespace graven::view {
namespace {

constexpr size_t kCallsAtOnce = 12;
constexpr size_t kCallsWaiting = 128;

// What the page asks a server for. {log} and the rest are passed on as they were sent.
constexpr const char* kPassedOn[] = {
    "/logs",
    "/logs/{log}",
    "/logs/{log}/records",
    "/logs/{log}/records/{index}",
    "/logs/{log}/records/{index}/tlog-proof",
    "/logs/{log}/proofs/inclusion",
    "/logs/{log}/proofs/consistency",
    "/logs/{log}/checkpoint",
    "/logs/{log}/search",
    "/logs/{log}/facets",
    "/logs/{log}/histogram",
    "/status",
};
constexpr const char* kStatements = "/logs/{log}/statement";
constexpr const char* kLive = "/logs/{log}/live";

// Past all caches means past those between here and the server too.
constexpr std::string_view kHeadersPassedOn[] = {"authorization", "cache-control", "pragma",
                                                 "last-event-id"};
constexpr std::string_view kAnswerKey = "graven-answer-key";
// Types that the page reads. Everything else is bytes.
constexpr std::string_view kTypes[] = {"application/json", "text/plain", "text/event-stream"};

std::string TypeOf(const http::FetchResponse& reply) {
  const std::string_view said = reply.Header("content-type");
  const std::string_view type = said.substr(0, said.find(';'));
  const bool known = std::find(std::begin(kTypes), std::end(kTypes), type) != std::end(kTypes);
  return known ? std::string(type) : "application/octet-stream";
}

// The server's fault, or the network's: the page takes it for no answer.
http::Response Unreachable(const absl::Status& status) {
  const bool late = absl::IsDeadlineExceeded(status);
  return web::ErrorResponse(late ? 504 : 502, absl::StatusCode::kUnavailable, "SERVER_UNREACHABLE",
                            fmt::format("the server: {}", ToStd(status.message())));
}

bool IsPassable(int status) {
  return (status >= 200 && status < 300 && status != 206) || (status >= 400 && status < 600);
}

http::Response Passed(http::FetchResponse reply) {
  if (!IsPassable(reply.status) || http::ReasonPhrase(reply.status).empty())
    return Unreachable(
        absl::UnavailableError(fmt::format("an unexpected status, {}", reply.status)));
  http::Response response;
  response.status = reply.status;
  response.content_type = TypeOf(reply);
  // With what a statement about a search is signed; the page checks that it is.
  if (const std::string_view key = reply.Header(kAnswerKey); note::VerifierKey::Parse(key).ok()) {
    response.headers.push_back({std::string(kAnswerKey), std::string(key)});
  }
  response.body = std::move(reply.body);
  return response;
}

// A body that goes on as it comes. Its thread reads the next piece only when the page has taken the
// one before.
class LiveRelay final : public http::BodySource {
 public:
  LiveRelay(std::unique_ptr<http::Client> client, std::chrono::milliseconds silence)
      : client_(std::move(client)), silence_(silence), thread_([this] { Run(); }) {}
  ~LiveRelay() override {
    Cancel();
    thread_.join();
  }

  void Next(Give give) override {
    {
      const std::lock_guard lock(mutex_);
      if (!ended_) {
        owed_ = std::move(give);
        wake_.notify_all();
        return;
      }
    }
    give(absl::UnavailableError("the stream has ended"));
  }

  void Cancel() override {
    Give owed;
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      owed = std::exchange(owed_, nullptr);
      wake_.notify_all();
    }
    client_->Cancel();
    if (owed) owed(std::string());
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return ended_ || owed_; });
      if (ended_) return;
      lock.unlock();
      absl::StatusOr<std::string> piece = client_->ReadPiece(silence_);
      lock.lock();
      if (!piece.ok() || piece->empty()) ended_ = true;
      // Nothing when Cancel has given already.
      Give owed = std::exchange(owed_, nullptr);
      lock.unlock();
      if (owed) owed(std::move(piece));
      lock.lock();
    }
  }

  const std::unique_ptr<http::Client> client_;
  const std::chrono::milliseconds silence_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Give owed_;
  bool ended_ = false;
  std::thread thread_;
};

http::FetchOptions FetchOptionsOf(const RelayOptions& options, std::chrono::milliseconds patience) {
  http::FetchOptions fetch;
  fetch.total_timeout = patience;
  fetch.connect_timeout = std::min(options.patience, fetch.connect_timeout);
  fetch.body_bytes_max = kRelayedBytesMax;
  fetch.ca_file = options.ca_file;
  return fetch;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Relay>> Relay::Make(RelayOptions options) {
  ASSIGN_OR_RETURN(const http::Url url, http::ParseUrl(options.server));
  if (url.target.find('?') != std::string::npos)
    return absl::InvalidArgumentError("URL: a query ('?') is not taken");
  std::string server = http::FormatUrl(url);
  while (server.ends_with('/')) server.pop_back();
  return std::unique_ptr<Relay>(new Relay(std::move(options), std::move(server)));
}

Relay::Relay(RelayOptions options, std::string server)
    : options_(std::move(options)),
      server_(std::move(server)),
      workers_(kCallsAtOnce, kCallsWaiting) {}

void Relay::AddRoutes(web::Routes* routes) {
  const auto add = [this, routes](const char* pattern, Kind kind) {
    routes->Add({"GET", pattern, [this, kind](const web::Call& call, http::Responder responder) {
                   Forward(call.request, kind, std::move(responder));
                 }});
  };
  for (const char* pattern : kPassedOn) add(pattern, Kind::kAnswer);
  add(kStatements, Kind::kStatement);
  add(kLive, Kind::kLive);
}

http::FetchRequest Relay::MakeRequest(const http::Request& request) const {
  http::FetchRequest made;
  made.url = server_ + request.path;
  if (!request.query.empty()) made.url += fmt::format("?{}", request.query);
  for (const std::string_view name : kHeadersPassedOn)
    if (const auto value = request.Find(name))
      made.headers.emplace_back(std::string(name), std::string(*value));
  if (!request.Find("authorization") && !options_.token.empty())
    made.headers.emplace_back("authorization", fmt::format("Bearer {}", options_.token));
  return made;
}

void Relay::Forward(const http::Request& request, Kind kind, http::Responder responder) {
  // A std::function is copied, and a responder is not.
  const auto kept = std::make_shared<http::Responder>(std::move(responder));
  const bool taken = workers_.TrySubmit(
      [this, made = MakeRequest(request), kind, kept] { Call(made, kind, std::move(*kept)); });
  if (taken) return;
  std::move(*kept).Send(web::ErrorResponse(503, absl::StatusCode::kResourceExhausted, "OVERLOADED",
                                           "too many calls wait for the server"));
}

void Relay::Call(const http::FetchRequest& request, Kind kind, http::Responder responder) {
  if (responder.gone()) return std::move(responder).Send(Unreachable(absl::CancelledError("gone")));
  std::unique_ptr<http::Client> client = Borrow(kind);
  if (client == nullptr)
    return std::move(responder).Send(Unreachable(absl::CancelledError("the view is stopping")));
  const bool live = kind == Kind::kLive;
  absl::StatusOr<http::FetchResponse> reply = live ? client->Open(request) : client->Fetch(request);
  if (live && reply.ok() && reply->status != 200) {
    // Says in its body why there is no stream.
    const absl::StatusOr<std::string> why = client->ReadPiece(options_.patience);
    if (why.ok()) reply->body = *why;
  }
  const bool streams = live && reply.ok() && reply->status == 200;
  http::Response response = reply.ok() ? Passed(*std::move(reply)) : Unreachable(reply.status());
  if (!streams) {
    GiveBack(std::move(client), kind == Kind::kAnswer);
    return std::move(responder).Send(std::move(response));
  }
  {
    // From here on the stream ends with its connection.
    const MutexLock lock(&mutex_);
    busy_.erase(client.get());
  }
  response.source = std::make_unique<LiveRelay>(std::move(client), options_.silence);
  std::move(responder).Send(std::move(response));
}

std::unique_ptr<http::Client> Relay::Borrow(Kind kind) {
  const MutexLock lock(&mutex_);
  if (stopped_) return nullptr;
  std::unique_ptr<http::Client> client;
  if (kind == Kind::kStatement) {
    client = std::make_unique<http::Client>(FetchOptionsOf(options_, options_.statement_patience));
  } else if (!idle_.empty()) {
    client = std::move(idle_.back());
    idle_.pop_back();
  } else {
    client = std::make_unique<http::Client>(FetchOptionsOf(options_, options_.patience));
  }
  busy_.insert(client.get());
  return client;
}

void Relay::GiveBack(std::unique_ptr<http::Client> client, bool reusable) {
  const MutexLock lock(&mutex_);
  busy_.erase(client.get());
  if (reusable && !stopped_) idle_.push_back(std::move(client));
}

void Relay::Stop() {
  {
    const MutexLock lock(&mutex_);
    stopped_ = true;
    for (http::Client* client : busy_) client->Cancel();
    idle_.clear();
  }
  workers_.Stop();
}

}  // namespace graven::view
