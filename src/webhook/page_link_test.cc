#include "webhook/page_link.h"

#include <gtest/gtest.h>

namespace graven::webhook {
namespace {

TEST(PageLink, APageIsAUrlWithoutAQuery) {
  EXPECT_EQ(*ParsePageUrl("https://audit.example"), "https://audit.example");
  EXPECT_EQ(*ParsePageUrl("http://audit.example:8080/graven/"), "http://audit.example:8080/graven");
  for (const char* wrong :
       {"", "audit.example", "ftp://audit.example", "https://audit.example/?x=1",
        "https://audit.example/#/default", "https://u:p@audit.example/"}) {
    EXPECT_EQ(ParsePageUrl(wrong).status().code(), absl::StatusCode::kInvalidArgument) << wrong;
  }
}

TEST(PageLink, LinksAreThoseOfThePage) {
  EXPECT_EQ(LinkToRecord("https://a.example/g", "default", 42),
            "https://a.example/g/#/default/record/42");
  EXPECT_EQ(LinkToTrust("https://a.example", "default"), "https://a.example/#/default/trust");
  EXPECT_EQ(LinkToMatches("https://a.example", "default", "v1: outcome:denied", 4, 9),
            "https://a.example/#/default/explore?q=(outcome:denied)%20index:4..9");
  EXPECT_EQ(LinkToMatches("https://a.example", "default", "v1:", 4, 9),
            "https://a.example/#/default/explore?q=index:4..9");
  EXPECT_EQ(LinkToMatches("https://a.example", "_system", "v1: \"a&b#c\"", 0, 1),
            "https://a.example/#/_system/explore?q=(%22a%26b%23c%22)%20index:0..1");
}

TEST(PageLink, AQueryThatIsTooLongIsLeftOut) {
  const std::string link =
      LinkToMatches("https://a.example", "default", "v1: " + std::string(2000, 'x'), 4, 9);
  EXPECT_EQ(link, "https://a.example/#/default/explore?q=index:4..9");
}

}  // namespace
}  // namespace graven::webhook
