#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/log_index.h"
#include "io/file_system.h"

namespace graven::rehearse {

// A byte on which a record of one log depends.
struct RecordPlace {
  std::string file;  // below the data folder
  uint64_t offset = 0;
  std::string what;  // "record 3", or "the block of records 0 to 255": a segment packs many
};

// Where `record`, the exact bytes of record `index`, lies in the data folder of a stopped server:
// in a segment of its log, or else in the journal. kNotFound: in none of them. Other errors as of
// the disk, and kDataLoss of a segment that cannot be read.
absl::StatusOr<RecordPlace> FindRecord(io::FileSystem& fs, const std::string& data,
                                       const std::string& log, LogIndex index,
                                       std::string_view record);

// Changes one bit there.
absl::Status FlipBit(io::FileSystem& fs, const std::string& data, const RecordPlace& place);

}  // namespace graven::rehearse
