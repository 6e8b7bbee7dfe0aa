#pragma once

#include <string>

#include "ledger/ledger.h"
#include "web/routes.h"

namespace graven::web {

// For whoever watches over the process, without an identity:
//
//   /healthz   200 as long as it answers at all
//   /readyz    200 while events are taken, 503 and one word of why when not
//
// and for people who come with a browser, the page at `/`: which logs there are and where. `ledger`
// must outlive the routes.
void AddBasicRoutes(const ledger::Ledger& ledger, std::string version, Routes* routes);

}  // namespace graven::web
