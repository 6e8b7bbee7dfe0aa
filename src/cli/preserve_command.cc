#include <sys/utsname.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/absl_views.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "cli/commands.h"
#include "cli/version.h"
#include "fmt/format.h"
#include "record/time_text.h"
#include "store/snapshot.h"

namespace graven::cli {
namespace {

struct PreserveFlags {
  std::string output;
  std::vector<std::string> also;
  bool check = false;
};

std::string Heading() {
  utsname machine{};
  uname(&machine);
  return fmt::format("preserved: {}\nby: graven {}, user {}, on {}\n",
                     record::FormatRfc3339Ns(SystemClock().WallNs()), kVersion, geteuid(),
                     machine.nodename);
}

// A copy inside what is copied would have no end, and the first thing done would be a change.
bool LiesInside(const std::string& path, const std::string& folder) {
  std::error_code error;
  const auto inner = std::filesystem::weakly_canonical(path, error);
  const auto outer = std::filesystem::weakly_canonical(folder, error);
  const auto relative = inner.lexically_relative(outer);
  return !relative.empty() && *relative.begin() != "..";
}

CommandResult Take(CommandContext& context, const PreserveFlags& flags) {
  if (context.data().empty()) return UsageError("--data: which folder is to be preserved");
  std::vector<std::string> sources = flags.also;
  sources.push_back(context.data());
  for (const std::string& source : sources) {
    if (LiesInside(flags.output, source)) {
      return UsageError(fmt::format("OUT lies inside {}, which is to be copied", source));
    }
  }
  store::SnapshotRequest request{context.data(), flags.also, flags.output, Heading(), {}};
  ProgressLine progress(context.err(), "copied", ProgressLine::Unit::kBytes, 0);
  uint64_t done = 0;
  request.on_bytes = [&](uint64_t bytes) { progress.Update(done += bytes); };
  const auto taken = store::TakeSnapshot(io::PosixFileSystem(), request);
  if (!taken.ok()) return Unreachable(context.data(), taken.status());
  if (context.json()) {
    context.PrintJson({{"output", flags.output},
                       {"files", taken->files},
                       {"bytes", taken->bytes},
                       {"sha256sums_sha256", HexEncode(taken->digest)},
                       {"unused_journal_files", taken->unused},
                       {"changed_meanwhile", taken->changed}});
    return ExitCode::kDone;
  }
  Terminal& out = context.out();
  out.Line(fmt::format("{} files, {} bytes in {}", CountText(taken->files), CountText(taken->bytes),
                       SafeText(flags.output)));
  if (!taken->unused.empty()) {
    out.Line(
        fmt::format("  {} journal files held only zeros and are left out; preserved.txt has "
                    "their names",
                    taken->unused.size()));
  }
  for (const std::string& name : taken->changed) {
    out.Line(fmt::format("  changed while it was copied: {}", SafeText(name)));
  }
  out.Line(fmt::format("  SHA-256 of SHA256SUMS: {}", HexEncode(taken->digest)));
  out.Line("  write it down where nobody of this machine can change it");
  return ExitCode::kDone;
}

CommandResult Check(CommandContext& context, const PreserveFlags& flags) {
  if (!flags.also.empty()) return UsageError("--also has no say in a check");
  ProgressLine progress(context.err(), "hashed", ProgressLine::Unit::kBytes, 0);
  uint64_t done = 0;
  const auto found = store::CheckSnapshot(io::PosixFileSystem(), flags.output,
                                          [&](uint64_t bytes) { progress.Update(done += bytes); });
  if (!found.ok()) return Unreachable(flags.output, found.status());
  const bool same = found->differences.empty();
  if (context.json()) {
    context.PrintJson({{"unchanged", same},
                       {"files", found->files},
                       {"sha256sums_sha256", HexEncode(found->digest)},
                       {"differences", found->differences}});
    return same ? ExitCode::kDone : ExitCode::kNo;
  }
  Terminal& out = context.out();
  for (const std::string& difference : found->differences) {
    out.Line(out.Paint(Colour::kRed, SafeText(difference)));
  }
  out.Line(fmt::format("{} of {} files; SHA-256 of SHA256SUMS: {}",
                       same ? "unchanged: all" : "CHANGED: some", CountText(found->files),
                       HexEncode(found->digest)));
  return same ? ExitCode::kDone : ExitCode::kNo;
}

}  // namespace

void AddPreserveCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "preserve", "On the worst day, first of all: a hashed, read-only copy of a data folder");
  command->footer(
      "Touches nothing in the folder and needs no stopped server; what changed meanwhile is\n"
      "named. Left out are keys/, and journal files that hold nothing yet. `sha256sum -c\n"
      "SHA256SUMS` checks the copy without Graven, and `graven verify --data OUT/data` what is in\n"
      "it.\n"
      "Exit code 1: with --check, something is not as it was.\n"
      "\n"
      "Example:\n"
      "  graven preserve ./evidence --data ./audit --also /another/disk/guard\n"
      "  graven preserve ./evidence --check");
  auto flags = std::make_shared<PreserveFlags>();
  command->add_option("out", flags->output, "Folder to make")->required()->type_name("OUT");
  context.AddData(*command);
  command
      ->add_option("--also", flags->also,
                   "Another file or folder: a guard elsewhere, what a monitor saw; repeatable")
      ->allow_extra_args(false)
      ->type_name("PATH");
  command->add_flag("--check", flags->check, "Hashes an earlier copy again");
  context.AddJson(*command);
  context.OnRun(*command, [&context, flags] {
    return flags->check ? Check(context, *flags) : Take(context, *flags);
  });
}

}  // namespace graven::cli
