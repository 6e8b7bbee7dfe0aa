#include "record/equality.h"

#include <random>
#include <string>

#include "google/protobuf/util/message_differencer.h"
#include "graven/v1/event.pb.h"
#include "graven/v1/record.pb.h"
#include "gtest/gtest.h"
#include "record/body_check.h"
#include "record/wire.h"

namespace graven::record {
namespace {

using namespace std::string_literals;
using google::protobuf::util::MessageDifferencer;

bool Same(std::string_view a, std::string_view b, BodyKind kind = BodyKind::kEvent) {
  return SameBody(kind, a, b, RuleContext());
}

std::string BytesField(uint32_t number, std::string_view bytes) {
  std::string out;
  AppendBytesField(number, bytes, &out);
  return out;
}

std::string Entry(std::string_view key, std::string_view text) {
  return BytesField(1, BytesField(1, key) + BytesField(2, BytesField(3, text)));
}

std::string Good() {
  return BytesField(2, BytesField(1, "alice")) + BytesField(3, "a") + BytesField(5, "\x08\x07");
}

TEST(SameBody, MapsAreUnordered) {
  EXPECT_TRUE(Same(Good() + BytesField(17, Entry("a", "1") + Entry("b", "2")),
                   Good() + BytesField(17, Entry("b", "2") + Entry("a", "1"))));
  EXPECT_FALSE(Same(Good() + BytesField(17, Entry("a", "1") + Entry("b", "2")),
                    Good() + BytesField(17, Entry("b", "1") + Entry("a", "2"))));
}

TEST(SameBody, ListsAreOrdered) {
  EXPECT_FALSE(
      Same(Good() + BytesField(4, BytesField(2, "x")) + BytesField(4, BytesField(2, "y")),
           Good() + BytesField(4, BytesField(2, "y")) + BytesField(4, BytesField(2, "x"))));
}

TEST(SameBody, FieldOrderAndExplicitDefaultsSayNothing) {
  EXPECT_TRUE(Same(Good(), Good() + BytesField(7, "") + "\x30\x00"s));
  EXPECT_TRUE(Same(Good() + BytesField(12, "r") + BytesField(13, "s"),
                   Good() + BytesField(13, "s") + BytesField(12, "r")));
  // An empty message is there, and an absent one is not.
  EXPECT_FALSE(Same(Good(), Good() + BytesField(8, "")));
}

TEST(SameBody, UnknownFieldsCount) {
  EXPECT_FALSE(Same(Good(), Good() + BytesField(99, "x")));
  EXPECT_TRUE(Same(Good() + BytesField(99, "x") + BytesField(98, "y"),
                   Good() + BytesField(98, "y") + BytesField(99, "x")));
  EXPECT_FALSE(Same(Good() + BytesField(99, "x") + BytesField(99, "y"),
                    Good() + BytesField(99, "y") + BytesField(99, "x")));
}

TEST(SameBody, HashOfAnEntryDoesNotCount) {
  std::string entry =
      BytesField(2, "alice") + BytesField(3, "2023-07-10T11:42:36Z") + BytesField(4, "a");
  EXPECT_TRUE(Same(entry, entry + BytesField(5, std::string(64, 'a')), BodyKind::kEntry));
  // The time's text is compared, not the time.
  std::string other =
      BytesField(2, "alice") + BytesField(3, "2023-07-10T11:42:36.0Z") + BytesField(4, "a");
  EXPECT_FALSE(Same(entry, other, BodyKind::kEntry));
}

TEST(SameBody, PayloadOfAKnownAnyIsCompared) {
  SchemaSet types;
  ASSERT_TRUE(types
                  .Define("acme.P",
                          {{.number = 1, .name = "a", .check = Check::kUtf8},
                           {.number = 2,
                            .name = "n",
                            .wire = WireType::kVarint,
                            .check = Check::kInt32,
                            .repeated = true}},
                          true)
                  .ok());
  auto any = [](std::string_view payload) {
    return Good() + BytesField(18, BytesField(1, "t/acme.P") + BytesField(2, payload));
  };
  RuleContext known = {.any_types = &types};
  std::string one_by_one = "\x10\x01\x10\x02"s;
  std::string packed = BytesField(2, "\x01\x02");
  EXPECT_TRUE(SameBody(BodyKind::kEvent, any(one_by_one + BytesField(1, "x")),
                       any(BytesField(1, "x") + packed), known));
  EXPECT_FALSE(SameBody(BodyKind::kEvent, any(one_by_one), any(packed), RuleContext()));
}

// A random event on the wire, from few enough values that equal ones are common.
class RandomEvent {
 public:
  explicit RandomEvent(uint32_t seed) : random_(seed) {}

  std::string Make() {
    std::string out = BytesField(2, BytesField(1, Pick({"a", "b"})) + Maybe(BytesField(3, ""))) +
                      BytesField(3, Pick({"x", "y"})) +
                      BytesField(5, Pick({"", "\x08\x01", "\x10\x05"}));
    std::vector<std::string> parts = {Maybe(BytesField(7, Pick({"", "r"}))), Maybe("\x30\x00"s),
                                      Maybe(BytesField(8, Pick({"", "\x0a\x01s"}))),
                                      Maybe(BytesField(100, Pick({"1", "2"}))),
                                      Maybe(BytesField(17, Struct(3)))};
    std::shuffle(parts.begin(), parts.end(), random_);
    for (const std::string& part : parts) out += part;
    return out;
  }

 private:
  std::string Pick(std::vector<std::string> choices) { return choices[random_() % choices.size()]; }
  std::string Maybe(const std::string& text) { return random_() % 2 == 0 ? text : ""; }
  std::string Struct(int depth) {
    std::vector<std::string> entries = {
        BytesField(1, BytesField(1, "k") + BytesField(2, Value(depth - 1))),
        BytesField(1, BytesField(2, Value(depth - 1)) + Maybe(BytesField(1, "")))};
    std::shuffle(entries.begin(), entries.end(), random_);
    return Maybe(entries[0]) + Maybe(entries[1]);
  }
  std::string Value(int depth) {
    switch (random_() % (depth > 0 ? 5 : 3)) {
      case 0:
        return "\x08\x00"s;
      case 1:
        return BytesField(3, Pick({"", "v"}));
      case 2:
        return "\x11\0\0\0\0\0\0\0"s + Pick({"\0"s, "\x80", "\x40"});
      case 3:
        return BytesField(5, Struct(depth));
      default:
        return BytesField(6, BytesField(1, Value(depth - 1)));
    }
  }

  std::mt19937 random_;
};

TEST(SameBody, AgreesWithProtobufOnRandomPairs) {
  RandomEvent maker(20'230'710);
  int equal = 0;
  int unequal = 0;
  for (int i = 0; i < 60'000; ++i) {
    std::string a = maker.Make();
    std::string b = maker.Make();
    EventFacts facts;
    std::vector<Violation> violations;
    ASSERT_TRUE(CheckBody(BodyKind::kEvent, a, RuleContext(), &facts, &violations))
        << violations[0].field << " " << violations[0].rule;
    v1::Event event_a;
    v1::Event event_b;
    ASSERT_TRUE(event_a.ParseFromString(a) && event_b.ParseFromString(b));
    bool expected = MessageDifferencer::Equals(event_a, event_b);
    ASSERT_EQ(Same(a, b), expected) << event_a.ShortDebugString() << "\n"
                                    << event_b.ShortDebugString();
    (expected ? equal : unequal) += 1;
    ASSERT_TRUE(Same(a, event_a.SerializeAsString()));
  }
  EXPECT_GT(equal, 80);
  EXPECT_GT(unequal, 1000);
}

}  // namespace
}  // namespace graven::record
