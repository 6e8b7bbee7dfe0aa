#include "audit/verify_indexes.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "console/terminal.h"
#include "fmt/format.h"
#include "index/index_checker.h"
#include "io/file_system.h"
#include "query/record_view.h"
#include "store/data_folder.h"
#include "verify/folder_checker.h"

namespace graven::audit {
using console::Colour;
using console::CommandContext;
using console::CommandResult;
using console::ExitCode;
using console::Json;
using console::ProgressLine;
using console::Terminal;
using console::Unreachable;

namespace {

struct LogName {
  std::string name;
  std::string origin;  // empty: its meta file is damaged, and its verdict says so
};

// From the meta files alone: the records of each log are read once, when its index is checked. The
// server's own log last.
absl::StatusOr<std::vector<LogName>> ListLogs(const std::string& folder, const std::string& log) {
  io::FileSystem& fs = io::PosixFileSystem();
  const store::DataPaths paths(folder);
  RETURN_IF_ERROR(store::CheckDataFolder(fs, paths));
  std::vector<store::DamagedLog> damaged;
  ASSIGN_OR_RETURN(const std::vector<store::LogMeta> metas,
                   store::ReadLogMetas(fs, paths, &damaged));
  std::vector<LogName> logs;
  for (const store::LogMeta& meta : metas) logs.push_back({meta.name, meta.origin});
  for (const store::DamagedLog& one : damaged) logs.push_back({one.name, ""});
  if (!log.empty()) {
    std::erase_if(logs, [&](const LogName& one) { return one.name != log; });
    if (logs.empty()) {
      return absl::NotFoundError(fmt::format("log {}: there is none", SafeText(log)));
    }
  }
  std::sort(logs.begin(), logs.end(), [](const LogName& a, const LogName& b) {
    const bool own_a = a.name.starts_with('_');
    const bool own_b = b.name.starts_with('_');
    return own_a != own_b ? own_b : a.name < b.name;
  });
  return logs;
}

struct CheckedIndex {
  std::string log;
  uint64_t records = 0;
  std::string manifest;
  index::IndexChecker::Verdict verdict;

  Hash manifest_hash() const { return Sha256(manifest); }
};

// What the server's own log says of manifests: the newest of each log.
class LoggedManifests {
 public:
  static constexpr std::string_view kLog = "_system";

  struct Logged {
    std::string hash;    // base64
    uint64_t index = 0;  // of the record that says so
  };

  // A record of that log. One without a manifest was written by an older version.
  void Add(LogIndex index, std::string_view record) {
    if (!view_.Read(record).ok() || view_.action != "index.file") return;
    std::string log, hash;
    for (const query::RecordView::Label& label : view_.labels) {
      if (label.key == "log") log = label.value;
      if (label.key == "manifest") hash = label.value;
    }
    if (!hash.empty()) newest_[log] = {hash, index.value};
  }
  std::optional<Logged> Find(const std::string& log) const {
    const auto found = newest_.find(log);
    return found == newest_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  query::RecordView view_;
  std::map<std::string, Logged> newest_;
};

// One log, its records checked on the way: an index of records that do not hold says nothing.
absl::StatusOr<CheckedIndex> CheckLog(const std::string& folder, const LogName& log,
                                      LoggedManifests* logged, ProgressLine& progress) {
  io::FileSystem& fs = io::PosixFileSystem();
  index::IndexChecker checker(fs, store::DataPaths(folder).Log(log.name) + "/index", log.origin);
  verify::FolderOptions options;
  options.folder = folder;
  options.log = log.name;
  options.on_record = [&](LogIndex index, std::string_view record) {
    checker.Add(index, record);
    if (log.name == LoggedManifests::kLog) logged->Add(index, record);
  };
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

Json ToJson(const CheckedIndex& checked, const LoggedManifests& logged) {
  Json files = Json::array();
  for (const index::ManifestEntry& entry : checked.verdict.entries) {
    files.push_back({{"first", std::to_string(entry.first)},
                     {"end", std::to_string(entry.end)},
                     {"subtreeRoot", Base64Encode(entry.subtree_root)},
                     {"indexRoot", Base64Encode(entry.index_root)}});
  }
  Json json = {{"log", checked.log},
               {"verdict", checked.verdict.problems.empty() ? "OK" : "BAD"},
               {"records", std::to_string(checked.records)},
               {"manifestHash", Base64Encode(checked.manifest_hash())},
               {"files", std::move(files)},
               {"problems", checked.verdict.problems}};
  if (const auto newest = logged.Find(checked.log)) {
    json["logged"] = {{"manifestHash", newest->hash},
                      {"record", std::to_string(newest->index)},
                      {"same", newest->hash == Base64Encode(checked.manifest_hash())}};
  }
  return json;
}

// That the two differ is no fault of the files, each of which is what its records make, nor of any
// record: there are fewer or others of them than when the newest one was written.
void WriteLogged(const CheckedIndex& checked, const LoggedManifests& logged, Terminal& out) {
  const auto newest = logged.Find(checked.log);
  if (!newest.has_value()) return;
  if (newest->hash == Base64Encode(checked.manifest_hash())) {
    out.Line(fmt::format("    the manifest is the newest in _system (record {})", newest->index));
    return;
  }
  out.Line(
      fmt::format("    the newest manifest in _system (record {}) is another, {}: since then "
                  "files were deleted, or are being made again, or the server ended before "
                  "it had told of the last one; no record is in doubt",
                  newest->index, SafeText(newest->hash)));
}

void Write(const CheckedIndex& checked, const LoggedManifests& logged, Terminal& out) {
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
                       Base64Encode(checked.manifest_hash())));
  WriteLogged(checked, logged, out);
}

}  // namespace

CommandResult VerifyIndexes(CommandContext& context, const std::string& folder,
                            const std::string& log) {
  std::vector<CheckedIndex> all;
  LoggedManifests logged;
  {
    ProgressLine progress(context.err(), "verified", ProgressLine::Unit::kBytes, 0);
    const absl::StatusOr<std::vector<LogName>> logs = ListLogs(folder, log);
    if (!logs.ok()) return Unreachable(folder, logs.status());
    for (const LogName& one : *logs) {
      auto checked = CheckLog(folder, one, &logged, progress);
      if (!checked.ok()) return Unreachable(folder, checked.status());
      all.push_back(*std::move(checked));
    }
  }
  bool yes = true;
  Json json = {{"verdict", "OK"}, {"logs", Json::array()}};
  for (const CheckedIndex& checked : all) {
    yes = yes && checked.verdict.problems.empty();
    if (context.json()) {
      json["logs"].push_back(ToJson(checked, logged));
    } else {
      Write(checked, logged, context.out());
    }
  }
  if (!yes) json["verdict"] = "BAD";
  if (context.json()) context.PrintJson(json);
  return yes ? ExitCode::kDone : ExitCode::kNo;
}

}  // namespace graven::audit
