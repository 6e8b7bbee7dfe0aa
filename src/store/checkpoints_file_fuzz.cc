#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "io/durable_file.h"
#include "io/simulated_file_system.h"
#include "store/checkpoints_file.h"

// Any bytes as a file: refused, or opened and appended to, and then read whole with the note at its
// end.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using graven::store::CheckpointsFile;
  graven::io::SimulatedFileSystem fs(1);
  std::string bytes("GRVNCKP1");
  // Two valid frames first when the input asks for them.
  if (size > 0 && data[0] % 2 == 1) {
    bytes += graven::store::EncodeCheckpointFrame("first", bytes.size());
    bytes += graven::store::EncodeCheckpointFrame("second", bytes.size());
  }
  bytes.append(reinterpret_cast<const char*>(data), size);
  if (size > 2 && data[0] % 3 == 1) bytes[data[1] % bytes.size()] ^= static_cast<char>(data[2]);
  GRAVEN_CHECK(graven::io::WriteFileDurably(fs, "/f", bytes).ok());
  absl::StatusOr<CheckpointsFile> file = CheckpointsFile::Open(fs, "/f");
  if (!file.ok()) return 0;
  GRAVEN_CHECK(file->Append("appended").ok());
  std::string last;
  const absl::Status all = CheckpointsFile::ForEach(fs, "/f", [&](std::string_view note) {
    last = note;
    return absl::OkStatus();
  });
  GRAVEN_CHECK(all.ok() ? last == "appended" : absl::IsDataLoss(all));
  return 0;
}
