#pragma once

#include <optional>
#include <string>

#include "audit/verify_output.h"
#include "console/command_context.h"
#include "note/keys.h"
#include "verify/producer_sequences.h"

// What `verify` does to each kind of thing. An answer of no is kNo and printed, in words that say
// where; an error is about not being able to check at all.
namespace graven::audit {

// What is asked of producers' sequences.
struct Completeness {
  bool required = false;
  int64_t heartbeat_deadline_ns = verify::ProducerRules{}.heartbeat_deadline_ns;
};

struct FolderRun {
  std::string folder;
  std::string guard;  // empty: inside the folder
  std::string log;    // empty: all
  std::optional<note::VerifierKey> key;
  Completeness completeness;
};

struct ExportRun {
  std::string path;  // "-": standard input
  std::string checkpoint_file;
  std::string origin;
  std::optional<note::VerifierKey> key;
  Completeness completeness;
};

console::CommandResult VerifyFolder(console::CommandContext& context, const FolderRun& run);
console::CommandResult VerifyExport(console::CommandContext& context, const ExportRun& run);
// The same without a word; the verdict may be a no.
absl::StatusOr<ShownVerdict> CheckExport(console::CommandContext& context, const ExportRun& run);

// A file of evidence, offline. kNo: it shows nothing.
console::CommandResult VerifyEvidence(console::CommandContext& context, const std::string& path,
                                      const std::optional<note::VerifierKey>& key);

// The server and log of the flags, from the outside: all records up to its newest checkpoint.
console::CommandResult VerifyServer(console::CommandContext& context,
                                    const std::optional<note::VerifierKey>& key,
                                    const Completeness& completeness);

}  // namespace graven::audit
