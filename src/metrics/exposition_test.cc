#include "metrics/exposition.h"

#include <prometheus/metric_family.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace graven::metrics {
namespace {

using testing::HasSubstr;

prometheus::MetricFamily CounterFamily(const std::string& label_value) {
  prometheus::MetricFamily family{
      "a_total", "line\nand \"quotes\"", prometheus::MetricType::Counter, {}};
  prometheus::ClientMetric metric;
  metric.label = {{"log", label_value}};
  metric.counter.value = 3;
  family.metric.push_back(metric);
  return family;
}

TEST(ChooseFormat, OpenMetricsOnlyWhereItIsAskedForAsMuchAsText) {
  // As Prometheus 2.42 asks.
  EXPECT_EQ(ChooseFormat("application/openmetrics-text;version=1.0.0,application/"
                         "openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/"
                         "*;q=0.1"),
            TextFormat::kOpenMetrics);
  EXPECT_EQ(ChooseFormat(""), TextFormat::kPrometheus);
  EXPECT_EQ(ChooseFormat("*/*"), TextFormat::kPrometheus);
  EXPECT_EQ(ChooseFormat("text/plain, application/openmetrics-text;q=0.5"),
            TextFormat::kPrometheus);
  EXPECT_EQ(ChooseFormat("application/openmetrics-text;q=0"), TextFormat::kPrometheus);
  EXPECT_EQ(ChooseFormat("application/openmetrics-text;q=nonsense"), TextFormat::kPrometheus);
  EXPECT_EQ(ChooseFormat(std::string(100'000, ';')), TextFormat::kPrometheus);
}

TEST(FormatFamilies, OpenMetricsTakesTotalFromTheFamilyAndEndsWithEof) {
  EXPECT_EQ(FormatFamilies({CounterFamily("default")}, TextFormat::kOpenMetrics),
            "# HELP a line\\nand \\\"quotes\\\"\n# TYPE a counter\na_total{log=\"default\"} 3\n"
            "# EOF\n");
  EXPECT_EQ(FormatFamilies({CounterFamily("default")}, TextFormat::kPrometheus),
            "# HELP a_total line\\nand \"quotes\"\n# TYPE a_total counter\n"
            "a_total{log=\"default\"} 3\n");
}

TEST(FormatFamilies, LabelValueCannotLeaveItsQuotes) {
  EXPECT_THAT(FormatFamilies({CounterFamily("x\"} 1\nevil 2\\")}, TextFormat::kPrometheus),
              HasSubstr("a_total{log=\"x\\\"} 1\\nevil 2\\\\\"} 3\n"));
}

TEST(FormatFamilies, HistogramHasBucketsSumAndCount) {
  prometheus::MetricFamily family{"h_seconds", "h", prometheus::MetricType::Histogram, {}};
  prometheus::ClientMetric metric;
  metric.histogram.sample_count = 2;
  metric.histogram.sample_sum = 0.5;
  metric.histogram.bucket = {{1, 0.25}, {2, std::numeric_limits<double>::infinity()}};
  family.metric.push_back(metric);
  EXPECT_EQ(FormatFamilies({family}, TextFormat::kOpenMetrics),
            "# HELP h_seconds h\n# TYPE h_seconds histogram\nh_seconds_bucket{le=\"0.25\"} 1\n"
            "h_seconds_bucket{le=\"+Inf\"} 2\nh_seconds_sum 0.5\nh_seconds_count 2\n# EOF\n");
}

}  // namespace
}  // namespace graven::metrics
