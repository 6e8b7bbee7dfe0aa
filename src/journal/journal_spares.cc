// The files of a journal that come and go: prepared, retired, recycled, removed. journal.cc appends
// to them.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "journal/journal.h"
#include "journal/journal_format.h"

namespace graven::journal {
namespace {

constexpr size_t kZeroChunkBytes = size_t{1} << 20;

}  // namespace

bool Journal::NeedsSpare(uint64_t enough) const {
  if (random_ == nullptr || dead()) return false;
  MutexLock lock(&mutex_);
  return spares_.size() < std::min(options_.spares, enough);
}

// Oldest first, and never the newest that holds durable frames: numbers and sequence go on from it.
void Journal::CollectRetired() {
  while (files_.size() > 1) {
    const auto oldest = files_.begin();
    if (!oldest->second->retired) return;
    // An older file that was cut would look like one that this one's successor misses.
    if (!cut_.empty() && cut_.begin()->first < oldest->first) return;
    if (std::next(oldest)->second->durable == 0) return;
    free_.insert(*oldest);
    files_.erase(oldest);
  }
}

// Takes the oldest free file away: to `path` when it can be recycled there, else removes it. It is
// gone durably on return, before any newer one is touched, so that after a crash the oldest are the
// ones gone; after an error it is free still, and tried again. A file that somebody still reads is
// unlinked: the reader keeps the old bytes.
absl::StatusOr<Journal::Fate> Journal::TakeAwayOldest(const std::string& path) {
  MutexLock one_at_a_time(&taking_away_);
  std::shared_ptr<OpenFile> old;
  uint64_t number = 0;
  {
    MutexLock lock(&mutex_);
    CollectRetired();
    if (free_.empty()) return Fate::kNone;
    number = free_.begin()->first;
    old = free_.begin()->second;
  }
  const absl::StatusOr<io::FileInfo> info = fs_.Stat(PathOf(number));
  // An earlier attempt may have done it, whatever it said.
  const bool there = !absl::IsNotFound(info.status());
  if (there && !info.ok()) return info.status();
  const bool read_by_others = old.use_count() > 2;  // beside us and the map
  std::atomic_thread_fence(std::memory_order_acquire);
  const bool recycle =
      there && !path.empty() && !read_by_others && info->size == options_.file_bytes;
  if (recycle) {
    RETURN_IF_ERROR(fs_.Rename(PathOf(number), path));
  } else if (there) {
    RETURN_IF_ERROR(fs_.Remove(PathOf(number)));
  }
  RETURN_IF_ERROR(fs_.SyncDirectory(dir_));
  MutexLock lock(&mutex_);
  free_.erase(number);
  return recycle ? Fate::kRecycled : Fate::kRemoved;
}

// Null when no file can be recycled. A file keeps its old header until it is used; under the new
// name that makes it an unused one.
absl::StatusOr<std::shared_ptr<io::File>> Journal::RecycleAs(uint64_t number) {
  Fate fate = Fate::kRemoved;
  while (fate == Fate::kRemoved) {
    ASSIGN_OR_RETURN(fate, TakeAwayOldest(PathOf(number)));
  }
  if (fate == Fate::kNone) return std::shared_ptr<io::File>();
  return fs_.Open(PathOf(number), io::OpenMode::kReadWrite);
}

absl::StatusOr<std::shared_ptr<io::File>> Journal::CreateZeroed(uint64_t number) {
  ASSIGN_OR_RETURN(const uint64_t free_bytes, fs_.FreeBytes(dir_));
  if (free_bytes < options_.reserve_bytes + options_.file_bytes) {
    return absl::ResourceExhaustedError(fmt::format(
        "journal: {} bytes free on the disk of {}; a new file takes {} and {} are kept in "
        "reserve",
        free_bytes, dir_, options_.file_bytes, options_.reserve_bytes));
  }
  const std::string temporary = io::JoinPath(dir_, kJournalTemporaryName);
  ASSIGN_OR_RETURN(std::shared_ptr<io::File> file,
                   fs_.Open(temporary, io::OpenMode::kCreateOrTruncate));
  absl::Status status;
  const std::string zeros(std::min<uint64_t>(kZeroChunkBytes, options_.file_bytes), '\0');
  for (uint64_t at = 0; status.ok() && at < options_.file_bytes; at += zeros.size()) {
    const uint64_t size = std::min<uint64_t>(zeros.size(), options_.file_bytes - at);
    status = file->WriteAt(at, std::string_view(zeros).substr(0, size));
  }
  if (status.ok()) status = file->Sync();
  if (!status.ok()) {
    // Gives the space back; a leftover is removed at the next start at the latest.
    file.reset();
    (void)fs_.Remove(temporary);
    return status;
  }
  RETURN_IF_ERROR(fs_.Rename(temporary, PathOf(number)));
  RETURN_IF_ERROR(fs_.SyncDirectory(dir_));
  return file;
}

absl::Status Journal::PrepareSpare() {
  RETURN_IF_ERROR(CheckAlive());
  uint64_t number = 0;
  uint64_t files = 0;
  {
    MutexLock lock(&mutex_);
    CollectRetired();
    // Never used again when this attempt fails: then it is not known whether a file has this name.
    number = next_number_++;
    // Files that wait for the next sync to become free do not count: for that there must be a file.
    files = spares_.size() + free_.size();
    for (const auto& [unused, used] : files_) files += used->retired ? 0 : 1;
  }
  ASSIGN_OR_RETURN(std::shared_ptr<io::File> file, RecycleAs(number));
  if (file == nullptr) {
    if (files >= options_.files_max) {
      return absl::ResourceExhaustedError(
          fmt::format("journal: all {} files hold records that are not sealed yet", files));
    }
    ASSIGN_OR_RETURN(file, CreateZeroed(number));
  }
  MutexLock lock(&mutex_);
  spares_[number] = std::move(file);
  return absl::OkStatus();
}

absl::Status Journal::Retire(uint64_t file) {
  RETURN_IF_ERROR(CheckAlive());
  MutexLock lock(&mutex_);
  const auto it = files_.find(file);
  if (it == files_.end() || it->second->retired) {
    return absl::NotFoundError(fmt::format("journal: no file {}", JournalFileName(file)));
  }
  if (it->second == current_) {
    return absl::FailedPreconditionError(
        fmt::format("journal: file {} is appended to", JournalFileName(file)));
  }
  it->second->retired = true;
  CollectRetired();
  return absl::OkStatus();
}

absl::Status Journal::RemoveRetired() {
  RETURN_IF_ERROR(CheckAlive());
  Fate fate = Fate::kRemoved;
  while (fate == Fate::kRemoved && !NeedsSpare()) {
    ASSIGN_OR_RETURN(fate, TakeAwayOldest(""));
  }
  return absl::OkStatus();
}

}  // namespace graven::journal
