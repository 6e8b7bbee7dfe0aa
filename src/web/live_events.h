#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "engine/publication_hub.h"
#include "ledger/ledger.h"
#include "search/admission.h"
#include "search/live_filter.h"
#include "web/routes.h"

// Records as they are published, as server-sent events (WHATWG HTML, section 9.2), for pages and
// scripts:
//
//   GET /logs/{log}/live?from=<index>|now&q=<query>      default: now, all records
//
//   hello       once: {"log", "origin", "vkey", "genesisHash", "version", "size", "durableSize"}
//   rows        {"first", "records": [base64 of the exact bytes, ...]}, at most 256; the id of the
//               event is the index after the last, where Last-Event-ID goes on after a lost
//               connection
//               with a query {"records": [{"index", "record"}, ...], "next"}: what matches, and
//               the index up to which all has been looked at; empty, once a second, where
//               nothing does
//   checkpoint  {"level": "published" or "cosigned", "size", "note"}: what was signed last
//   stats       {"size", "durableSize", "rate"}, once a second while something changes; the rate is
//               records published a second
//   gap         {"from", "to"}: whoever is more than 10,000 records behind reads those
//               [from, to) with GET /logs/{log}/records; what follows goes on at `to`
//
// A line of comment at least every 15 s. Whoever reads slowly gets fewer and larger pieces, and
// costs nobody else anything: a stream holds no records, only its place.
namespace graven::web {

// What live events stand on. All outlive the routes.
struct LiveParts {
  const ledger::Ledger& ledger;
  engine::PublicationHub& hub;
  Clock& clock;
  search::LiveFilters& filters;
  std::string version;
  // Of all who follow a log with a query, by whatever door; null: without limit.
  search::Admission* followers = nullptr;
};

void AddLiveRoute(LiveParts parts, Routes* routes);

}  // namespace graven::web
