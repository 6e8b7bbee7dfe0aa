// What the shelf's tests share: segments of small records on a simulated disk.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/sha256.h"
#include "io/simulated_file_system.h"
#include "record/encoded_test.h"
#include "record/record.h"
#include "shelf/segments.h"
#include "store/segment_writer.h"

namespace graven::shelf {

inline std::string RecordBytes(LogIndex index, const Hash& previous_hash) {
  record::RecordHeader header;
  header.index = index;
  header.received_at_ns = 1000 + static_cast<int64_t>(index.value);
  header.previous_hash = previous_hash;
  header.written_by = "anonymous";
  header.body = "body";
  return record::Encoded(header);
}

class ShelfTest : public testing::Test {
 protected:
  // A provisional segment with the records 0 to below `count` of `origin`; its path.
  std::string WriteSegment(const std::string& folder, const std::string& origin, uint64_t count) {
    EXPECT_TRUE(disk_.MakeDirectory(folder).ok());
    Hash previous = record::GenesisHash(origin);
    store::SegmentMeta meta{Sha256(origin), LogIndex(0), previous};
    auto writer = store::SegmentWriter::Create(disk_, folder, meta, store::SegmentCodec::kRaw);
    EXPECT_TRUE(writer.ok()) << writer.status();
    for (uint64_t i = 0; i < count; ++i) {
      const std::string bytes = RecordBytes(LogIndex(i), previous);
      previous = record::RecordHash(bytes);
      EXPECT_TRUE((*writer)->Add(bytes, previous, /*fingerprint=*/i).ok());
    }
    const auto summary = (*writer)->Finish();
    EXPECT_TRUE(summary.ok()) << summary.status();
    return summary.ok() ? summary->path : "";
  }

  io::SimulatedFileSystem disk_{1};
};

}  // namespace graven::shelf
