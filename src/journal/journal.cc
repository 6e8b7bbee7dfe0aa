#include "journal/journal.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/absl_views.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "journal/journal_format.h"
#include "journal/journal_scanner.h"

namespace graven::journal {
namespace {

constexpr size_t kZeroChunkBytes = size_t{1} << 20;
constexpr uint64_t kPageBytes = 4096;

uint64_t RoundUpToPage(uint64_t offset) {
  return (offset + kPageBytes - 1) / kPageBytes * kPageBytes;
}

absl::Status CheckOptions(const JournalOptions& options) {
  if (options.file_bytes % 4096 != 0 || options.file_bytes < 3 * 4096 ||
      options.file_bytes > kJournalFileBytesMax) {
    return absl::InvalidArgumentError(fmt::format(
        "journal file_bytes is {}; must be a multiple of 4096, at least {} and at most {}",
        options.file_bytes, 3 * 4096, kJournalFileBytesMax));
  }
  if (options.files_max < 2) {
    return absl::InvalidArgumentError(
        fmt::format("journal files_max is {}; must be at least 2", options.files_max));
  }
  return absl::OkStatus();
}

}  // namespace

Journal::Journal(io::FileSystem& fs, std::string dir, const JournalOptions& options, Random* random)
    : fs_(fs), dir_(std::move(dir)), options_(options), random_(random) {}

Journal::~Journal() = default;

absl::StatusOr<std::unique_ptr<Journal>> Journal::Open(io::FileSystem& fs, const std::string& dir,
                                                       const JournalOptions& options,
                                                       Random& random,
                                                       const JournalRecovery& recovery) {
  RETURN_IF_ERROR(CheckOptions(options));
  RETURN_IF_ERROR(io::MakeDirectoryDurably(fs, dir));
  std::unique_ptr<Journal> journal(new Journal(fs, dir, options, &random));
  RETURN_IF_ERROR(journal->TakeOver(recovery));
  RETURN_IF_ERROR(journal->SecureUnproven(recovery));
  RETURN_IF_ERROR(journal->TakeOverUnused(recovery));
  return journal;
}

absl::StatusOr<std::unique_ptr<Journal>> Journal::OpenReadOnly(io::FileSystem& fs,
                                                               const std::string& dir,
                                                               const JournalRecovery& recovery) {
  std::unique_ptr<Journal> journal(new Journal(fs, dir, JournalOptions{}, nullptr));
  RETURN_IF_ERROR(journal->TakeOver(recovery));
  return journal;
}

absl::Status Journal::TakeOver(const JournalRecovery& recovery) {
  next_sequence_ = recovery.next_sequence;
  last_check_ = recovery.last_check;
  synced_sequence_ = recovery.next_sequence;
  MutexLock lock(&mutex_);
  next_number_ = recovery.next_number;
  appended_sequence_ = recovery.next_sequence;
  for (const JournalRecovery::OldFile& old : recovery.chain) {
    auto file = std::make_shared<OpenFile>();
    file->number = old.number;
    file->salt = old.salt;
    file->appended = file->durable = old.end;
    ASSIGN_OR_RETURN(file->file, fs_.Open(PathOf(old.number), io::OpenMode::kRead));
    files_[old.number] = std::move(file);
    previous_ = old;
  }
  for (const JournalFileInfo& info : recovery.files) {
    const auto it = files_.find(info.number);
    GRAVEN_CHECK(it != files_.end());
    for (const LogRange& range : info.logs) it->second->logs[range.log_number] = range;
  }
  return absl::OkStatus();
}

absl::Status Journal::SecureUnproven(const JournalRecovery& recovery) {
  std::string bytes;
  for (const JournalRecovery::Unproven& part : recovery.unproven) {
    ASSIGN_OR_RETURN(const std::unique_ptr<io::File> file,
                     fs_.Open(PathOf(part.file), io::OpenMode::kReadWrite));
    for (uint64_t at = part.begin; at < part.end; at += bytes.size()) {
      bytes.resize(std::min<uint64_t>(kZeroChunkBytes, part.end - at));
      RETURN_IF_ERROR(file->ReadAt(at, {bytes.data(), bytes.size()}));
      RETURN_IF_ERROR(file->WriteAt(at, bytes));
    }
    RETURN_IF_ERROR(file->Sync());
  }
  // Names that a process gave before it died.
  return fs_.SyncDirectory(dir_);
}

// Prepared files are used as they are, when nothing is in the way; others wait to be recycled.
// Files behind the cut keep their bytes until a newer file says, durably, that they are cut.
absl::Status Journal::TakeOverUnused(const JournalRecovery& recovery) {
  if (const absl::Status removed = fs_.Remove(io::JoinPath(dir_, kJournalTemporaryName));
      !removed.ok() && !absl::IsNotFound(removed)) {
    return removed;
  }
  MutexLock lock(&mutex_);
  uint64_t newest_used = files_.empty() ? 0 : files_.rbegin()->first;
  for (const uint64_t number : recovery.cut_files) {
    cut_[number] = std::make_shared<OpenFile>();
    newest_used = std::max(newest_used, number);
  }
  for (const uint64_t number : recovery.unused_files) {
    ASSIGN_OR_RETURN(std::unique_ptr<io::File> file,
                     fs_.Open(PathOf(number), io::OpenMode::kReadWrite));
    ASSIGN_OR_RETURN(const uint64_t size, file->Size());
    if (number > newest_used && size == options_.file_bytes) {
      spares_[number] = std::move(file);
    } else {
      free_[number] = std::make_shared<OpenFile>();
    }
  }
  return absl::OkStatus();
}

std::string Journal::PathOf(uint64_t number) const {
  return io::JoinPath(dir_, JournalFileName(number));
}

size_t Journal::FrameBytesMax(uint64_t file_bytes) {
  return static_cast<size_t>(file_bytes - kJournalHeaderBytes);
}

// What a failed write or sync leaves on disk is not known, and a later sync may say OK without
// having written it. So nothing more is written; opening again reads what is really there.
absl::Status Journal::Die(const absl::Status& cause) {
  dead_.store(true, std::memory_order_release);
  return absl::UnavailableError(fmt::format(
      "journal: a write failed and its outcome is unknown; nothing more is written until "
      "the folder is opened again: {}",
      ToStd(cause.message())));
}

absl::Status Journal::CheckAlive() const {
  if (random_ == nullptr) return absl::FailedPreconditionError("journal: opened for reading only");
  if (dead()) {
    return absl::FailedPreconditionError(
        "journal: stopped after a failed write until the folder is opened again");
  }
  return absl::OkStatus();
}

bool Journal::HasRoomFor(size_t frame_bytes) const {
  if (random_ == nullptr || dead() || frame_bytes > FrameBytesMax(options_.file_bytes))
    return false;
  MutexLock lock(&mutex_);
  return !spares_.empty() ||
         (current_ != nullptr && current_->appended + frame_bytes <= options_.file_bytes);
}

std::shared_ptr<Journal::OpenFile> Journal::StartFile() {
  const auto spare = spares_.begin();
  auto file = std::make_shared<OpenFile>();
  file->number = spare->first;
  random_->Fill(file->salt);
  file->file = std::move(spare->second);
  file->appended = kJournalHeaderBytes;
  spares_.erase(spare);
  if (current_ != nullptr) previous_ = {current_->number, current_->salt, current_->appended};
  files_[file->number] = file;
  current_ = file;
  return file;
}

std::string Journal::HeaderOf(const OpenFile& file) const {
  JournalHeader header;
  header.number = file.number;
  header.first_sequence = next_sequence_;
  header.first_chain = last_check_;
  header.salt = file.salt;
  header.previous_number = previous_.number;
  header.previous_salt = previous_.salt;
  header.previous_end = previous_.end;
  return EncodeJournalHeader(header);
}

// The file that the frame goes into, its header written if it is new.
absl::StatusOr<std::shared_ptr<Journal::OpenFile>> Journal::FileFor(size_t frame_bytes) {
  std::shared_ptr<OpenFile> file;
  std::string header;
  {
    MutexLock lock(&mutex_);
    if (current_ != nullptr && current_->appended + frame_bytes <= options_.file_bytes) {
      return current_;
    }
    if (spares_.empty()) {
      return absl::ResourceExhaustedError("journal: no file is prepared");
    }
    file = StartFile();
    header = HeaderOf(*file);
  }
  // Header and first frame share a sync. When a crash keeps only the frame, the file counts as
  // unused.
  const absl::Status written = file->file->WriteAt(0, header);
  if (!written.ok()) return Die(written);
  return file;
}

absl::Status Journal::WriteAhead(const FrameBuilder& frame) {
  RETURN_IF_ERROR(CheckAlive());
  std::shared_ptr<OpenFile> file;
  {
    MutexLock lock(&mutex_);
    file = current_;
  }
  if (file == nullptr || file->appended + frame.size_bytes() > options_.file_bytes) {
    return absl::OkStatus();
  }
  // Whole pages, without that of the header: no page is written back twice.
  const uint64_t at = file->appended;
  const bool first = ahead_.file == 0;
  const uint64_t begin = first ? RoundUpToPage(at + kFrameHeaderBytes) - at : ahead_.end;
  const uint64_t stands = at + frame.unfinished().size();
  if (stands - stands % kPageBytes < at + begin + options_.write_ahead_bytes)
    return absl::OkStatus();
  const uint64_t end = stands - stands % kPageBytes - at;
  const absl::Status written =
      file->file->WriteAt(at + begin, frame.unfinished().substr(begin, end - begin));
  if (!written.ok()) return Die(written);
  file->file->StartWriteback(at + begin, end - begin);
  ahead_ = {file->number, first ? begin : ahead_.begin, end};
  return absl::OkStatus();
}

// What was written ahead into another file, which the frame outgrew, lies behind that file's last
// frame and means nothing.
absl::Status Journal::WriteRest(OpenFile& file, std::string_view frame) {
  const Ahead ahead = std::exchange(ahead_, {});
  if (ahead.file != file.number) return file.file->WriteAt(file.appended, frame);
  RETURN_IF_ERROR(file.file->WriteAt(file.appended + ahead.end, frame.substr(ahead.end)));
  return file.file->WriteAt(file.appended, frame.substr(0, ahead.begin));
}

absl::StatusOr<FramePosition> Journal::Append(FrameBuilder& frame) {
  RETURN_IF_ERROR(CheckAlive());
  const size_t frame_bytes = frame.size_bytes();
  if (frame_bytes > FrameBytesMax(options_.file_bytes)) {
    return absl::InvalidArgumentError(fmt::format("journal: a frame of {} bytes; at most {}",
                                                  frame_bytes, FrameBytesMax(options_.file_bytes)));
  }
  ASSIGN_OR_RETURN(const std::shared_ptr<OpenFile> file, FileFor(frame_bytes));
  const FrameBuilder::Finished finished =
      frame.Finish({next_sequence_, last_check_, synced_sequence_.load(), file->salt});
  const FramePosition position{file->number, static_cast<uint32_t>(file->appended)};
  const absl::Status written = WriteRest(*file, finished.bytes);
  if (!written.ok()) return Die(written);

  ++next_sequence_;
  last_check_ = finished.check;
  FrameHeader header;
  header.section_count = frame.section_count();
  MutexLock lock(&mutex_);
  appended_sequence_ = next_sequence_;
  file->appended += finished.bytes.size();
  ParseSections(frame.body(), header, file->number, 0, false, [&](const FrameSection& section) {
    const LogRange range{section.log_number, section.first, section.end()};
    const auto [it, inserted] = file->logs.try_emplace(section.log_number, range);
    if (!inserted) it->second.end = section.end();
  });
  return position;
}

absl::Status Journal::Sync() {
  RETURN_IF_ERROR(CheckAlive());
  std::vector<std::pair<std::shared_ptr<OpenFile>, uint64_t>> unsynced;
  uint64_t sequence = 0;
  {
    MutexLock lock(&mutex_);
    sequence = appended_sequence_;
    for (auto it = files_.rbegin(); it != files_.rend(); ++it) {
      if (it->second->durable == it->second->appended) break;
      unsynced.emplace_back(it->second, it->second->appended);
    }
  }
  for (auto it = unsynced.rbegin(); it != unsynced.rend(); ++it) {
    const absl::Status synced = it->first->file->Sync();
    if (!synced.ok()) return Die(synced);
  }
  if (dead()) return CheckAlive();  // an Append beside this failed; it is not known of which bytes
  synced_sequence_.store(sequence);
  MutexLock lock(&mutex_);
  for (const auto& [file, end] : unsynced) file->durable = end;
  if (!unsynced.empty()) {
    // The header that names the cut is durable now.
    free_.merge(cut_);
    cut_.clear();
    CollectRetired();
  }
  return absl::OkStatus();
}

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

JournalFileInfo Journal::InfoOf(const OpenFile& file) const {
  JournalFileInfo info{file.number, file.appended, &file == current_.get(), {}};
  info.logs.reserve(file.logs.size());
  for (const auto& [log, range] : file.logs) info.logs.push_back(range);
  std::sort(info.logs.begin(), info.logs.end(),
            [](const LogRange& a, const LogRange& b) { return a.log_number < b.log_number; });
  return info;
}

std::vector<JournalFileInfo> Journal::Files() const {
  MutexLock lock(&mutex_);
  std::vector<JournalFileInfo> infos;
  for (const auto& [number, file] : files_) {
    if (HoldsRecords(*file)) infos.push_back(InfoOf(*file));
  }
  return infos;
}

std::optional<JournalFileInfo> Journal::Oldest() const {
  MutexLock lock(&mutex_);
  for (const auto& [number, file] : files_) {
    if (HoldsRecords(*file)) return InfoOf(*file);
  }
  return std::nullopt;
}

Journal::Usage Journal::UsedNow() const {
  MutexLock lock(&mutex_);
  Usage usage;
  for (const auto& [number, file] : files_) {
    if (!HoldsRecords(*file)) continue;
    ++usage.files;
    usage.bytes += file->appended;
  }
  return usage;
}

std::shared_ptr<Journal::OpenFile> Journal::FindFile(uint64_t number) const {
  MutexLock lock(&mutex_);
  const auto it = files_.find(number);
  if (it == files_.end() || it->second->retired) return nullptr;
  return it->second;
}

absl::Status Journal::Read(const RecordLocation& location, std::string* out) const {
  const std::shared_ptr<OpenFile> file = FindFile(location.file);
  if (file == nullptr) {
    return absl::NotFoundError(fmt::format("journal: no file {}", JournalFileName(location.file)));
  }
  out->resize(location.length);
  return file->file->ReadAt(location.offset, {out->data(), out->size()});
}

absl::Status Journal::ReadFile(uint64_t number, const SectionCallback& on_section) const {
  const std::shared_ptr<OpenFile> file = FindFile(number);
  if (file == nullptr) {
    return absl::NotFoundError(fmt::format("journal: no file {}", JournalFileName(number)));
  }
  uint64_t end = 0;
  {
    MutexLock lock(&mutex_);
    end = file->durable;
  }
  FrameScanner scanner(*file->file, number, file->salt, end);
  uint64_t offset = kJournalHeaderBytes;
  while (offset < end) {
    FrameScanner::Frame frame;
    const FrameScanner::Found found = scanner.ReadAt(offset, 0, &frame);
    if (found == FrameScanner::Found::kUnreadable) return scanner.read_error();
    if (found != FrameScanner::Found::kFrame) {
      return absl::DataLossError(
          fmt::format("{}: the frame at offset {} is damaged", PathOf(number), offset));
    }
    RETURN_IF_ERROR(scanner.ForEachSection(frame, on_section));
    offset += frame.header.frame_bytes();
  }
  return absl::OkStatus();
}

}  // namespace graven::journal
