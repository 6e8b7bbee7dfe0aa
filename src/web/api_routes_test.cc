#include "web/api_routes.h"

#include <gtest/gtest.h>

#include "json/strict_json.h"

namespace graven::web {
namespace {

TEST(OpenApiDocument, IsTheFileAndIsJson) {
  EXPECT_TRUE(OpenApiDocument().starts_with("{\n \"openapi\": \"3.1.0\","));
  EXPECT_TRUE(OpenApiDocument().ends_with("}\n"));
  constexpr std::string_view kFree[] = {"paths", "components"};
  EXPECT_TRUE(json::CheckStrictJson(OpenApiDocument(), kFree).ok());
}

}  // namespace
}  // namespace graven::web
