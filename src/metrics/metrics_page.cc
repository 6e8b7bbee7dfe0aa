#include <fmt/format.h>

#include <cmath>

#include "metrics/instruments.h"

namespace graven::metrics {
namespace {

std::string_view KindText(Kind kind) {
  switch (kind) {
    case Kind::kCounter:
      return "counter";
    case Kind::kGauge:
      return "gauge";
    case Kind::kHistogram:
      return "histogram";
  }
  return "";
}

std::string Buckets(const Instrument& instrument) {
  if (instrument.kind != Kind::kHistogram) return "";
  const double scale = instrument.scale == Scale::kNanosecondsAsSeconds ? 1e-9 : 1;
  return fmt::format(" Buckets double from {:.3g} to {:.3g}.",
                     std::ldexp(scale, instrument.first_power),
                     std::ldexp(scale, instrument.last_power));
}

}  // namespace

std::string MetricsPage() {
  std::string page =
      "# Metrics\n\n"
      "Made from `src/metrics/instruments.cc` by `graven_metrics_page`; a test holds the two "
      "together. A server shows\nthem at `/metrics` of its HTTP address, as OpenMetrics where the "
      "request asks for it and else as Prometheus\ntext. Alert rules and a dashboard over them are "
      "in `deploy/`. Times are in seconds, sizes in bytes. A metric has\nat most 2,000 series; "
      "what is beyond that is counted in `graven_metric_series_dropped`.\n\n"
      "| name | kind | labels | what it says |\n|---|---|---|---|\n";
  for (const Instrument* row : AllInstruments()) {
    page += fmt::format("| `{}` | {} | {} | {}{} |\n", row->name, KindText(row->kind), row->labels,
                        row->help, Buckets(*row));
  }
  return page;
}

}  // namespace graven::metrics
