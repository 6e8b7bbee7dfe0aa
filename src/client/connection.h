#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/client_options.h"
#include "client/event_id_source.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"

namespace graven::client {

// What everything that talks to one server shares: the channel (one TCP connection of its own), the
// credentials, the source of ids. Thread-safe.
class Connection {
 public:
  static absl::StatusOr<std::shared_ptr<Connection>> Make(ClientOptions options);

  Connection(ClientOptions options, std::shared_ptr<grpc::Channel> channel);

  const ClientOptions& options() const { return options_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  EventIdSource& ids() { return ids_; }

  // Adds what every call carries: the token.
  void Authorize(grpc::ClientContext* context) const;

  // The wait before try number `attempt` (1: the second), shortened at random by up to a half.
  absl::Duration Backoff(int attempt) const;

 private:
  const ClientOptions options_;
  const std::string authorization_;
  const std::shared_ptr<grpc::Channel> channel_;
  EventIdSource ids_;
};

}  // namespace graven::client
