#include "store/time_stamps.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "io/durable_file.h"
#include "io/simulated_file_system.h"

namespace graven::store {
namespace {

const StampedNote kStamped{"note\n", "token"};

TEST(TimeStampsTest, GoldenFrame) {
  EXPECT_EQ(HexEncode(EncodeCheckpointFrame(EncodeStampedNote(kStamped), 8, kTimeStampWords)),
            "747374700e000000050000006e6f74650a746f6b656e"
            "ee41494616afde62");
}

TEST(TimeStampsTest, PayloadHasOneReadingOrNone) {
  const std::string payload = EncodeStampedNote(kStamped);
  EXPECT_EQ(DecodeStampedNote(payload), kStamped);
  for (size_t size = 0; size < payload.size() - 4; ++size) {
    EXPECT_FALSE(DecodeStampedNote(payload.substr(0, size)).has_value()) << size;
  }
  std::string longer = payload;
  longer[3] = 1;
  EXPECT_FALSE(DecodeStampedNote(longer).has_value());
  EXPECT_FALSE(DecodeStampedNote(std::string(4, '\0') + "token").has_value()) << "no note";
  EXPECT_FALSE(DecodeStampedNote(payload + std::string(kCheckpointNoteBytesMax, 't')).has_value());
}

TEST(TimeStampsTest, TornTailIsCutAndTheFrameBeforeStays) {
  io::SimulatedFileSystem fs(1);
  const std::string path = "/time-stamps";
  {
    auto file = CheckpointsFile::Open(fs, path, kTimeStampWords);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->Append(EncodeStampedNote(kStamped)).ok());
  }
  auto bytes = io::ReadWholeFile(fs, path, 1 << 20);
  ASSERT_TRUE(bytes.ok());
  const std::string torn = EncodeCheckpointFrame("x", bytes->size(), kTimeStampWords).substr(0, 9);
  ASSERT_TRUE(io::WriteFileDurably(fs, path, *bytes + torn).ok());
  auto file = CheckpointsFile::Open(fs, path, kTimeStampWords);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->torn_bytes(), 9);
  EXPECT_EQ(DecodeStampedNote(*file->last()), kStamped);
  ASSERT_TRUE(file->Append(EncodeStampedNote({"second\n", "token"})).ok());
  int count = 0;
  EXPECT_TRUE(CheckpointsFile::ForEach(
                  fs, path,
                  [&](std::string_view payload) {
                    ++count;
                    return DecodeStampedNote(payload) ? absl::OkStatus()
                                                      : absl::InternalError("payload");
                  },
                  kTimeStampWords)
                  .ok());
  EXPECT_EQ(count, 2);
}

TEST(TimeStampsTest, FileOfCheckpointsIsNone) {
  io::SimulatedFileSystem fs(1);
  ASSERT_TRUE(io::WriteFileDurably(fs, "/f", kCheckpointWords.file).ok());
  EXPECT_EQ(CheckpointsFile::Open(fs, "/f", kTimeStampWords).status().code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace graven::store
