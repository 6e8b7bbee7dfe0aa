#include "web/metrics_route.h"

#include <string>
#include <utility>

namespace graven::web {

void AddMetricsRoute(metrics::Registry& registry, Routes* routes) {
  routes->Add({"GET", "/metrics", Directly([&registry](const Call& call) {
                 metrics::Exposition exposition =
                     registry.Expose(call.request.Find("accept").value_or(""));
                 http::Response response;
                 response.content_type = std::move(exposition.content_type);
                 response.cache_control = "no-store";
                 response.compressible = true;
                 response.body = std::move(exposition.body);
                 return response;
               })});
}

}  // namespace graven::web
