#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/encoding.h"
#include "base/seeded_random_test.h"
#include "io/simulated_file_system.h"
#include "journal/frame_builder.h"
#include "journal/journal.h"
#include "journal/journal_format.h"
#include "journal/journal_test_frames.h"

// Recovery on any bytes. The first byte of the input chooses:
//  0  the rest is the file;
//  1  the rest is the body of a frame whose checksums are right;
//  2  the rest are edits of a good journal: what is believed must be a beginning of what was
//  written.
namespace graven::journal {
namespace {

constexpr char kDir[] = "/journal";
constexpr char kPath[] = "/journal/0000000000000001";

void WriteFile(io::FileSystem& fs, std::string_view bytes) {
  GRAVEN_CHECK(fs.MakeDirectory(kDir).ok());
  auto file = fs.Open(kPath, io::OpenMode::kCreateNew);
  GRAVEN_CHECK(file.ok() && (*file)->WriteAt(0, bytes).ok());
}

// Whatever was read: opening goes on behind it, and reading again gives the same, and what was
// added.
std::vector<TestSection> ReadTwice(io::FileSystem& fs) {
  std::vector<TestSection> read[2];
  SeededRandom random(1);
  TestFrames frames;
  for (std::vector<TestSection>& sections : read) {
    const auto recovery = ReadJournal(fs, kDir, [&](const FrameSection& section) {
      sections.push_back(CopyOf(section));
      return absl::OkStatus();
    });
    if (absl::IsFailedPrecondition(recovery.status())) return {};  // of a newer format
    GRAVEN_CHECK(recovery.ok());
    JournalOptions options;
    options.file_bytes = 16 << 10;
    const auto journal = Journal::Open(fs, kDir, options, random, *recovery);
    GRAVEN_CHECK(journal.ok());
    GRAVEN_CHECK((*journal)->PrepareSpare().ok());
    FrameBuilder frame;
    TestFrames::Build({frames.MakeSection(7, 1, 10, random)}, &frame);
    GRAVEN_CHECK((*journal)->Append(frame).ok());
    GRAVEN_CHECK((*journal)->Sync().ok());
  }
  GRAVEN_CHECK(read[1].size() == read[0].size() + 1);
  GRAVEN_CHECK(std::equal(read[0].begin(), read[0].end(), read[1].begin()));
  return read[0];
}

std::string GoodHeader(const JournalSalt& salt) {
  JournalHeader header;
  header.number = 1;
  header.salt = salt;
  return EncodeJournalHeader(header);
}

void ReadAsBody(std::string_view body) {
  JournalSalt salt{1, 2, 3};
  std::string bytes = GoodHeader(salt);
  std::string frame(kFrameHeaderBytes, '\0');
  frame.append(body);
  FrameHeader header;
  header.body_bytes = static_cast<uint32_t>(body.size());
  header.section_count = body.empty() ? 0 : static_cast<uint8_t>(body[0]) % 4;
  EncodeFrameHeader(frame.data(), header, salt);
  frame.resize(RoundToSector(frame.size()));
  io::SimulatedFileSystem fs(1);
  WriteFile(fs, bytes + frame);
  ReadTwice(fs);
}

void ReadEdited(std::string_view edits) {
  static const std::string* const good = [] {
    SeededRandom random(3);
    JournalSalt salt{4, 5, 6};
    auto* bytes = new std::string(GoodHeader(salt));
    TestFrames frames;
    FrameBuilder builder;
    uint64_t check = 0;
    for (uint64_t i = 0; i < 6; ++i) {
      frames.push_back({frames.MakeSection(1, 2, 100 * i, random)});
      TestFrames::Build(frames.back(), &builder);
      const FrameBuilder::Finished finished = builder.Finish({i, check, i, salt});
      check = finished.check;
      bytes->append(finished.bytes);
    }
    return bytes;
  }();
  static const std::vector<TestSection>* const written = [] {
    io::SimulatedFileSystem fs(1);
    WriteFile(fs, *good);
    return new std::vector<TestSection>(ReadTwice(fs));
  }();
  GRAVEN_CHECK(written->size() == 6);
  std::string bytes = *good;
  for (; edits.size() >= 3; edits.remove_prefix(3)) {
    bytes[GetFixed16(edits.data()) % bytes.size()] ^= edits[2];
  }
  io::SimulatedFileSystem fs(1);
  WriteFile(fs, bytes);
  const std::vector<TestSection> read = ReadTwice(fs);
  GRAVEN_CHECK(read.size() <= written->size());
  GRAVEN_CHECK(std::equal(read.begin(), read.end(), written->begin()));
}

}  // namespace
}  // namespace graven::journal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 8 << 10) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 3 == 0) {
    graven::io::SimulatedFileSystem fs(1);
    graven::journal::WriteFile(fs, input);
    graven::journal::ReadTwice(fs);
  } else if (data[0] % 3 == 1) {
    graven::journal::ReadAsBody(input);
  } else {
    graven::journal::ReadEdited(input);
  }
  return 0;
}
