// What the scrubber remembers of a file of frames that may only grow.
#include "scrub/kept_notes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace graven::scrub {
namespace {

using testing::HasSubstr;

// "" when nothing is wrong.
std::string Read(KeptNotes& known, const std::vector<std::string>& notes) {
  KeptNotes::Reading reading(known);
  for (const std::string& note : notes) reading.Add(note);
  return reading.End().value_or("");
}

TEST(KeptNotes, FileThatGrowsIsNoFinding) {
  KeptNotes known;
  EXPECT_EQ(Read(known, {}), "");
  EXPECT_EQ(Read(known, {"a", "b"}), "");
  EXPECT_EQ(Read(known, {"a", "b"}), "");
  EXPECT_EQ(Read(known, {"a", "b", "c"}), "");
}

TEST(KeptNotes, NoteThatWasTakenAwayIsFoundAtTheEndAndInTheMiddle) {
  KeptNotes known;
  ASSERT_EQ(Read(known, {"a", "b", "c"}), "");
  EXPECT_THAT(Read(known, {"a", "b"}), HasSubstr("holds 2 notes, and held 3"));
  ASSERT_EQ(Read(known, {"a", "b", "c"}), "") << "it has grown again";
  EXPECT_THAT(Read(known, {"a", "c", "d", "e"}), HasSubstr("not those that it held"));
}

TEST(KeptNotes, NotesWhoseBorderWasMovedAreFound) {
  KeptNotes known;
  ASSERT_EQ(Read(known, {"ab", "c"}), "");
  EXPECT_THAT(Read(known, {"a", "bc"}), HasSubstr("not those that it held"));
}

TEST(KeptNotes, ReadingThatIsBrokenOffChangesNothing) {
  KeptNotes known;
  ASSERT_EQ(Read(known, {"a", "b"}), "");
  {
    KeptNotes::Reading reading(known);
    reading.Add("x");
  }
  EXPECT_EQ(Read(known, {"a", "b"}), "");
}

TEST(KeptNotes, ReadingNamesTheOffsetOfTheNextFrame) {
  KeptNotes known;
  KeptNotes::Reading reading(known);
  EXPECT_EQ(reading.offset(), store::kFirstFrameOffset);
  reading.Add("12345");
  EXPECT_EQ(reading.offset(), store::kFirstFrameOffset + store::CheckpointFrameBytes(5));
}

TEST(KeptNotes, EndThatMovesBackIsFound) {
  KeptNotes known;
  EXPECT_FALSE(known.LookAtEnd(100));
  EXPECT_FALSE(known.LookAtEnd(100));
  EXPECT_FALSE(known.LookAtEnd(200));
  EXPECT_THAT(known.LookAtEnd(150).value_or(""), HasSubstr("end at byte 150, and ended at"));
}

}  // namespace
}  // namespace graven::scrub
