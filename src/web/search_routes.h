#pragma once

#include "search/searches.h"
#include "web/routes.h"

namespace graven::web {

// GET /logs/{log}/search, facets, histogram and statement (docs/search.md). The work is done on the
// threads of `searches`, which must outlive the routes.
void AddSearchRoutes(search::Searches& searches, Routes* routes);

}  // namespace graven::web
