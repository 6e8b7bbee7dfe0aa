#include "client/connection.h"

#include <algorithm>
#include <string_view>

#include "base/absl_views.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"
#include "io/durable_file.h"
#include "io/file_system.h"

namespace graven::client {
namespace {

constexpr int kReplyBytesMax = 8 << 20;  // the contract says 1 MiB; proofs and details beside it
constexpr size_t kPemBytesMax = 1 << 20;
constexpr int kWriteBufferBytes = 256 << 10;

absl::StatusOr<std::string> ReadPem(const std::string& path, std::string_view what) {
  if (path.empty()) return std::string();
  auto text = io::ReadWholeFile(io::PosixFileSystem(), path, kPemBytesMax);
  if (!text.ok()) {
    return absl::InvalidArgumentError(fmt::format("{}: {}", what, ToStd(text.status().message())));
  }
  return text;
}

bool StaysOnThisMachine(std::string_view address) {
  if (address.starts_with("unix:")) return true;
  const std::string_view host = address.substr(0, address.rfind(':'));
  if (host == "localhost" || host == "[::1]") return true;
  // A name may begin with these digits too: it is not an address then.
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos;
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(
    const ClientOptions& options) {
  if (!options.tls.enabled) {
    if (!options.token.empty() && !StaysOnThisMachine(options.address)) {
      return absl::InvalidArgumentError(
          fmt::format("token: not sent to {} in clear text; switch TLS on", options.address));
    }
    return grpc::InsecureChannelCredentials();
  }
  if (options.tls.certificate_file.empty() != options.tls.key_file.empty()) {
    return absl::InvalidArgumentError("tls: a certificate and its key go together");
  }
  grpc::SslCredentialsOptions ssl;
  ASSIGN_OR_RETURN(ssl.pem_root_certs, ReadPem(options.tls.ca_file, "tls.ca_file"));
  ASSIGN_OR_RETURN(ssl.pem_cert_chain,
                   ReadPem(options.tls.certificate_file, "tls.certificate_file"));
  ASSIGN_OR_RETURN(ssl.pem_private_key, ReadPem(options.tls.key_file, "tls.key_file"));
  return grpc::SslCredentials(ssl);
}

grpc::ChannelArguments MakeArguments(const ClientOptions& options) {
  grpc::ChannelArguments arguments;
  // Without it, all clients of a process with the same arguments would share one connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // the policy of ours knows about ids
  arguments.SetInt(GRPC_ARG_HTTP2_WRITE_BUFFER_SIZE, kWriteBufferBytes);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS,
                   static_cast<int>(absl::ToInt64Milliseconds(options.retry.backoff_first)));
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
                   static_cast<int>(absl::ToInt64Milliseconds(options.retry.backoff_max)));
  arguments.SetMaxReceiveMessageSize(kReplyBytesMax);
  arguments.SetUserAgentPrefix("graven-client");
  if (options.tls.enabled && !options.tls.server_name.empty()) {
    arguments.SetSslTargetNameOverride(options.tls.server_name);
  }
  return arguments;
}

}  // namespace

Connection::Connection(ClientOptions options, std::shared_ptr<grpc::Channel> channel)
    : options_(std::move(options)),
      authorization_(options_.token.empty() ? "" : "Bearer " + options_.token),
      channel_(std::move(channel)),
      ids_(*options_.clock, *options_.random) {}

absl::StatusOr<std::shared_ptr<Connection>> Connection::Make(ClientOptions options) {
  if (options.address.empty()) return absl::InvalidArgumentError("address: is empty");
  if (options.retry.attempts_max < 1) {
    return absl::InvalidArgumentError("retry.attempts_max: at least 1");
  }
  if (options.retry.backoff_first < absl::Milliseconds(1) ||
      options.retry.backoff_max < options.retry.backoff_first) {
    return absl::InvalidArgumentError("retry: backoff_first is 1 ms or more, backoff_max no less");
  }
  for (unsigned char c : options.token) {
    if (c <= ' ' || c > '~') return absl::InvalidArgumentError("token: has a space or worse in it");
  }
  ASSIGN_OR_RETURN(auto credentials, MakeCredentials(options));
  auto channel = grpc::CreateCustomChannel(options.address, credentials, MakeArguments(options));
  return std::make_shared<Connection>(std::move(options), std::move(channel));
}

void Connection::Authorize(grpc::ClientContext* context) const {
  if (!authorization_.empty()) context->AddMetadata("authorization", authorization_);
}

absl::Duration Connection::Backoff(int attempt) const {
  const RetryPolicy& retry = options_.retry;
  absl::Duration wait = retry.backoff_first;
  for (int i = 1; i < attempt && wait < retry.backoff_max; ++i) wait *= 2;
  wait = std::min(wait, retry.backoff_max);
  const double part = static_cast<double>(options_.random->Uint64() >> 11) / (uint64_t{1} << 53);
  return wait * (0.5 + 0.5 * part);
}

}  // namespace graven::client
