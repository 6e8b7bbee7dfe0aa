#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/text_safety.h"
#include "fmt/format.h"
#include "query/address.h"
#include "query/expression.h"
#include "query/parser.h"
#include "query/quoted.h"
#include "query/text.h"
#include "query/time_literal.h"

namespace graven::query {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string CanonicalOf(std::string_view text) {
  absl::StatusOr<Query> query = Parse(text);
  if (!query.ok()) return std::string(query.status().message());
  const std::string canonical = Canonical(*query);
  absl::StatusOr<Query> again = Parse(canonical);
  EXPECT_TRUE(again.ok()) << canonical << ": " << again.status();
  if (again.ok()) {
    EXPECT_TRUE(*again == *query) << text << " -> " << canonical << " -> " << Canonical(*again);
  }
  return canonical;
}

TEST(Language, EachConstructHasOneSpelling) {
  const std::vector<std::pair<std::string, std::string>> kCases = {
      {"", "v1:"},
      {"  ", "v1:"},
      {"v1:", "v1:"},
      {"actor:ann", "v1: actor.id:ann"},
      {"v1: actor:ann", "v1: actor.id:ann"},
      {"a AND b", "v1: a b"},
      {"a b OR c", "v1: a b OR c"},
      {"a (b OR c)", "v1: a (b OR c)"},
      {"NOT a b", "v1: NOT a b"},
      {"NOT (a b)", "v1: NOT (a b)"},
      {"NOT NOT a", "v1: a"},
      {"NOT (NOT a)", "v1: a"},
      {"((a))", "v1: a"},
      {"(a b) c", "v1: a b c"},
      {"(a OR b) OR c", "v1: a OR b OR c"},
      {"action:(read OR write)", "v1: action:read OR action:write"},
      {"action:invoice.*", "v1: action:invoice.*"},
      {"action:*", "v1: action:*"},
      {"action:\"a b\"*", "v1: action:\"a b\"*"},
      {"action:\"plain\"", "v1: action:plain"},
      {"action:\"\\u0041\\n\\\"\"", "v1: action:\"A\\u000a\\\"\""},
      {"action:AND", "v1: action:\"AND\""},
      {"service:\"\"", "v1: service:\"\""},
      {"text:AND", "v1: text:AND"},
      {"text:foo", "v1: foo"},
      {"index:<=9223372036854775807", "v1: index:..9223372036854775808"},
      {"index:9223372036854775807", "v1: index:9223372036854775807..9223372036854775808"},
      {"text:a:b", "v1: text:a:b"},
      {"\"a phrase\"", "v1: \"a phrase\""},
      {"invoi*", "v1: invoi*"},
      {"reason:(time out*)", "v1: reason:time reason:out*"},
      {"label.env:prod", "v1: label.env:prod"},
      {"label.\"a b\":x", "v1: label.\"a b\":x"},
      {"outcome:denied", "v1: outcome:denied"},
      {"outcome:3", "v1: outcome:denied"},
      {"outcome:17", "v1: outcome:17"},
      {"ip:10.1.2.3/8", "v1: ip:10.0.0.0/8"},
      {"ip:2001:DB8:0::1", "v1: ip:2001:db8::1"},
      {"ip:2001:db8:ffff::/33", "v1: ip:2001:db8:8000::/33"},
      {"ip:::ffff:1.2.3.4", "v1: ip:1.2.3.4"},
      {"ip:\"10.0.0.1\"", "v1: ip:\"10.0.0.1\""},
      {"ip:\"a/b\"", "v1: ip:\"a/b\""},
      {"ip:s3.example", "v1: ip:s3.example"},
      {"index:17", "v1: index:17..18"},
      {"index:>=17", "v1: index:>=17"},
      {"index>=0", "v1: index:>=0"},
      {"index<=17", "v1: index:..18"},
      {"index:5..", "v1: index:>=5"},
      {"index:(1 OR 3..4)", "v1: index:1..2 OR index:3..4"},
      {"time:2026-03-01", "v1: time:2026-03-01T00:00:00Z..2026-03-02T00:00:00Z"},
      {"time:2026-12", "v1: time:2026-12-01T00:00:00Z..2027-01-01T00:00:00Z"},
      {"time:2026", "v1: time:2026-01-01T00:00:00Z..2027-01-01T00:00:00Z"},
      {"time:>=2026-03-01+01:00", "v1: time:>=2026-02-28T23:00:00Z"},
      {"time<=2026-03-01", "v1: time:..2026-03-02T00:00:00Z"},
      {"occurred:2026-03-01T10:15..2026-03-01T11:00-01:00",
       "v1: occurred:2026-03-01T10:15:00Z..2026-03-01T12:00:00Z"},
      {"time:2026-03-01T10:15:30.5", "v1: time:2026-03-01T10:15:30.500Z..2026-03-01T10:15:30.600Z"},
  };
  for (const auto& [text, canonical] : kCases) EXPECT_EQ(CanonicalOf(text), canonical) << text;
}

TEST(Language, HiddenCharactersAreEscapedWhereverTheyStand) {
  for (const std::string_view hidden :
       {"\u061c", "\u200b", "\u200d", "\u200f", "\u2028", "\u2029", "\u202a", "\u202e", "\u2066",
        "\u2069", "\ufeff", "\u0080", "\u0085", "\u009f", "\u00ad"}) {
    uint32_t code_point = 0;
    DecodeUtf8(hidden, &code_point);
    const std::string escape = fmt::format("\\u{:04x}", code_point);
    const std::string value = fmt::format("a{}b", hidden);
    const std::string shown = fmt::format("\"a{}b\"", escape);
    for (const std::string_view before : {"actor.id:", "action:", "label.k:", "ip:", ""}) {
      // Raw, raw in quotes, and as an escape: one spelling. Words alone have no quotes.
      if (!before.empty()) {
        EXPECT_EQ(CanonicalOf(fmt::format("{}{}", before, value)),
                  fmt::format("v1: {}{}", before, shown));
      }
      EXPECT_EQ(CanonicalOf(fmt::format("{}\"{}\"", before, value)),
                fmt::format("v1: {}{}", before, shown));
      EXPECT_EQ(CanonicalOf(fmt::format("{}{}", before, shown)),
                fmt::format("v1: {}{}", before, shown));
    }
    EXPECT_EQ(CanonicalOf(fmt::format("action:{}*", value)), fmt::format("v1: action:{}*", shown));
    EXPECT_EQ(CanonicalOf(fmt::format("label.a{}b:x", hidden)),
              fmt::format("v1: label.{}:x", shown));
    EXPECT_FALSE(HasHidden(CanonicalOf(value))) << escape;
    EXPECT_FALSE(HasHidden(CanonicalOf(fmt::format("reason:{}*", value)))) << escape;
  }
  EXPECT_EQ(CanonicalOf("action:\"a\xF3\xA0\x81\xA7\""), "v1: action:\"a\\udb40\\udc67\"");
  EXPECT_EQ(CanonicalOf("action:\"\\u007f\\u0000\""), "v1: action:\"\\u007f\\u0000\"");
  // Words: what folding leaves out is left out, what parts words goes on to do so.
  EXPECT_EQ(CanonicalOf("ad\u200bmin"), "v1: admin");
  EXPECT_EQ(CanonicalOf("ad\u2028min"), "v1: ad-min");
  EXPECT_EQ(CanonicalOf("text:\u202eAND"), "v1: text:AND");
  EXPECT_THAT(CanonicalOf("text:\u200b>=5"), HasSubstr("a greater and a less"));
  EXPECT_THAT(CanonicalOf("\u200b"), HasSubstr("no letter or digit"));
  // All others stay as they are.
  EXPECT_EQ(CanonicalOf("actor:M\u00fcller"), "v1: actor.id:M\u00fcller");
  EXPECT_EQ(CanonicalOf("actor:\u0430dmin"), "v1: actor.id:\u0430dmin");
}

TEST(Language, WhatWasMeantIsNamed) {
  EXPECT_THAT(CanonicalOf("outcome:DENIED"), HasSubstr("did you mean denied?"));
  EXPECT_THAT(CanonicalOf("outcome:OUTCOME_SUCCESS"), HasSubstr("did you mean success?"));
  EXPECT_THAT(CanonicalOf("outcome:good"), Not(HasSubstr("did you mean")));
  EXPECT_THAT(CanonicalOf("Actor:ann"), HasSubstr("did you mean actor.id?"));
  EXPECT_THAT(CanonicalOf("Who:ann"), Not(HasSubstr("did you mean")));
}

TEST(Language, TermsOfTargetsSideBySideMeanOneTarget) {
  EXPECT_EQ(CanonicalOf("target.type:x action:a target:y"),
            "v1: target.type:x target.id:y action:a");
  EXPECT_EQ(CanonicalOf("target.type:x (target.id:y)"), "v1: target.type:x (target.id:y)");
  EXPECT_EQ(CanonicalOf("(target.type:x) target.id:y"), "v1: target.type:x (target.id:y)");
  EXPECT_EQ(CanonicalOf("target.type:x target.id:(y OR z w)"),
            "v1: target.type:x target.id:(y OR z w)");
  EXPECT_EQ(CanonicalOf("target.id:((y OR z) w)"), "v1: target.id:(y OR z) target.id:w");
  EXPECT_EQ(CanonicalOf("target.type:x target.id:(y OR NOT z)"),
            "v1: target.type:x (target.id:y OR NOT target.id:z)");
  EXPECT_EQ(CanonicalOf("target.type:x NOT target.id:y"), "v1: target.type:x NOT target.id:y");
  EXPECT_EQ(CanonicalOf("NOT (target.type:x target.id:y)"), "v1: NOT (target.type:x target.id:y)");
  EXPECT_EQ(CanonicalOf("target.id:a OR target.id:b"), "v1: target.id:a OR target.id:b");
  EXPECT_EQ(CanonicalOf("NOT NOT target.id:a target.id:b"), "v1: target.id:a (target.id:b)");
}

TEST(Language, WhatIsWrongIsSaidAtItsColumn) {
  const std::vector<std::pair<std::string, std::string>> kCases = {
      {"action:a actr:b", "column 10: there is no field \"actr\""},
      {"\xC3\xBC\xC3\xBC actr:b", "column 4: there is no field"},
      {"http://x", "column 1: there is no field \"http\""},
      {"a (b", "column 3: there is no ) for this ("},
      {"a b)", "column 4: there is no ( for this )"},
      {"()", "column 2: a term is missing"},
      {"a AND", "column 6: a term is missing"},
      {"a OR OR b", "column 6: a term is missing before OR"},
      {"AND a", "column 1: a term is missing before AND"},
      {"NOT", "column 4: a term is missing"},
      {"a \"b", "column 3: the closing quote is missing"},
      {"a \"b\\x\"", "column 5: not an escape"},
      {"\"\\ud800\"", "column 2: not an escape"},
      {"a\"b\"", "column 2: a space is missing before this quote"},
      {"\"b\"a", "column 4: a space is missing here"},
      {"a*b", "column 2: a * stands at the end only"},
      {"*", "column 1: there is no letter or digit in this word"},
      {"--", "column 1: there is no letter or digit in this word"},
      {"\"a\"*", "column 1: a phrase takes no *"},
      {"\"\"", "column 1: the phrase is empty"},
      {"action: x", "column 8: a value is missing"},
      {"action:>=x", "column 8: only time, occurred and index"},
      {"label.:x", "column 1: the label's key is missing"},
      {"label:x", "column 1: there is no field \"label\""},
      {"outcome:good", "column 9: an outcome is success"},
      {"ip:10.0.0.0/33", "column 4: not a network"},
      {"index:x", "column 7: not a position"},
      {"index:5..5", "column 7: the range ends before it begins"},
      {"index:9223372036854775808", "column 7: not a position"},
      {"time:yesterday", "column 6: not a time"},
      {"time:2026-02-30", "column 6: not a time"},
      {"time:2026-03..2026-02", "column 6: the range ends before it begins"},
      {"time:9999-12-31", "column 6: not a time"},
      {"v2: a", "column 1: this version of the query language is not known"},
      {"a \xFF", "column 1: the query is not UTF-8"},
      {"ab\x01", "column 3: a control character goes into quotes"},
  };
  for (const auto& [text, message] : kCases) {
    const absl::StatusOr<Query> query = Parse(text);
    EXPECT_EQ(query.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(query.status().message()), StartsWith(message)) << text;
  }
}

TEST(Language, LimitsAreNamed) {
  const auto message = [](const std::string& text) {
    return std::string(Parse(text).status().message());
  };
  EXPECT_THAT(message(std::string(4097, 'a')), HasSubstr("4097 bytes; at most 4096"));
  EXPECT_TRUE(Parse(std::string(4096, 'a')).ok());
  const auto nested = [](size_t depth) {
    return std::string(depth, '(') + "a" + std::string(depth, ')');
  };
  EXPECT_TRUE(Parse(nested(16)).ok());
  EXPECT_THAT(message(nested(17)), StartsWith("column 17: parentheses nest deeper than 16"));
  std::string terms;
  for (int i = 0; i < 64; ++i) terms += "a ";
  EXPECT_TRUE(Parse(terms).ok());
  EXPECT_THAT(message(terms + "b"), StartsWith("column 129: more than 64 terms"));
  EXPECT_THAT(message("label." + std::string(129, 'k') + ":v"), HasSubstr("at most 128"));
  // The longest forms that 4 KiB can grow to are still read back.
  std::string long_form = "label.\"";
  for (int i = 0; i < 128; ++i) long_form += "\\u0001";
  long_form += "\":(a";
  for (int i = 1; i < 64; ++i) long_form += " OR \"\\u0001\"";
  EXPECT_GT(CanonicalOf(long_form + ")").size(), kQueryBytesMax);
}

// A query of random parts.
std::string RandomQuery(std::mt19937_64* random, int depth) {
  const auto one_of = [&](const std::vector<std::string>& from) {
    return from[(*random)() % from.size()];
  };
  static const std::vector<std::string> kTerms = {"foo",
                                                  "Foo-Bar",
                                                  "caf\xC3\xA9*",
                                                  "\"a b\"",
                                                  "text:x:y",
                                                  "action:a.*",
                                                  "action:\"NOT\"",
                                                  "label.env:prod",
                                                  "label.\"k:\":\"\"",
                                                  "target.type:x",
                                                  "target.id:y",
                                                  "target:z*",
                                                  "target.id:(a OR b)",
                                                  "target.id:(a NOT b)",
                                                  "target.id:((a OR b) c)",
                                                  "target.name:\"n n\"",
                                                  "outcome:denied",
                                                  "ip:10.0.0.0/9",
                                                  "ip:::1",
                                                  "ip:x",
                                                  "time:2026-03",
                                                  "occurred<=2026-03-01",
                                                  "index:3..9",
                                                  "index>=4",
                                                  "index<=9223372036854775807",
                                                  "reason:(a OR \"b c\" d*)",
                                                  "written_by:*",
                                                  "trace:\\"};
  if (depth == 0 || (*random)() % 3 == 0) return one_of(kTerms);
  std::string text;
  const size_t parts = 1 + (*random)() % 3;
  for (size_t i = 0; i < parts; ++i) {
    if (i > 0) text += one_of({" ", " AND ", " OR "});
    if ((*random)() % 4 == 0) text += "NOT ";
    if ((*random)() % 2 == 0) {
      text += "(" + RandomQuery(random, depth - 1) + ")";
    } else {
      text += one_of(kTerms);
    }
  }
  return text;
}

TEST(Language, CanonicalFormReadsBackAsTheSame) {
  std::mt19937_64 random(20261126);
  int read = 0;
  for (int round = 0; round < 20'000; ++round) {
    const std::string text = RandomQuery(&random, 4);
    const absl::StatusOr<Query> query = Parse(text);
    if (!query.ok()) {
      ASSERT_THAT(std::string(query.status().message()), HasSubstr("more than 64 terms")) << text;
      continue;
    }
    ++read;
    const std::string canonical = Canonical(*query);
    const absl::StatusOr<Query> again = Parse(canonical);
    ASSERT_TRUE(again.ok()) << text << " -> " << canonical << ": " << again.status();
    ASSERT_TRUE(*again == *query) << text << " -> " << canonical << " -> " << Canonical(*again);
    ASSERT_EQ(Canonical(*again), canonical);
  }
  EXPECT_GT(read, 19'000);
}

TEST(Language, BoundsHoldEveryMatch) {
  const auto bounds = [](std::string_view text) { return BoundsOf(Parse(text)->root); };
  EXPECT_EQ(bounds("a"), Bounds());
  EXPECT_EQ(bounds("index:3..9 index>=5 a").indexes, (IndexRange{5, 9}));
  EXPECT_EQ(bounds("index:3..9 OR index:20").indexes, (IndexRange{3, 21}));
  EXPECT_EQ(bounds("index:3..9 OR a"), Bounds());
  EXPECT_EQ(bounds("NOT index:3..9"), Bounds());
  EXPECT_EQ(bounds("occurred:2026"), Bounds());
  EXPECT_EQ(bounds("time:1970-01-01T00:00:01").received_ns,
            (NsRange{1'000'000'000, 2'000'000'000}));
  EXPECT_EQ(bounds("time:2300..2301").received_ns.low, INT64_MAX);
}

TEST(Text, FoldsCaseFormAndWhatIsInvisible) {
  const auto fold = [](std::string_view text) {
    std::string out;
    Fold(text, &out);
    return out;
  };
  EXPECT_EQ(fold("Stra\xC3\x9F"
                 "E"),
            "strasse");
  EXPECT_EQ(fold("\xEF\xBC\xA1\xEF\xBC\xA2"), "ab");  // full-width AB
  EXPECT_EQ(fold("e\xCC\x81"), "\xC3\xA9");           // e + acute
  EXPECT_EQ(fold("pay\xE2\x80\x8Bment"), "payment");  // zero-width space
  EXPECT_EQ(fold(std::string_view("A\0B", 3)), std::string_view("a\0b", 3));
  EXPECT_EQ(fold("A\xFF"), "a\xFF");  // not UTF-8: as it is
  EXPECT_EQ(WordsOf("a-b_c 42 \xC3\xA9t\xC3\xA9!"),
            (std::vector<std::string>{"a", "b", "c", "42", "\xC3\xA9t\xC3\xA9"}));
  EXPECT_TRUE(InsideWord("\xC3\xA9t", 2));
  EXPECT_FALSE(InsideWord("\xC3\xA9 t", 2));
  EXPECT_FALSE(UnicodeVersion().empty());
}

TEST(Address, EverySpellingIsTheSameAddress) {
  EXPECT_EQ(*ParseAddress("1.2.3.4"), *ParseAddress("::ffff:1.2.3.4"));
  EXPECT_EQ(*ParseAddress("2001:db8:0:0::1"), *ParseAddress("2001:DB8::1"));
  for (const char* wrong : {"", "1.2.3", "1.2.3.4 ", "1.2.3.4.5", "fe80::1%eth0", "[::1]", "x"}) {
    EXPECT_FALSE(ParseAddress(wrong)) << wrong;
  }
  EXPECT_FALSE(ParseAddress(std::string_view("1.2.3.4\0", 8)));
  EXPECT_FALSE(ParseNetwork("1.2.3.4/"));
  EXPECT_FALSE(ParseNetwork("::/129"));
  EXPECT_TRUE(Contains(*ParseNetwork("0.0.0.0/0"), *ParseAddress("255.0.0.1")));
  EXPECT_FALSE(Contains(*ParseNetwork("0.0.0.0/0"), *ParseAddress("::1")));
  EXPECT_TRUE(Contains(*ParseNetwork("::/0"), *ParseAddress("1.2.3.4")));
  EXPECT_TRUE(Contains(*ParseNetwork("10.128.0.0/9"), *ParseAddress("10.255.0.1")));
  EXPECT_FALSE(Contains(*ParseNetwork("10.128.0.0/9"), *ParseAddress("10.127.255.255")));
}

}  // namespace
}  // namespace graven::query
