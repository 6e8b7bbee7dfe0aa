#include "store/time_stamps.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "io/durable_file.h"
#include "io/simulated_file_system.h"

// Any bytes as a frame's payload have one reading or none; any bytes as a file are refused, or are
// opened and get another frame behind them.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using graven::store::CheckpointsFile;
  using graven::store::kTimeStampWords;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto stamped = graven::store::DecodeStampedNote(bytes)) {
    GRAVEN_CHECK(graven::store::EncodeStampedNote(*stamped) == bytes);
  }
  graven::io::SimulatedFileSystem fs(1);
  std::string content(kTimeStampWords.file);
  if (size > 0 && data[0] % 2 == 1) {
    content += graven::store::EncodeCheckpointFrame("first", content.size(), kTimeStampWords);
  }
  content.append(bytes);
  GRAVEN_CHECK(graven::io::WriteFileDurably(fs, "/f", content).ok());
  auto file = CheckpointsFile::Open(fs, "/f", kTimeStampWords);
  if (!file.ok()) return 0;
  const std::string added = graven::store::EncodeStampedNote({"note", "token"});
  GRAVEN_CHECK(file->Append(added).ok());
  auto again = CheckpointsFile::Open(fs, "/f", kTimeStampWords);
  GRAVEN_CHECK(again.ok() && again->last() == added);
  return 0;
}
