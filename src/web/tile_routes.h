#pragma once

#include "ledger/ledger.h"
#include "web/routes.h"

namespace graven::web {

// The static read tree of each log (C2SP tlog-tiles), which all third-party verifiers read:
//
//   /logs/{log}/checkpoint                     no-cache
//   /logs/{log}/tile/<L>/<N>[.p/<W>]           hashes; full ones immutable, partial ones no-cache
//   /logs/{log}/tile/entries/<N>[.p/<W>]       records, each behind its length; the same
//
// Only canonical paths, and nothing beyond the checkpoint that is served (with a quorum of
// witnesses configured, the newest that meets it), are there; the rest is 404. Partial tiles stay
// when the full one exists. `ledger` must outlive the routes.
void AddTileRoutes(const ledger::Ledger& ledger, Routes* routes);

}  // namespace graven::web
