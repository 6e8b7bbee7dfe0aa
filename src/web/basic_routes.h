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
// `ledger` must outlive the routes.
void AddBasicRoutes(const ledger::Ledger& ledger, Routes* routes);

// Of a program that was built without the page: `/` says which logs there are and where.
void AddPlainFrontPage(const ledger::Ledger& ledger, std::string version, Routes* routes);

}  // namespace graven::web
