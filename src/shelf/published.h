#pragma once

#include <cstdint>
#include <string>

#include "base/hash.h"
#include "base/log_index.h"

namespace graven::shelf {

// A signed state of a log, immutable.
struct Published {
  TreeSize size;
  Hash root;
  // The signed note (C2SP tlog-checkpoint). Empty only when the log is read-only and what is stored
  // does not reach what was signed.
  std::string checkpoint;
  // Of the last record; 0 when the log is empty, or the checkpoint was cosigned before a restart.
  int64_t last_received_at_ns = 0;
  // When this process signed it, by the wall clock; 0: it did not, or it is a cosigned one.
  int64_t signed_at_ns = 0;
  // RFC 3161, over the note's text; of a stamped one only.
  std::string time_stamp_token;
};

}  // namespace graven::shelf
