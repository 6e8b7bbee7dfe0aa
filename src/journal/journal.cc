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

constexpr uint64_t kCopyBytes = uint64_t{1} << 20;
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
      bytes.resize(std::min<uint64_t>(kCopyBytes, part.end - at));
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
