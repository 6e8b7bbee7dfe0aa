#include "http/target.h"

#include <gtest/gtest.h>

#include "fmt/format.h"

namespace graven::http {
namespace {

TEST(TargetTest, PathAndQueryAreSplit) {
  const auto target = ParseTarget("/logs/a/records?first=1&count=2");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/logs/a/records");
  EXPECT_EQ(target->query, "first=1&count=2");
  EXPECT_EQ(ParseTarget("/")->path, "/");
  EXPECT_EQ(ParseTarget("/logs/")->path, "/logs/");
}

TEST(TargetTest, ParametersAreDecodedAndWrongOnesNamed) {
  const auto parameters = ParseQuery("a=x+y&b=%22%2B%22&c&");
  ASSERT_TRUE(parameters.ok());
  EXPECT_EQ(*parameters, (Parameters{{"a", "x y"}, {"b", "\"+\""}, {"c", ""}}));
  for (const std::string query : {"a=%", "a=%zz", "a=%00", "%zz=1", "a=1&a=2", "a=1&%61=2"}) {
    EXPECT_EQ(ParseQuery(query).status().code(), absl::StatusCode::kInvalidArgument) << query;
  }
  std::string many;
  for (int i = 0; i < 33; ++i) many += fmt::format("p{}=1&", i);
  EXPECT_EQ(ParseQuery(many).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(TargetTest, PrefixIsCanonical) {
  for (const char* prefix : {"", "/a", "/a/b-c"}) EXPECT_TRUE(CheckPathPrefix(prefix).ok());
  for (const char* prefix : {"/", "a", "/a/", "/a//b", "/a/../b", "/a b", "/a?b"}) {
    EXPECT_EQ(CheckPathPrefix(prefix).code(), absl::StatusCode::kInvalidArgument) << prefix;
  }
}

TEST(ReadTarget, TakesThePrefixOffAndRefusesWhatIsNotBelowIt) {
  const auto read = [](std::string_view target, std::string_view prefix) {
    Request request;
    const std::optional<Refusal> refusal = ReadTarget(target, 20, prefix, &request);
    return refusal ? std::to_string(refusal->status) : request.path + " " + request.query;
  };
  EXPECT_EQ(read("/a/b?c=d", ""), "/a/b c=d");
  EXPECT_EQ(read("/a/b?c=d", "/a"), "/b c=d");
  EXPECT_EQ(read("/a", "/a"), "/ ");
  EXPECT_EQ(read("/a/", "/a"), "/ ");
  EXPECT_EQ(read("/ab", "/a"), "404");
  EXPECT_EQ(read("/", "/a"), "404");
  EXPECT_EQ(read("/a//b", ""), "400");
  EXPECT_EQ(read("/a/../b", "/a"), "400");
  EXPECT_EQ(read("/" + std::string(20, 'a'), ""), "414");
}

}  // namespace
}  // namespace graven::http
