#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/append_door.h"
#include "engine/publication_hub.h"
#include "engine/scrub_loop.h"
#include "engine/witness_facts.h"
#include "json/message_types.h"
#include "ledger/ledger.h"
#include "sequencer/sequencer.h"
#include "web/routes.h"

// The JSON API (docs/http.md, openapi.json): logs, records, proofs, status, and events in. Numbers
// of 64 bits are strings, bytes base64, times RFC 3339; hashes go in as hex or base64.
namespace graven::web {

// Where the same logs are spoken to by gRPC, and with what.
struct GrpcFacts {
  std::string host;  // "": the one of this API
  uint16_t port = 0;
  bool tls = false;
  // With both, either of them is enough.
  bool token = false;
  bool client_certificate = false;
};

// What the API stands on. All outlive it.
struct ApiParts {
  ledger::Ledger& ledger;
  sequencer::Sequencer& sequencer;
  engine::PublicationHub& hub;
  engine::PublicationHub& cosigned_hub;
  engine::AppendDoor& door;
  const json::MessageTypes& types;
  const engine::ScrubLoop& scrub;
  // Asked at each GET /status, on any thread; empty without witnesses.
  std::function<std::vector<engine::WitnessFacts>()> witnesses;
  std::string version;
  int64_t started_at_ns = 0;
  std::optional<GrpcFacts> grpc = std::nullopt;  // none: on no port
};

// Adds the routes. Reads may block on the disk and, below the durable size, for the publication;
// appends are answered later, on a thread of the door.
void AddApiRoutes(ApiParts parts, Routes* routes);

// The document that describes all of it (OpenAPI 3.1).
std::string_view OpenApiDocument();

}  // namespace graven::web
