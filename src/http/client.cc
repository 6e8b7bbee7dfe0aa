#include "http/client.h"

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <exception>
#include <optional>

#include "absl/strings/match.h"
#include "base/absl_views.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "http/resolver.h"
#include "http/url.h"

namespace graven::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;
using Tcp = asio::ip::tcp;
using TlsSocket = beast::ssl_stream<Tcp::socket>;
using Time = std::chrono::steady_clock::time_point;
using WireRequest = beast::http::request<beast::http::string_body>;
using WireReply = beast::http::response_parser<beast::http::string_body>;
using OpenReply = beast::http::response_parser<beast::http::buffer_body>;

constexpr size_t kAddressesTried = 6;
constexpr size_t kReadBufferBytes = 64 << 10;
constexpr size_t kPieceBytes = 64 << 10;

bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
  });
}

absl::Status CheckRequest(const FetchRequest& request) {
  if (!IsToken(request.method)) return absl::InvalidArgumentError("request: not a method");
  for (const auto& [name, value] : request.headers) {
    if (!IsToken(name)) return absl::InvalidArgumentError("request: not a header field's name");
    for (const char c : value)
      if (c < ' ' || c > '~')
        return absl::InvalidArgumentError(fmt::format(
            "request: header field {}: a control character or one that is not ASCII", name));
  }
  return absl::OkStatus();
}

WireRequest MakeWireRequest(const FetchRequest& request, const Url& url) {
  WireRequest wire;
  wire.version(11);
  wire.method_string(request.method);
  wire.target(url.target);
  wire.set(beast::http::field::host, FormatAuthority(url));
  wire.set(beast::http::field::user_agent, "graven");
  for (const auto& [name, value] : request.headers) wire.set(name, value);
  wire.body() = request.body;
  if (!request.body.empty() || request.method == "POST") wire.content_length(request.body.size());
  return wire;
}

// Whether a kept connection was closed before the request could have been answered.
bool IsStale(const error_code& error) {
  return error == beast::http::error::end_of_stream || error == asio::error::connection_reset ||
         error == asio::error::broken_pipe || error == asio::error::eof ||
         error == asio::ssl::error::stream_truncated;
}

}  // namespace

std::string_view FetchResponse::Header(std::string_view name) const {
  for (const auto& [field, value] : headers)
    if (absl::EqualsIgnoreCase(ToAbsl(field), ToAbsl(name))) return value;
  return {};
}

// The connection, and one call's progress on it. All but Cancel runs on the caller's thread, which
// drives the loop itself: each stage starts one operation and runs the loop until that has ended.
class Client::Exchange {
 public:
  Exchange(const FetchOptions& options, const std::atomic<bool>& cancelled)
      : options_(options), cancelled_(cancelled) {}

  absl::StatusOr<FetchResponse> Run(const FetchRequest& request, const Url& url) {
    const Time connect_deadline = Begin(request, url);
    const WireRequest wire = MakeWireRequest(request, url);
    const bool kept = IsOpen() && connected_to_ == where_.substr(where_.find(' '));
    if (kept) {
      stale_ = false;
      absl::StatusOr<FetchResponse> reply = Talk(wire);
      if (reply.ok() || !stale_ || !request.body.empty()) return reply;
    }
    Close();
    RETURN_IF_ERROR(Connect(url, connect_deadline));
    connected_to_ = where_.substr(where_.find(' '));
    return Talk(wire);
  }

  absl::StatusOr<FetchResponse> Open(const FetchRequest& request, const Url& url) {
    const Time connect_deadline = Begin(request, url);
    Close();
    RETURN_IF_ERROR(Connect(url, connect_deadline));
    const WireRequest wire = MakeWireRequest(request, url);
    return tls_ != nullptr ? OpenOn(*tls_, wire) : OpenOn(*plain_, wire);
  }

  absl::StatusOr<std::string> ReadPiece(std::chrono::milliseconds silence) {
    if (!open_reply_.has_value())
      return absl::FailedPreconditionError(fmt::format("{}: no body to read", where_));
    const Time deadline = std::chrono::steady_clock::now() + silence;
    return tls_ != nullptr ? ReadPieceOn(*tls_, deadline) : ReadPieceOn(*plain_, deadline);
  }

  // From any thread.
  void Interrupt() {
    asio::post(loop_, [this] { CloseSocket(); });
  }

 private:
  // Sets the deadlines; returns the one of connecting.
  Time Begin(const FetchRequest& request, const Url& url) {
    where_ =
        fmt::format("{} {}://{}", request.method, url.tls ? "https" : "http", FormatAuthority(url));
    const Time start = std::chrono::steady_clock::now();
    total_deadline_ = start + options_.total_timeout;
    return std::min(total_deadline_, start + options_.connect_timeout);
  }

  Tcp::socket* Socket() {
    if (tls_ != nullptr) return &tls_->next_layer();
    return plain_ != nullptr ? plain_.get() : nullptr;
  }

  bool IsOpen() { return Socket() != nullptr && Socket()->is_open(); }

  void CloseSocket() {
    error_code ignored;
    if (IsOpen()) Socket()->close(ignored);
  }

  void Close() {
    CloseSocket();
    tls_.reset();
    plain_.reset();
    buffer_.clear();
    open_reply_.reset();
    connected_to_.clear();
  }

  // Starts an operation and runs the loop until it has ended, which by the deadline is made so by
  // closing the socket below it.
  template <typename Start>
  error_code Await(Time deadline, Start start) {
    std::optional<error_code> result;
    start([&result](const error_code& error, auto&&...) { result = error; });
    loop_.restart();
    bool late = false;
    while (!result.has_value()) {
      if (late)
        loop_.run_one();
      else
        loop_.run_one_until(deadline);
      if (!result.has_value() && !late && std::chrono::steady_clock::now() >= deadline) {
        late = true;
        CloseSocket();
      }
    }
    return late ? make_error_code(asio::error::timed_out) : *result;
  }

  absl::Status ToStatus(const error_code& error, std::string_view stage) {
    if (cancelled_.load()) return absl::CancelledError(fmt::format("{}: stopped", where_));
    if (error == asio::error::timed_out)
      return absl::DeadlineExceededError(fmt::format("{}: {}: out of time", where_, stage));
    if (error == beast::http::error::body_limit)
      return absl::ResourceExhaustedError(
          fmt::format("{}: the body is larger than {} bytes", where_, options_.body_bytes_max));
    if (error == beast::http::error::header_limit || error == beast::http::error::buffer_overflow)
      return absl::ResourceExhaustedError(
          fmt::format("{}: the header is larger than {} bytes", where_, options_.header_bytes_max));
    return absl::UnavailableError(fmt::format("{}: {}: {}", where_, stage, error.message()));
  }

  absl::StatusOr<std::vector<std::string>> Addresses(const Url& url, Time deadline) {
    auto found =
        options_.resolver ? options_.resolver(url.host) : Resolve(url.host, deadline, cancelled_);
    if (!found.ok())
      return absl::Status(found.status().code(),
                          ToAbsl(fmt::format("{}: {}", where_, ToStd(found.status().message()))));
    const auto& allowed = options_.allowed_hosts;
    if (options_.address_rule == AddressRule::kPublicOnly &&
        std::find(allowed.begin(), allowed.end(), url.host) == allowed.end()) {
      // One such address spoils the name: who mixes them wants to be connected to it.
      for (const std::string& address : *found)
        if (!IsPublicAddress(address))
          return absl::PermissionDeniedError(
              fmt::format("{}: its address {} is not one of the internet at large, and the host "
                          "is not named as allowed",
                          where_, address));
    }
    if (found->size() > kAddressesTried) found->resize(kAddressesTried);
    return found;
  }

  absl::Status Connect(const Url& url, Time deadline) {
    ASSIGN_OR_RETURN(const std::vector<std::string> addresses, Addresses(url, deadline));
    absl::Status last = absl::UnavailableError(fmt::format("{}: no address", where_));
    for (size_t i = 0; i < addresses.size(); ++i) {
      error_code error;
      const auto address = asio::ip::make_address(addresses[i], error);
      if (error) return absl::UnavailableError(fmt::format("{}: not an address", where_));
      // A share of the time for each, so that one dead address does not take it all.
      const Time now = std::chrono::steady_clock::now();
      const Time until = now + (deadline - now) / static_cast<int>(addresses.size() - i);
      plain_ = std::make_unique<Tcp::socket>(loop_);
      error = Await(
          until, [&](auto done) { plain_->async_connect(Tcp::endpoint(address, url.port), done); });
      if (!error) {
        plain_->set_option(Tcp::no_delay(true), error);
        return url.tls ? ShakeHands(url, deadline) : absl::OkStatus();
      }
      last = ToStatus(error, fmt::format("connecting to {}", addresses[i]));
      Close();
      if (cancelled_.load()) break;
    }
    return last;
  }

  absl::Status PrepareTls() {
    if (tls_context_.has_value()) return absl::OkStatus();
    asio::ssl::context context(asio::ssl::context::tls_client);
    SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
    error_code error;
    if (options_.ca_file.empty())
      context.set_default_verify_paths(error);
    else
      context.load_verify_file(options_.ca_file, error);
    if (error)
      return absl::InvalidArgumentError(
          fmt::format("certificate authorities {}: {}", options_.ca_file, error.message()));
    tls_context_.emplace(std::move(context));
    return absl::OkStatus();
  }

  absl::Status ShakeHands(const Url& url, Time deadline) {
    RETURN_IF_ERROR(PrepareTls());
    tls_ = std::make_unique<TlsSocket>(std::move(*plain_), *tls_context_);
    plain_.reset();
    error_code error;
    tls_->set_verify_mode(asio::ssl::verify_peer, error);
    if (!error) tls_->set_verify_callback(asio::ssl::host_name_verification(url.host), error);
    asio::ip::make_address(url.host, error);
    // Only names go into the server name indication (RFC 6066 section 3).
    if (error) SSL_set_tlsext_host_name(tls_->native_handle(), url.host.c_str());
    error = Await(deadline,
                  [&](auto done) { tls_->async_handshake(asio::ssl::stream_base::client, done); });
    if (!error) return absl::OkStatus();
    const long verdict = SSL_get_verify_result(tls_->native_handle());
    Close();
    if (error != asio::error::timed_out && !cancelled_.load() && verdict != X509_V_OK)
      return absl::UnauthenticatedError(fmt::format("{}: the certificate is not accepted: {}",
                                                    where_,
                                                    X509_verify_cert_error_string(verdict)));
    return ToStatus(error, "TLS");
  }

  absl::StatusOr<FetchResponse> Talk(const WireRequest& wire) {
    return tls_ != nullptr ? TalkOn(*tls_, wire) : TalkOn(*plain_, wire);
  }

  template <typename Stream>
  absl::StatusOr<FetchResponse> TalkOn(Stream& stream, const WireRequest& wire) {
    error_code error =
        Await(total_deadline_, [&](auto done) { beast::http::async_write(stream, wire, done); });
    if (error) return Failed(error, "sending");
    WireReply reply;
    reply.header_limit(static_cast<std::uint32_t>(options_.header_bytes_max));
    reply.body_limit(options_.body_bytes_max);
    reply.skip(wire.method() == beast::http::verb::head);
    error = Await(total_deadline_,
                  [&](auto done) { beast::http::async_read(stream, buffer_, reply, done); });
    if (error) return Failed(error, "reading the reply");
    // What comes after the reply was not asked for.
    if (!reply.keep_alive() || buffer_.size() > 0) Close();
    return Taken(reply.get());
  }

  absl::Status Failed(const error_code& error, std::string_view stage) {
    stale_ = IsStale(error);
    absl::Status status = ToStatus(error, stage);
    Close();
    return status;
  }

  absl::StatusOr<FetchResponse> Taken(WireReply::value_type& reply) {
    ASSIGN_OR_RETURN(FetchResponse response, TakenHead(reply.base()));
    response.body = std::move(reply.body());
    return response;
  }

  template <typename Stream>
  absl::StatusOr<FetchResponse> OpenOn(Stream& stream, const WireRequest& wire) {
    error_code error =
        Await(total_deadline_, [&](auto done) { beast::http::async_write(stream, wire, done); });
    if (error) return Failed(error, "sending");
    OpenReply& reply = open_reply_.emplace();
    reply.header_limit(static_cast<std::uint32_t>(options_.header_bytes_max));
    reply.body_limit(boost::none);  // each piece is bounded, and goes before the next is read
    reply.skip(wire.method() == beast::http::verb::head);
    error = Await(total_deadline_,
                  [&](auto done) { beast::http::async_read_header(stream, buffer_, reply, done); });
    if (error) return Failed(error, "reading the reply");
    return TakenHead(reply.get().base());
  }

  template <typename Stream>
  absl::StatusOr<std::string> ReadPieceOn(Stream& stream, Time deadline) {
    OpenReply& reply = *open_reply_;
    std::string piece(kPieceBytes, '\0');
    while (!reply.is_done()) {
      reply.get().body().data = piece.data();
      reply.get().body().size = piece.size();
      reply.get().body().more = true;
      error_code error = Await(
          deadline, [&](auto done) { beast::http::async_read_some(stream, buffer_, reply, done); });
      if (error == beast::http::error::need_buffer) error = {};
      if (error) return Failed(error, "reading the body");
      const size_t got = piece.size() - reply.get().body().size;
      if (got == 0) continue;
      piece.resize(got);
      return piece;
    }
    Close();
    return std::string();
  }

  absl::StatusOr<FetchResponse> TakenHead(const beast::http::response_header<>& head) {
    FetchResponse response;
    response.status = static_cast<int>(head.result_int());
    if (response.status < 200) {
      Close();
      return absl::UnavailableError(
          fmt::format("{}: an unexpected interim reply, {}", where_, response.status));
    }
    for (const auto& field : head)
      response.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    return response;
  }

  const FetchOptions& options_;
  const std::atomic<bool>& cancelled_;
  asio::io_context loop_{1};
  std::optional<asio::ssl::context> tls_context_;
  std::unique_ptr<Tcp::socket> plain_;
  std::unique_ptr<TlsSocket> tls_;
  // Scheme, host and port of the open connection.
  std::string connected_to_;
  beast::flat_buffer buffer_{kReadBufferBytes};
  // Of Open, while its body is read.
  std::optional<OpenReply> open_reply_;
  std::string where_;  // for messages: no path, which may be a secret
  Time total_deadline_;
  bool stale_ = false;
};

Client::Client(FetchOptions options)
    : options_(std::move(options)), exchange_(std::make_unique<Exchange>(options_, cancelled_)) {}

Client::~Client() = default;

absl::StatusOr<FetchResponse> Client::Fetch(const FetchRequest& request) {
  RETURN_IF_ERROR(CheckRequest(request));
  ASSIGN_OR_RETURN(const Url url, ParseUrl(request.url));
  if (cancelled_.load()) return absl::CancelledError("stopped");
  try {
    return exchange_->Run(request, url);
  } catch (const std::exception& error) {
    exchange_ = std::make_unique<Exchange>(options_, cancelled_);
    return absl::UnavailableError(fmt::format("{}: {}", FormatAuthority(url), error.what()));
  }
}

absl::StatusOr<FetchResponse> Client::Open(const FetchRequest& request) {
  RETURN_IF_ERROR(CheckRequest(request));
  ASSIGN_OR_RETURN(const Url url, ParseUrl(request.url));
  if (cancelled_.load()) return absl::CancelledError("stopped");
  try {
    return exchange_->Open(request, url);
  } catch (const std::exception& error) {
    return absl::UnavailableError(fmt::format("{}: {}", FormatAuthority(url), error.what()));
  }
}

absl::StatusOr<std::string> Client::ReadPiece(std::chrono::milliseconds silence) {
  if (cancelled_.load()) return absl::CancelledError("stopped");
  try {
    return exchange_->ReadPiece(silence);
  } catch (const std::exception& error) {
    return absl::UnavailableError(error.what());
  }
}

void Client::Cancel() {
  cancelled_.store(true);
  exchange_->Interrupt();
}

absl::StatusOr<FetchResponse> Fetch(const FetchRequest& request, const FetchOptions& options) {
  return Client(options).Fetch(request);
}

}  // namespace graven::http
