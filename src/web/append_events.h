#pragma once

#include <cstddef>

#include "http/server.h"
#include "web/api_routes.h"
#include "web/routes.h"

namespace graven::web {

inline constexpr size_t kEventsBodyBytesMax = size_t{4} << 20;
// The JSON of one event: one of 65,000 bytes, every byte of it escaped, fits.
inline constexpr size_t kEventJsonBytesMax = size_t{1} << 20;

// POST /logs/<log>/events: one event (application/json) or one a line (application/jsonl,
// application/x-ndjson), all or none. The same text makes the same bytes, so that a retry with the
// same event ids finds the receipts of the first time. Answers on a thread of the door.
void AppendEvents(const ApiParts& parts, const Call& call, http::Responder responder);

}  // namespace graven::web
