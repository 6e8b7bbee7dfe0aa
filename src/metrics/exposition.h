#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace prometheus {
struct MetricFamily;
}

// The two texts that Prometheus reads.
namespace graven::metrics {

enum class TextFormat { kPrometheus, kOpenMetrics };

// OpenMetrics when the Accept header names it with a weight above 0, and no smaller one than
// text/plain; else Prometheus text.
TextFormat ChooseFormat(std::string_view accept);

std::string_view ContentType(TextFormat format);

// Of a family without a series, name, type and help are there.
std::string FormatFamilies(const std::vector<prometheus::MetricFamily>& families,
                           TextFormat format);

}  // namespace graven::metrics
