#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/log_index.h"
#include "verify/evidence.h"

namespace graven::monitor {

enum class FindingKind {
  kFork,        // two signed trees that contradict each other
  kRecord,      // a record or proof that is not what was signed, or a signed one out of order
  kCheckpoint,  // a checkpoint that the log's key did not sign
  kWithheld,    // signed, and not shown in time; or no answer at all
  kQuorum,      // the witnesses that the policy asks for have not cosigned
  kStale,       // they have, but too long ago
};

inline std::string_view KindName(FindingKind kind) {
  switch (kind) {
    case FindingKind::kFork:
      return "fork";
    case FindingKind::kRecord:
      return "record";
    case FindingKind::kCheckpoint:
      return "checkpoint";
    case FindingKind::kWithheld:
      return "withheld";
    case FindingKind::kQuorum:
      return "quorum";
    case FindingKind::kStale:
      break;
  }
  return "stale";
}

struct Finding {
  FindingKind kind = FindingKind::kWithheld;
  // Of the evidence; kNothing when there is no file.
  verify::EvidenceVerdict verdict = verify::EvidenceVerdict::kNothing;
  std::string message;
  // Of the signed tree that it is about.
  TreeSize size;
  std::optional<LogIndex> index;
  // Path of the file; empty when there is none.
  std::string evidence;
};

}  // namespace graven::monitor
