#include "cli/verify_indexes.h"

#include <string>
#include <vector>

#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "cli/terminal.h"
#include "fmt/format.h"
#include "index/index_checker.h"
#include "io/file_system.h"
#include "store/data_folder.h"
#include "verify/folder_checker.h"

namespace graven::cli {
namespace {

struct CheckedIndex {
  std::string log;
  uint64_t records = 0;
  std::string manifest;
  index::IndexChecker::Verdict verdict;
};

// One log, its records checked on the way: an index of records that do not hold says nothing.
absl::StatusOr<CheckedIndex> CheckLog(const std::string& folder, const verify::LogVerdict& log,
                                      ProgressLine& progress) {
  io::FileSystem& fs = io::PosixFileSystem();
  index::IndexChecker checker(fs, store::DataPaths(folder).Log(log.name) + "/index", log.origin);
  verify::FolderOptions options;
  options.folder = folder;
  options.log = log.name;
  options.on_record = [&](LogIndex index, std::string_view record) { checker.Add(index, record); };
  options.on_progress = [&progress](uint64_t done, uint64_t total) {
    progress.SetTotal(total);
    progress.Update(done);
  };
  ASSIGN_OR_RETURN(const verify::FolderVerdict verdict, verify::CheckFolder(fs, options));
  CheckedIndex checked;
  checked.log = log.name;
  checked.verdict = checker.Finish();
  checked.manifest = index::FormatManifest(log.origin, checked.verdict.entries);
  for (const verify::LogVerdict& one : verdict.logs) {
    checked.records = one.records;
    if (one.status.ok()) continue;
    checked.verdict.problems.push_back(
        fmt::format("log {}: {}", one.name,
                    std::string(one.status.message().data(), one.status.message().size())));
  }
  return checked;
}

Json ToJson(const CheckedIndex& checked) {
  Json files = Json::array();
  for (const index::ManifestEntry& entry : checked.verdict.entries) {
    files.push_back({{"first", std::to_string(entry.first)},
                     {"end", std::to_string(entry.end)},
                     {"subtreeRoot", Base64Encode(entry.subtree_root)},
                     {"indexRoot", Base64Encode(entry.index_root)}});
  }
  return {{"log", checked.log},
          {"verdict", checked.verdict.problems.empty() ? "OK" : "BAD"},
          {"records", std::to_string(checked.records)},
          {"manifestHash", Base64Encode(Sha256(checked.manifest))},
          {"files", std::move(files)},
          {"problems", checked.verdict.problems}};
}

void Write(const CheckedIndex& checked, Terminal& out) {
  for (const std::string& problem : checked.verdict.problems) {
    out.Line(out.Paint(Colour::kRed, "BAD  " + SafeText(problem)));
  }
  if (!checked.verdict.problems.empty()) return;
  uint64_t covered = 0;
  for (const index::ManifestEntry& entry : checked.verdict.entries) {
    covered += entry.end - entry.first;
  }
  out.Line(fmt::format("{}  {}: {} index files are what {} of {} records make; manifest {}",
                       out.Paint(Colour::kGreen, "OK"), SafeText(checked.log),
                       checked.verdict.entries.size(), covered, checked.records,
                       Base64Encode(Sha256(checked.manifest))));
}

}  // namespace

CommandResult VerifyIndexes(CommandContext& context, const std::string& folder,
                            const std::string& log) {
  std::vector<CheckedIndex> all;
  {
    ProgressLine progress(context.err(), "verified", ProgressLine::Unit::kBytes, 0);
    verify::FolderOptions options;
    options.folder = folder;
    options.log = log;
    const auto logs = verify::CheckFolder(io::PosixFileSystem(), options);
    if (!logs.ok()) return Unreachable(folder, logs.status());
    for (const verify::LogVerdict& one : logs->logs) {
      auto checked = CheckLog(folder, one, progress);
      if (!checked.ok()) return Unreachable(folder, checked.status());
      all.push_back(*std::move(checked));
    }
  }
  bool yes = true;
  Json json = {{"verdict", "OK"}, {"logs", Json::array()}};
  for (const CheckedIndex& checked : all) {
    yes = yes && checked.verdict.problems.empty();
    if (context.json()) {
      json["logs"].push_back(ToJson(checked));
    } else {
      Write(checked, context.out());
    }
  }
  if (!yes) json["verdict"] = "BAD";
  if (context.json()) context.PrintJson(json);
  return yes ? ExitCode::kDone : ExitCode::kNo;
}

}  // namespace graven::cli
