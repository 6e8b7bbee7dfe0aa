#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "ledger/ledger.h"
#include "metrics/registry.h"
#include "record/rules.h"
#include "search/searches.h"
#include "server/configuration.h"
#include "server/listen_address.h"
#include "service/grpc_server.h"
#include "upkeep/life_log.h"
#include "upkeep/operational_log.h"
#include "upkeep/time_stamper.h"

// What the configuration says, in the words of the rooms that go by it.
namespace graven::server {

// Where gRPC listens: one address after the other, each found safe, and its lock.
struct Listening {
  std::vector<service::GrpcListen> addresses;
  std::vector<std::unique_ptr<UnixSocketLock>> locks;
};

// kInvalidArgument: as ParseAllowedAddress. kNotFound: names the file that cannot be read.
// kFailedPrecondition: another server has the socket.
absl::StatusOr<Listening> PrepareListening(const Configuration& configuration);

ledger::LedgerOptions MakeLedgerOptions(const Configuration& configuration,
                                        const record::RuleContext& rules);

// All that is pointed to must outlive the engine.
engine::EngineOptions MakeEngineOptions(const Configuration& configuration,
                                        metrics::Registry* metrics, upkeep::SystemEvents* events,
                                        upkeep::OperationalLog* log);

service::GrpcServerOptions MakeServerOptions(const Configuration& configuration,
                                             const record::RuleContext& rules,
                                             std::vector<service::GrpcListen> listen);

upkeep::LifeLog::Facts MakeLifeFacts(const Configuration& configuration,
                                     const search::Searches& searches);

// kNotFound, kInvalidArgument: of the certificates.
absl::StatusOr<upkeep::TimeStampSettings> ReadTimeStampSettings(const Configuration& configuration);

}  // namespace graven::server
