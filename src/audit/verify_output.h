#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "console/command_context.h"
#include "verify/chain_checker.h"
#include "verify/producer_sequences.h"

namespace graven::audit {

// The verdict on one log, as it is shown.
struct ShownVerdict {
  std::string log;     // name on the server, if known
  std::string origin;  // if known
  absl::Status status;
  verify::Trust trust = verify::Trust::kSelfConsistent;
  uint64_t first = 0;
  uint64_t records = 0;
  std::optional<uint64_t> signed_records;
  std::optional<Hash> root;
  std::optional<Hash> last_hash;
  int64_t last_received_at_ns = 0;
  bool of_export = false;  // whose key is worth nothing without a checkpoint
  std::optional<LogIndex> first_bad;
  std::string bad_file;
  std::optional<uint64_t> bad_offset;
  verify::ProducerReport producers;
};

// "gap: producer P of W, epoch 1, numbers 3 to 4, at record 2", safe to show.
std::string ProducerFindingLine(const verify::ProducerFinding& finding);
// {"kind": "gap", ...}.
console::Json ProducerFindingJson(const verify::ProducerFinding& finding);

// {"verdict": "OK" or "BAD", "trust": "KEY_PINNED" or "SELF_CONSISTENT", ...}.
console::Json VerdictJson(const ShownVerdict& verdict);

void WriteVerdict(const ShownVerdict& verdict, console::Terminal& terminal);

// Prints one verdict in the form that was asked for; kDone or kNo. `complete_required`: findings of
// completeness are a no as well.
console::CommandResult PrintVerdict(console::CommandContext& context, const ShownVerdict& verdict,
                                    bool complete_required);

}  // namespace graven::audit
