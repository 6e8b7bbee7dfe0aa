#pragma once

#include "metrics/registry.h"
#include "web/routes.h"

namespace graven::web {

// GET /metrics: all that the process measures, as OpenMetrics where the Accept header asks for it,
// else as Prometheus text. It names logs, so where identities are configured it wants one.
// `registry` must outlive the routes.
void AddMetricsRoute(metrics::Registry& registry, Routes* routes);

}  // namespace graven::web
