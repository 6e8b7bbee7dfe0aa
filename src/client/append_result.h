#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/log_index.h"

namespace graven::client {

// Where the events of one append stand, once durable.
struct Appended {
  // The first event's record; the others follow at consecutive indexes unless `indexes` says
  // otherwise.
  LogIndex first_index;
  uint64_t count = 0;
  // How many had been stored before, by an earlier try for instance.
  uint64_t duplicate_count = 0;
  // One for each event when they are not consecutive because some had been stored before.
  std::vector<uint64_t> indexes;
  // 32 bytes for each, when the stream was asked for them and none had been stored before.
  std::string record_hashes;
};

// Called exactly once for each accepted append, on the library's background thread: it must not
// block, and may append again. kUnavailable and kDeadlineExceeded: the outcome is unknown, and the
// same event with the same id finds out.
using AppendCallback = absl::AnyInvocable<void(const absl::StatusOr<Appended>&)>;

}  // namespace graven::client
