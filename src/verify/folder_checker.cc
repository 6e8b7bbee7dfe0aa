#include "verify/folder_checker.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "base/status_text.h"
#include "base/text_safety.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "journal/journal_format.h"
#include "journal/journal_recovery.h"
#include "store/data_folder.h"
#include "store/guard.h"
#include "verify/log_check.h"

namespace graven::verify {
namespace {

class FolderCheck {
 public:
  FolderCheck(io::FileSystem& fs, const FolderOptions& options)
      : fs_(fs), options_(options), paths_(options.folder) {}

  absl::StatusOr<FolderVerdict> Run() {
    RETURN_IF_ERROR(store::CheckDataFolder(fs_, paths_));
    RETURN_IF_ERROR(TakeLock());
    RETURN_IF_ERROR(FindLogs());
    RETURN_IF_ERROR(MeasureWork());
    RETURN_IF_ERROR(CheckGuard());
    for (auto& [number, log] : logs_) log->CheckCheckpoints();
    for (auto& [number, log] : logs_) {
      log->CheckSegments([this](uint64_t bytes) { Progress(bytes); }, &verdict_.notes);
    }
    RETURN_IF_ERROR(CheckJournal());
    for (auto& [number, log] : logs_) verdict_.logs.push_back(log->Finish());
    std::sort(verdict_.logs.begin(), verdict_.logs.end(),
              [](const LogVerdict& a, const LogVerdict& b) {
                // The server's own log last: nobody asks for it first.
                const bool own_a = a.name.starts_with('_'), own_b = b.name.starts_with('_');
                return own_a != own_b ? own_b : a.name < b.name;
              });
    return std::move(verdict_);
  }

 private:
  // While a server writes, what is read here would not fit together.
  absl::Status TakeLock() {
    if (!fs_.Stat(paths_.Lock()).ok()) return absl::OkStatus();
    absl::StatusOr<std::unique_ptr<io::FolderLock>> lock = fs_.Lock(paths_.Lock());
    if (absl::IsFailedPrecondition(lock.status())) return lock.status();
    // A folder on a medium that cannot be written is in nobody's use.
    if (lock.ok()) lock_ = *std::move(lock);
    return absl::OkStatus();
  }

  absl::Status FindLogs() {
    std::vector<store::DamagedLog> damaged;
    ASSIGN_OR_RETURN(const std::vector<store::LogMeta> metas,
                     store::ReadLogMetas(fs_, paths_, &damaged));
    for (const store::DamagedLog& log : damaged) {
      nameless_ = true;
      if (!options_.log.empty() && log.name != options_.log) continue;
      LogVerdict verdict;
      verdict.name = log.name;
      verdict.status = log.status;
      verdict.bad_file = paths_.Meta(log.name);
      verdict_.logs.push_back(std::move(verdict));
    }
    std::vector<bool> used(options_.keys.size());
    for (const store::LogMeta& meta : metas) {
      known_numbers_[meta.number] = meta.name;
      if (!options_.log.empty() && meta.name != options_.log) continue;
      const note::VerifierKey* pinned = nullptr;
      for (size_t i = 0; i < options_.keys.size(); ++i) {
        if (options_.keys[i].name() != meta.origin) continue;
        pinned = &options_.keys[i];
        used[i] = true;
      }
      logs_.emplace(meta.number,
                    std::make_unique<LogCheck>(fs_, paths_, meta, pinned, options_.on_record,
                                               options_.heartbeat_deadline_ns));
    }
    if (!options_.log.empty() && logs_.empty() && verdict_.logs.empty()) {
      return absl::NotFoundError(fmt::format("log {}: there is none", SafeText(options_.log)));
    }
    for (size_t i = 0; i < used.size(); ++i) {
      if (used[i]) continue;
      verdict_.problems.push_back(fmt::format(
          "no log here has the origin {} of a key that was given", options_.keys[i].name()));
    }
    return absl::OkStatus();
  }

  absl::Status MeasureWork() {
    std::vector<std::string> folders = {paths_.Journal()};
    for (const auto& [number, name] : known_numbers_) {
      if (logs_.contains(number)) folders.push_back(paths_.Segments(name));
    }
    for (const std::string& folder : folders) {
      const absl::StatusOr<std::vector<std::string>> names = fs_.List(folder);
      if (!names.ok()) continue;
      for (const std::string& name : *names) {
        const absl::StatusOr<io::FileInfo> info = fs_.Stat(io::JoinPath(folder, name));
        if (info.ok()) total_bytes_ += info->size;
      }
    }
    return absl::OkStatus();
  }

  void Progress(uint64_t bytes) {
    done_bytes_ = std::min(done_bytes_ + bytes, total_bytes_);
    if (options_.on_progress) options_.on_progress(done_bytes_, total_bytes_);
  }

  absl::Status CheckGuard() {
    const std::string path = options_.guard_path.empty() ? paths_.Guard() : options_.guard_path;
    const absl::StatusOr<std::vector<store::GuardEntry>> entries = store::Guard::Read(fs_, path);
    if (absl::IsNotFound(entries.status())) {
      verdict_.notes.push_back(fmt::format("{}: there is no guard; not checked", path));
      return absl::OkStatus();
    }
    if (absl::IsDataLoss(entries.status())) {
      verdict_.problems.push_back(MessageOf(entries.status()));
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(entries.status());
    for (const store::GuardEntry& entry : *entries) {
      if (const auto log = logs_.find(entry.log); log != logs_.end()) {
        log->second->TakeGuard(entry);
      } else if (!known_numbers_.contains(entry.log) && entry.size.value > 0) {
        // An entry of size 0 alone is left by an interrupted creation.
        SayNobodys(fmt::format("the guard knows a log number {} with {} records", entry.log,
                               entry.size.value));
      }
    }
    return absl::OkStatus();
  }

  // Of a number that no log here has; when the meta file of one cannot be read it may be that
  // one's.
  void SayNobodys(std::string what) {
    if (nameless_) {
      verdict_.notes.push_back(what + ", which may be of a log whose meta file is damaged");
    } else {
      verdict_.problems.push_back(what + ", of which nothing else is here");
    }
  }

  absl::Status OnSection(const journal::FrameSection& section) {
    if (section.file != journal_file_) {
      if (journal_file_ != 0) Progress(JournalFileBytes());
      journal_file_ = section.file;
    }
    if (const auto log = logs_.find(section.log_number); log != logs_.end()) {
      log->second->CheckSection(section);
    } else if (!known_numbers_.contains(section.log_number)) {
      known_numbers_[section.log_number] = "";  // said once
      SayNobodys(fmt::format("the journal has records of a log number {}", section.log_number));
    }
    return absl::OkStatus();
  }

  uint64_t JournalFileBytes() {
    const absl::StatusOr<io::FileInfo> info =
        fs_.Stat(io::JoinPath(paths_.Journal(), journal::JournalFileName(journal_file_)));
    return info.ok() ? info->size : 0;
  }

  absl::Status CheckJournal() {
    const absl::StatusOr<journal::JournalRecovery> journal = journal::ReadJournal(
        fs_, paths_.Journal(),
        [this](const journal::FrameSection& section) { return OnSection(section); });
    if (absl::IsNotFound(journal.status())) {
      verdict_.problems.push_back(fmt::format("{}: missing", paths_.Journal()));
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(journal.status());
    if (journal->damage) {
      RETURN_IF_ERROR(CheckDamage(*journal));
      for (const journal::LaterSection& later : journal->later) {
        if (const auto log = logs_.find(later.log_number); log != logs_.end()) {
          log->second->TakeLater(later);
        }
      }
      // What is lost of it shows in the logs: by the guard, a checkpoint, or a later frame.
      verdict_.notes.push_back(fmt::format(
          "the journal stops at {}, byte {}: {}",
          io::JoinPath(paths_.Journal(), journal::JournalFileName(journal->damage->file)),
          journal->damage->offset, journal->damage->reason));
    }
    Progress(total_bytes_);
    return absl::OkStatus();
  }

  // A torn end that nobody was told about is no damage to a record.
  absl::Status CheckDamage(const journal::JournalRecovery& journal) {
    ASSIGN_OR_RETURN(
        const std::optional<journal::BadRecord> bad,
        journal::FindBadRecord(fs_, paths_.Journal(), journal,
                               [this](uint32_t number) -> std::optional<journal::LogTip> {
                                 const auto log = logs_.find(number);
                                 if (log == logs_.end()) return std::nullopt;
                                 return log->second->Tip();
                               }));
    if (!bad) return absl::OkStatus();
    bool promised = journal.damage->was_durable;
    for (const journal::LaterSection& later : journal.later) {
      promised |=
          later.log_number == bad->log_number && later.acknowledged.value > bad->index.value;
    }
    logs_.at(bad->log_number)->TakeBadRecord(*bad, promised);
    return absl::OkStatus();
  }

  io::FileSystem& fs_;
  const FolderOptions& options_;
  const store::DataPaths paths_;
  std::unique_ptr<io::FolderLock> lock_;
  std::map<uint32_t, std::string> known_numbers_;
  bool nameless_ = false;  // a meta file could not be read, so a number may be of its log
  std::map<uint32_t, std::unique_ptr<LogCheck>> logs_;
  uint64_t total_bytes_ = 0;
  uint64_t done_bytes_ = 0;
  uint64_t journal_file_ = 0;
  FolderVerdict verdict_;
};

}  // namespace

bool FolderVerdict::good() const {
  return problems.empty() && std::all_of(logs.begin(), logs.end(),
                                         [](const LogVerdict& log) { return log.status.ok(); });
}

absl::StatusOr<FolderVerdict> CheckFolder(io::FileSystem& fs, const FolderOptions& options) {
  return FolderCheck(fs, options).Run();
}

}  // namespace graven::verify
