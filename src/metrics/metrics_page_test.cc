#include <fstream>
#include <set>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "metrics/instruments.h"

namespace graven::metrics {
namespace {

TEST(MetricsPage, CommittedPageIsTheTable) {
  std::ifstream file("docs/metrics.md");
  ASSERT_TRUE(file.is_open()) << "run from the root of the project";
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), MetricsPage()) << "graven_metrics_page > docs/metrics.md";
}

TEST(Instruments, NamesAreUniqueAndSayTheirUnit) {
  std::set<std::string_view> names;
  for (const Instrument* row : AllInstruments()) {
    EXPECT_TRUE(names.insert(row->name).second) << row->name;
    EXPECT_TRUE(row->name.starts_with("graven_") || row->name.starts_with("process_")) << row->name;
    EXPECT_EQ(row->kind == Kind::kCounter, row->name.ends_with("_total")) << row->name;
    EXPECT_FALSE(row->help.empty()) << row->name;
    if (row->scale == Scale::kNanosecondsAsSeconds) {
      EXPECT_TRUE(row->name.ends_with("_seconds")) << row->name;
    }
    if (row->kind == Kind::kHistogram) {
      EXPECT_LT(row->first_power, row->last_power) << row->name;
    }
  }
  EXPECT_EQ(names.size(), 62u);
}

}  // namespace
}  // namespace graven::metrics
