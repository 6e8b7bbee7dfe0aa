#pragma once

#include <memory>

#include "base/clock.h"
#include "engine/engine.h"
#include "ledger/ledger.h"
#include "metrics/registry.h"
#include "server/http_door.h"
#include "service/grpc_server.h"

namespace graven::server {

// Sets the metrics that are only looked up when somebody asks for them: state of the ledger and its
// logs, disk, queue, tailers, HTTP, the process. From construction to destruction; what it is given
// must live as long.
class ServerMetrics {
 public:
  ServerMetrics(metrics::Registry& registry, ledger::Ledger& ledger, engine::Engine& engine,
                const service::GrpcServer& server, const HttpDoor& http, Clock& clock);
  ~ServerMetrics();
  ServerMetrics(const ServerMetrics&) = delete;
  ServerMetrics& operator=(const ServerMetrics&) = delete;

 private:
  class Collection;
  const std::unique_ptr<Collection> collection_;
};

}  // namespace graven::server
