#include "index/frequent_values.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace graven::index {
namespace {

constexpr uint64_t kLeaves = 4096;

// A value of `kind` and the leaves that have it.
struct GivenTerm {
  std::string key;
  std::vector<uint32_t> leaves;
};

GivenTerm Term(KeyKind kind, const std::string& value, std::vector<uint32_t> leaves) {
  GivenTerm term;
  MakeKey(kind, value, &term.key);
  term.leaves = std::move(leaves);
  return term;
}

std::vector<uint32_t> FirstLeaves(uint64_t count) {
  std::vector<uint32_t> leaves(count);
  std::iota(leaves.begin(), leaves.end(), 0U);
  return leaves;
}

std::string SectionOf(std::vector<GivenTerm> terms) {
  std::sort(terms.begin(), terms.end(),
            [](const GivenTerm& a, const GivenTerm& b) { return a.key < b.key; });
  FrequentValuesWriter writer(kLeaves);
  for (const GivenTerm& term : terms) writer.AddTerm(term.key, term.leaves);
  return writer.Finish();
}

// Targets with as many leaves as chance will have it.
std::vector<GivenTerm> ManyTargets(uint64_t values) {
  std::mt19937_64 random(5);
  std::vector<GivenTerm> terms;
  for (uint64_t i = 0; i < values; ++i) {
    terms.push_back(
        Term(KeyKind::kTargetId, "t" + std::to_string(i), FirstLeaves(random() % 40 + 1)));
  }
  return terms;
}

TEST(FrequentValues, FewAreAllListed) {
  const std::string section =
      SectionOf({Term(KeyKind::kActorId, "ann", {1, 2, 3}), Term(KeyKind::kActorId, "bob", {4}),
                 Term(KeyKind::kOutcome, "denied", {1, 4})});
  const auto actors = ParseFrequentValues(section, KeyKind::kActorId, kLeaves);
  ASSERT_TRUE(actors.ok()) << actors.status();
  ASSERT_EQ(actors->listed.size(), 2U);
  EXPECT_EQ(actors->listed[0].value, "ann");
  EXPECT_EQ(actors->listed[0].records, 3U);
  EXPECT_EQ(actors->listed[1].value, "bob");
  EXPECT_EQ(actors->others_at_most, 0U);
  EXPECT_EQ(actors->sum, 4U);
  EXPECT_EQ(actors->with_value, 4U);
  EXPECT_FALSE(actors->has_cut);
  EXPECT_EQ(ParseFrequentValues(section, KeyKind::kOutcome, kLeaves)->sum, 2U);
  EXPECT_TRUE(ParseFrequentValues(section, KeyKind::kService, kLeaves)->listed.empty());
}

TEST(FrequentValues, OfManyTheMostFrequentAreListedAndTheOthersBounded) {
  std::vector<GivenTerm> terms = ManyTargets(3000);
  const auto values = ParseFrequentValues(SectionOf(terms), KeyKind::kTargetId, kLeaves);
  ASSERT_TRUE(values.ok()) << values.status();
  std::sort(terms.begin(), terms.end(), [](const GivenTerm& a, const GivenTerm& b) {
    return a.leaves.size() != b.leaves.size() ? a.leaves.size() > b.leaves.size() : a.key < b.key;
  });
  ASSERT_EQ(values->listed.size(), kFrequentValuesMax);
  uint64_t sum = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    sum += terms[i].leaves.size();
    if (i >= kFrequentValuesMax) continue;
    ASSERT_EQ(values->listed[i].value, terms[i].key.substr(1)) << i;
    ASSERT_EQ(values->listed[i].records, terms[i].leaves.size()) << i;
  }
  EXPECT_EQ(values->others_at_most, terms[kFrequentValuesMax].leaves.size());
  EXPECT_EQ(values->sum, sum);
  // Each has the first leaf, none one behind the fortieth.
  EXPECT_EQ(values->with_value, 40U);
}

TEST(FrequentValues, ValuesThatComeOnceAreNotListedWhereNotAllAre) {
  std::vector<GivenTerm> terms;
  for (uint32_t i = 0; i < 2000; ++i) {
    terms.push_back(Term(KeyKind::kActorId, std::to_string(i), {i}));
  }
  terms.push_back(Term(KeyKind::kActorId, "x", {2001, 2002}));
  const auto values = ParseFrequentValues(SectionOf(terms), KeyKind::kActorId, kLeaves);
  ASSERT_TRUE(values.ok()) << values.status();
  ASSERT_EQ(values->listed.size(), 1U);
  EXPECT_EQ(values->listed[0].value, "x");
  EXPECT_EQ(values->others_at_most, 1U);
  EXPECT_EQ(values->with_value, 2002U);
}

TEST(FrequentValues, ACutValueIsTold) {
  const std::string section =
      SectionOf({Term(KeyKind::kActorName, std::string(kValueBytesMax + 9, 'x'), {1})});
  EXPECT_TRUE(ParseFrequentValues(section, KeyKind::kActorName, kLeaves)->has_cut);
}

TEST(FrequentValues, LabelsAndWordsHaveNone) {
  EXPECT_FALSE(HasFrequentValues(KeyKind::kLabel));
  EXPECT_FALSE(HasFrequentValues(KeyKind::kWord));
  EXPECT_TRUE(
      SectionOf({Term(KeyKind::kWord, "w", {1}), Term(KeyKind::kNetwork, "n", {1})}).empty());
}

TEST(FrequentValues, BytesThatLieAreDataLossOrKeepTheirOwnRules) {
  const std::string whole = SectionOf(ManyTargets(1200));
  std::mt19937_64 random(7);
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = whole;
    const size_t limit = i % 2 == 0 ? 40 : bytes.size();
    bytes[random() % limit] = static_cast<char>(random());
    if (i % 7 == 0) bytes.resize(random() % bytes.size());
    const auto values = ParseFrequentValues(bytes, KeyKind::kTargetId, kLeaves);
    if (!values.ok()) {
      ASSERT_EQ(values.status().code(), absl::StatusCode::kDataLoss);
      ++refused;
      continue;
    }
    for (size_t j = 0; j < values->listed.size(); ++j) {
      ASSERT_GE(values->listed[j].records, values->others_at_most);
      ASSERT_LE(values->listed[j].records, kLeaves);
    }
    ASSERT_LE(values->with_value, kLeaves);
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace graven::index
