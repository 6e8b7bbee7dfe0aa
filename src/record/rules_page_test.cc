#include <fstream>
#include <sstream>

#include "gtest/gtest.h"
#include "record/rules.h"

namespace graven::record {
namespace {

TEST(RulesPage, CommittedPageIsTheTable) {
  std::ifstream file("docs/rules.md");
  ASSERT_TRUE(file.is_open()) << "run from the root of the project";
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), RulesPage()) << "graven_rules_page > docs/rules.md";
}

}  // namespace
}  // namespace graven::record
