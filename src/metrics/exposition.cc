#include "metrics/exposition.h"

#include <fmt/format.h>
#include <prometheus/metric_family.h>

#include <charconv>
#include <cmath>

namespace graven::metrics {
namespace {

constexpr std::string_view kTotal = "_total";

std::string Number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

std::string Escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || (quotes && c == '"')) out += '\\';
    out += c;
  }
  return out;
}

// Writes one family.
class FamilyText {
 public:
  FamilyText(const prometheus::MetricFamily& family, TextFormat format, std::string* out)
      : family_(family), format_(format), out_(*out) {}

  void Write() {
    // In OpenMetrics the family of a counter has no _total, its sample has.
    std::string name = family_.name;
    const bool counter = family_.type == prometheus::MetricType::Counter;
    if (format_ == TextFormat::kOpenMetrics && counter && name.ends_with(kTotal)) {
      name.resize(name.size() - kTotal.size());
    }
    out_ +=
        fmt::format("# HELP {} {}\n# TYPE {} {}\n", name,
                    Escaped(family_.help, format_ == TextFormat::kOpenMetrics), name, TypeName());
    for (const prometheus::ClientMetric& metric : family_.metric) WriteMetric(metric);
  }

 private:
  std::string_view TypeName() const {
    switch (family_.type) {
      case prometheus::MetricType::Counter:
        return "counter";
      case prometheus::MetricType::Gauge:
        return "gauge";
      case prometheus::MetricType::Histogram:
        return "histogram";
      default:
        return format_ == TextFormat::kOpenMetrics ? "unknown" : "untyped";
    }
  }

  void WriteMetric(const prometheus::ClientMetric& metric) {
    switch (family_.type) {
      case prometheus::MetricType::Counter:
        return Sample("", metric, "", metric.counter.value);
      case prometheus::MetricType::Gauge:
        return Sample("", metric, "", metric.gauge.value);
      case prometheus::MetricType::Histogram:
        return WriteHistogram(metric);
      default:
        return;  // the registry makes no others
    }
  }

  void WriteHistogram(const prometheus::ClientMetric& metric) {
    for (const auto& bucket : metric.histogram.bucket) {
      Sample("_bucket", metric, Number(bucket.upper_bound),
             static_cast<double>(bucket.cumulative_count));
    }
    Sample("_sum", metric, "", metric.histogram.sample_sum);
    Sample("_count", metric, "", static_cast<double>(metric.histogram.sample_count));
  }

  void Sample(std::string_view suffix, const prometheus::ClientMetric& metric, std::string_view le,
              double value) {
    std::string labels;
    for (const auto& label : metric.label) {
      labels += fmt::format("{}{}=\"{}\"", labels.empty() ? "" : ",", label.name,
                            Escaped(label.value, true));
    }
    if (!le.empty()) labels += fmt::format("{}le=\"{}\"", labels.empty() ? "" : ",", le);
    out_ += fmt::format("{}{}{}{}{} {}\n", family_.name, suffix, labels.empty() ? "" : "{", labels,
                        labels.empty() ? "" : "}", Number(value));
  }

  const prometheus::MetricFamily& family_;
  const TextFormat format_;
  std::string& out_;
};

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string_view TakeUntil(std::string_view* rest, char border) {
  const size_t end = std::min(rest->find(border), rest->size());
  const std::string_view piece = rest->substr(0, end);
  rest->remove_prefix(std::min(end + 1, rest->size()));
  return Trimmed(piece);
}

// The weight of one entry of an Accept header; 1 when it says nothing, 0 when it cannot be read.
double Weight(std::string_view parameters) {
  while (!parameters.empty()) {
    const std::string_view parameter = TakeUntil(&parameters, ';');
    if (!parameter.starts_with("q=")) continue;
    double weight = 0;
    const std::string_view number = parameter.substr(2);
    const auto read = std::from_chars(number.data(), number.data() + number.size(), weight);
    return read.ec == std::errc() ? weight : 0;
  }
  return 1;
}

}  // namespace

TextFormat ChooseFormat(std::string_view accept) {
  double open_metrics = 0, plain = 0;
  while (!accept.empty()) {
    std::string_view entry = TakeUntil(&accept, ',');
    const std::string_view type = TakeUntil(&entry, ';');
    const double weight = Weight(entry);
    if (type == "application/openmetrics-text") open_metrics = std::max(open_metrics, weight);
    if (type == "text/plain") plain = std::max(plain, weight);
  }
  return open_metrics > 0 && open_metrics >= plain ? TextFormat::kOpenMetrics
                                                   : TextFormat::kPrometheus;
}

std::string_view ContentType(TextFormat format) {
  return format == TextFormat::kOpenMetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

std::string FormatFamilies(const std::vector<prometheus::MetricFamily>& families,
                           TextFormat format) {
  std::string out;
  for (const prometheus::MetricFamily& family : families) FamilyText(family, format, &out).Write();
  if (format == TextFormat::kOpenMetrics) out += "# EOF\n";
  return out;
}

}  // namespace graven::metrics
