#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <utility>
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

namespace fs = std::filesystem;

// Of paths without links in them.
bool LiesInside(const fs::path& path, const fs::path& folder) {
  const auto relative = path.lexically_relative(folder);
  return !relative.empty() && *relative.begin() != "..";
}

// As far as it exists and may be looked at, without links.
fs::path RealPath(const fs::path& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  fs::path real = fs::weakly_canonical(absolute, error);
  if (error) real = absolute.lexically_normal();
  return real.has_filename() ? real : real.parent_path();
}

// A file or folder, by whatever name.
using FileId = std::pair<uint64_t, uint64_t>;  // device, inode

// Who may write into a data folder may also put a link or a pipe there, before he is found out.
// The one who preserves it is often root: a link is followed only to what its owner owns anyhow,
// and from the folder itself, where an operator has reason to put one. Never to the keys, nor back
// into what is copied.
class SnapshotJudge final : public store::PlaceJudge {
 public:
  // Paths without links in them; the first of `sources` is the data folder.
  SnapshotJudge(const std::vector<std::string>& sources, const std::string& output)
      : keys_(RealPath(fs::path(sources.front()) / "keys")), output_(RealPath(output)) {
    for (const std::string& source : sources) roots_.push_back(RealPath(source));
    struct stat info {};
    if (stat(sources.front().c_str(), &info) == 0) owner_ = info.st_uid;
    Remember(keys_);
    std::error_code error;
    fs::directory_iterator key(keys_, error);
    for (; !error && key != fs::directory_iterator(); key.increment(error)) Remember(key->path());
  }

  LinkVerdict JudgeLink(const std::string& folder, const std::string& text,
                        bool by_link) const override {
    std::error_code error;
    const fs::path target = fs::canonical(fs::path(folder) / text, error);
    if (error) return {"which leads nowhere", ""};
    if (LiesInside(target, keys_)) return {"where the keys are", ""};
    for (const fs::path& root : roots_) {
      if (LiesInside(target, root)) return {"which is copied in its own place", ""};
      if (LiesInside(root, target)) return {"which holds what is copied", ""};
    }
    if (LiesInside(keys_, target)) return {"where the keys are", ""};
    if (LiesInside(output_, target)) return {"which holds OUT", ""};
    if (by_link) return {"in what another link led to", ""};
    return {"", target.string()};
  }

  // A link that was followed may lead to a folder of others' files: they are as good as it is.
  std::string WhyLeft(const io::FileInfo& info, bool by_link) const override {
    if (key_ids_.contains({info.device, info.inode})) {
      return info.is_directory ? "the keys" : "one of the keys, by another name";
    }
    return by_link && info.owner != owner_ ? "which belongs to another user" : "";
  }

 private:
  void Remember(const fs::path& path) {
    struct stat info {};
    if (stat(path.c_str(), &info) == 0) key_ids_.emplace(info.st_dev, info.st_ino);
  }

  const fs::path keys_;
  const fs::path output_;
  std::vector<fs::path> roots_;
  uid_t owner_ = 0;
  std::set<FileId> key_ids_;
};

// In a copy a link is a change, wherever it leads.
class CopyJudge final : public store::PlaceJudge {
 public:
  LinkVerdict JudgeLink(const std::string&, const std::string&, bool) const override {
    return {"where none was", ""};
  }
  std::string WhyLeft(const io::FileInfo&, bool) const override { return ""; }
};

CommandResult PrintTaken(CommandContext& context, const PreserveFlags& flags,
                         const store::Snapshot& taken) {
  const bool whole = taken.unreadable.empty() && taken.left_out.empty();
  const ExitCode code = whole ? ExitCode::kDone : ExitCode::kNo;
  if (context.json()) {
    context.PrintJson({{"output", flags.output},
                       {"files", taken.files},
                       {"bytes", taken.bytes},
                       {"sha256sums_sha256", HexEncode(taken.digest)},
                       {"unused_journal_files", taken.unused},
                       {"changed_meanwhile", taken.changed},
                       {"links_followed", taken.followed},
                       {"left_out", taken.left_out},
                       {"unreadable", taken.unreadable}});
    return code;
  }
  Terminal& out = context.out();
  out.Line(fmt::format("{} files, {} bytes in {}", CountText(taken.files), CountText(taken.bytes),
                       SafeText(flags.output)));
  if (!taken.unused.empty()) {
    out.Line(
        fmt::format("  {} journal files held only zeros and are left out; preserved.txt has "
                    "their names",
                    taken.unused.size()));
  }
  const auto list = [&out](const std::vector<std::string>& all, std::string_view words,
                           Colour colour) {
    for (const std::string& one : all) {
      out.Line(out.Paint(colour, fmt::format("  {}: {}", words, SafeText(one))));
    }
  };
  list(taken.followed, "followed", Colour::kPlain);
  list(taken.changed, "changed while it was copied", Colour::kPlain);
  list(taken.left_out, "LEFT OUT", Colour::kRed);
  list(taken.unreadable, "NOT READABLE", Colour::kRed);
  out.Line(fmt::format("  SHA-256 of SHA256SUMS: {}", HexEncode(taken.digest)));
  out.Line("  write it down where nobody of this machine can change it");
  return code;
}

CommandResult Take(CommandContext& context, const PreserveFlags& flags) {
  if (context.data().empty()) return UsageError("--data: which folder is to be preserved");
  // A link that was named is meant.
  std::vector<std::string> sources = {RealPath(context.data()).string()};
  std::vector<std::string> also;
  const fs::path keys = RealPath(fs::path(context.data()) / "keys");
  for (const std::string& named : flags.also) {
    also.push_back(RealPath(named).string());
    sources.push_back(also.back());
    if (LiesInside(also.back(), keys)) return UsageError("--also: the keys are never copied");
  }
  // A copy inside what is copied would have no end, and the first thing done would be a change.
  for (const std::string& source : sources) {
    if (LiesInside(RealPath(flags.output), RealPath(source))) {
      return UsageError(fmt::format("OUT lies inside {}, which is to be copied", source));
    }
  }
  std::error_code error;
  if (fs::exists(fs::symlink_status(flags.output, error))) {
    return UsageError(
        fmt::format("OUT: {} exists; a copy is made in a folder of its own", flags.output));
  }
  store::SnapshotRequest request{context.data(), also, flags.output, Heading(), {}, {}};
  ProgressLine progress(context.err(), "copied", ProgressLine::Unit::kBytes, 0);
  uint64_t done = 0;
  request.on_bytes = [&](uint64_t bytes) { progress.Update(done += bytes); };
  const auto open = store::HeldSources(std::make_shared<SnapshotJudge>(sources, flags.output));
  request.open = [&open](const std::string& path) { return open(RealPath(path).string()); };
  const auto taken = store::TakeSnapshot(io::PosixFileSystem(), request);
  if (!taken.ok()) return Unreachable(context.data(), taken.status());
  return PrintTaken(context, flags, *taken);
}

CommandResult Check(CommandContext& context, const PreserveFlags& flags) {
  if (!flags.also.empty()) return UsageError("--also has no say in a check");
  ProgressLine progress(context.err(), "hashed", ProgressLine::Unit::kBytes, 0);
  uint64_t done = 0;
  const auto found = store::CheckSnapshot(
      io::PosixFileSystem(), RealPath(flags.output).string(),
      [&](uint64_t bytes) { progress.Update(done += bytes); },
      store::HeldSources(std::make_shared<CopyJudge>()));
  if (absl::IsNotFound(found.status())) {
    return Unreachable(flags.output, absl::NotFoundError("no SHA256SUMS: no copy, or one that was "
                                                         "never finished"));
  }
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
      "it. A link is followed only to what the folder's owner owns; pipes, devices and other "
      "links\n"
      "are left out, and what the disk will not read becomes zeros: both are named. Only who made\n"
      "the copy may read it.\n"
      "Exit code 1: not everything is in the copy; with --check, something is not as it was.\n"
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
