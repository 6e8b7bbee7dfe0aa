#include "ledger/ledger_impl.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/encoding.h"
#include "base/status_macros.h"
#include "io/durable_file.h"
#include "merkle/leaf.h"
#include "note/checkpoint.h"

namespace graven::ledger {
namespace {

constexpr uint64_t kDuplicateWindowDefault = 4'000'000;
constexpr uint64_t kDuplicateWindowMax = 16'000'000;
// Of the newest checkpoints, one in so much time is kept in the log's file of checkpoints.
constexpr int64_t kKeepCheckpointEveryNs = 60'000'000'000;

}  // namespace

std::string WriteGate::reason() const {
  std::lock_guard lock(mutex_);
  return reason_;
}

void WriteGate::Set(WriteState state, std::string reason) {
  std::lock_guard lock(mutex_);
  WriteState now = state_.load(std::memory_order_relaxed);
  if (now == WriteState::kStopped || now == WriteState::kReadOnly) return;
  reason_ = std::move(reason);
  state_.store(state, std::memory_order_release);
}

absl::Status WriteGate::Check() const {
  switch (state()) {
    case WriteState::kActive:
      return absl::OkStatus();
    case WriteState::kDiskFull:
      return absl::ResourceExhaustedError(reason());
    case WriteState::kReadOnly:
    case WriteState::kStopped:
      return absl::FailedPreconditionError(reason());
  }
  return absl::FailedPreconditionError(reason());
}

LedgerImpl::LedgerImpl(io::FileSystem& fs, Clock& clock, Random& random,
                       const LedgerOptions& options)
    : fs_(fs),
      clock_(clock),
      random_(random),
      options_(options),
      segments_(fs, options.segment_readers_max) {}

LedgerImpl::~LedgerImpl() = default;

absl::StatusOr<std::unique_ptr<Ledger>> Ledger::Open(io::FileSystem& fs, Clock& clock,
                                                     Random& random, const LedgerOptions& options) {
  auto ledger = std::make_unique<LedgerImpl>(fs, clock, random, options);
  RETURN_IF_ERROR(ledger->Recover());
  return ledger;
}

// --- the writer thread ---

absl::Status LedgerImpl::CheckRoom(size_t bytes) const {
  RETURN_IF_ERROR(gate_.Check());
  if (unsealed_records_.load(std::memory_order_relaxed) > options_.unsealed_records_max) {
    return absl::ResourceExhaustedError(
        fmt::format("the journal holds {} records that are not yet in segments; at most {}",
                    unsealed_records_.load(), options_.unsealed_records_max));
  }
  // Beside what the batch holds already.
  if (!journal_->HasRoomFor(bytes + (writer_ == nullptr ? 0 : writer_->size_bytes()))) {
    return absl::ResourceExhaustedError("the journal has no free file ready");
  }
  return absl::OkStatus();
}

void LedgerImpl::Apply(std::span<sequencer::Request* const> requests,
                       std::vector<RequestResult>* results) {
  absl::Status room = CheckRoom(BatchWriter::FrameBytesBound(requests));
  if (!room.ok()) {
    results->assign(requests.size(), RequestResult{room, {}, 0});
  } else {
    std::shared_lock logs_lock(logs_mutex_);
    std::lock_guard table_lock(table_mutex_);
    writer_->Apply(
        requests,
        [this](uint32_t number) {
          return number < logs_by_number_.size() ? logs_by_number_[number] : nullptr;
        },
        results);
    table_drops_ = duplicates_->table().drops();
  }
  events_appended_.store(writer_ ? writer_->events_appended() : 0, std::memory_order_relaxed);
  events_duplicate_.store(writer_ ? writer_->events_duplicate() : 0, std::memory_order_relaxed);
  uint64_t refused = 0;
  for (const RequestResult& result : *results) refused += result.status.ok() ? 0 : 1;
  requests_refused_.fetch_add(refused, std::memory_order_relaxed);
}

// What a failed write or sync left on disk is known only after it has been read back.
absl::Status LedgerImpl::Stop(const absl::Status& cause) {
  gate_.Set(WriteState::kStopped,
            fmt::format("writing stopped after a failed write or sync ({}); restart the server to "
                        "recover",
                        std::string(cause.message())));
  return cause;
}

absl::Status LedgerImpl::MakeDurable() {
  if (writer_ == nullptr) return absl::OkStatus();
  if (writer_->empty()) {
    writer_->EndBatch();
    return absl::OkStatus();
  }
  auto grown = writer_->MakeDurable();
  if (!grown.ok()) {
    (void)Stop(grown.status());
    return absl::UnavailableError(
        fmt::format("the outcome is unknown: {}; ask again with the same event ids after a restart",
                    std::string(grown.status().message())));
  }
  batches_.fetch_add(1, std::memory_order_relaxed);
  uint64_t records = 0;
  std::lock_guard lock(dirty_mutex_);
  for (const BatchWriter::Grown& log : *grown) {
    records += log.records;
    if (log.log->MarkDirty()) dirty_.push_back(log.log);
  }
  unsealed_records_.fetch_add(records, std::memory_order_relaxed);
  return absl::OkStatus();
}

// --- the publisher thread ---

size_t LedgerImpl::unpublished_logs() const {
  std::lock_guard lock(dirty_mutex_);
  return dirty_.size();
}

absl::StatusOr<std::vector<LogRef>> LedgerImpl::Publish() {
  std::vector<Log*> grown;
  {
    std::lock_guard lock(dirty_mutex_);
    grown.swap(dirty_);
    for (Log* log : grown) log->ClearDirty();
  }
  std::vector<LogRef> published;
  if (grown.empty()) return published;
  std::lock_guard lock(publish_mutex_);
  if (signing_stopped_) return absl::FailedPreconditionError(gate_.reason());
  std::vector<shelf::LogEnd> ends;
  std::vector<store::GuardEntry> entries;
  for (Log* log : grown) {
    ends.push_back(log->durable());
    entries.push_back({log->meta.number, ends.back().size, ends.back().root});
  }
  // What the guard holds after an error is not known: nothing may be signed any more.
  if (absl::Status guarded = guard_->Raise(entries); !guarded.ok()) return Stop(guarded);
  for (size_t i = 0; i < grown.size(); ++i) {
    if (absl::Status shown = SignAndShow(*grown[i], ends[i]); !shown.ok()) return Stop(shown);
    published.emplace_back(grown[i]);
  }
  return published;
}

absl::Status LedgerImpl::SignAndShow(Log& log, const shelf::LogEnd& end) {
  note::Checkpoint checkpoint{log.meta.origin, end.size, end.root, {}};
  ASSIGN_OR_RETURN(std::string signed_note, note::SignCheckpoint(checkpoint, log.signer));
  checkpoints_signed_.fetch_add(1, std::memory_order_relaxed);
  auto published = std::make_shared<Published>();
  published->size = end.size;
  published->root = end.root;
  published->checkpoint = std::move(signed_note);
  published->last_received_at_ns = end.last_received_at_ns;
  published->signed_at_ns = clock_.WallNs();
  log.SetPublished(std::move(published));
  if (end.size.value > 0) WantCheckpointKept(log);
  return absl::OkStatus();
}

void LedgerImpl::WantCheckpointKept(Log& log) {
  // The first of each start too: a folder whose server was killed can then be held against the key.
  int64_t now_ns = clock_.SteadyNs();
  std::lock_guard lock(keep_mutex_);
  auto [last, first] = checkpoint_kept_ns_.try_emplace(&log, now_ns);
  if (!first && now_ns - last->second < kKeepCheckpointEveryNs) return;
  last->second = now_ns;
  to_keep_.push_back(&log);
}

// Not the publisher's work: three syncs a log, and with a thousand logs nobody could be told of
// anything meanwhile.
absl::StatusOr<bool> LedgerImpl::KeepNextCheckpoint() {
  Log* log = nullptr;
  {
    std::lock_guard lock(keep_mutex_);
    if (to_keep_.empty()) return false;
    log = to_keep_.front();
    to_keep_.pop_front();
  }
  // When this fails, the file's last frame may be torn: recovery cuts it.
  if (absl::Status kept = KeepCheckpoint(*log); !kept.ok()) return Stop(kept);
  return true;
}

absl::Status LedgerImpl::KeepCheckpoint(Log& log) {
  std::lock_guard lock(checkpoints_mutex_);
  absl::Status kept = KeepNote(log, log.published()->checkpoint);
  // The file only spares deriving them again: a full disk is no reason to stop.
  return absl::IsResourceExhausted(kept) ? absl::OkStatus() : kept;
}

// --- the background thread ---

absl::Status LedgerImpl::CheckSpace() {
  ASSIGN_OR_RETURN(uint64_t free, fs_.FreeBytes(options_.folder));
  disk_free_bytes_.store(free, std::memory_order_relaxed);
  if (free < options_.disk_reserve_bytes) {
    gate_.Set(WriteState::kDiskFull,
              fmt::format("the disk has {} bytes left, less than the reserve of {}", free,
                          options_.disk_reserve_bytes));
  } else if (gate_.state() == WriteState::kDiskFull) {
    gate_.Set(WriteState::kActive, "");
  }
  return absl::OkStatus();
}

absl::Status LedgerImpl::PrepareFiles(uint32_t files_max, uint64_t enough) {
  RETURN_IF_ERROR(CheckSpace());
  if (gate_.state() != WriteState::kActive) return absl::OkStatus();
  for (uint32_t files = 0; files < files_max && journal_->NeedsSpare(enough); ++files) {
    absl::Status prepared = journal_->PrepareSpare();
    // No space, or every file is in use: appends find no room until there is.
    sealer_->WantRoom(absl::IsResourceExhausted(prepared));
    if (absl::IsResourceExhausted(prepared)) return absl::OkStatus();
    RETURN_IF_ERROR(prepared);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> LedgerImpl::Seal(bool in_haste) {
  WriteState state = gate_.state();
  if (sealer_ == nullptr || state == WriteState::kStopped || state == WriteState::kReadOnly) {
    return false;
  }
  ASSIGN_OR_RETURN(bool kept, KeepNextCheckpoint());
  if (kept) return true;
  auto codec = in_haste ? store::SegmentCodec::kRaw : store::SegmentCodec::kZstd;
  absl::StatusOr<bool> done = sealer_->Step(AllLogs(), codec);
  if (Log* log = done.ok() && !*done ? TailToCarry() : nullptr; log != nullptr) {
    absl::Status carried = sealer_->CarryTail(*log, codec);
    done = carried.ok() ? absl::StatusOr<bool>(true) : carried;
  }
  if (absl::IsDataLoss(done.status())) {
    // The journal's copy is the only one: while it cannot be moved, no file can be used again.
    gate_.Set(WriteState::kReadOnly,
              fmt::format("an acknowledged record is damaged; nothing is written any more: {}",
                          std::string(done.status().message())));
  }
  if (!done.ok() || !*done) {
    // Also when the disk is full: files that nothing waits for give their room back.
    absl::Status removed = journal_->RemoveRetired();
    RETURN_IF_ERROR(done.status());
    RETURN_IF_ERROR(removed);
    return false;
  }
  unsealed_records_.store(UnsealedRecords(), std::memory_order_relaxed);
  std::shared_lock logs_lock(logs_mutex_);
  std::lock_guard lock(table_mutex_);
  duplicates_->table().DropBelow([this](uint32_t number) {
    const Log* log = logs_by_number_[number];
    uint64_t size = log->durable().size.value;
    uint64_t window = log->meta.duplicate_window;
    return LogIndex(size > window ? size - window : 0);
  });
  return true;
}

Log* LedgerImpl::TailToCarry() {
  if (const uint64_t drops = table_drops_; table_drops_seen_ != drops) {
    if (Log* log = TailWithoutTable(); log != nullptr) return log;
    table_drops_seen_ = drops;
  }
  if (unsealed_records_.load() <= options_.unsealed_records_max / 2) return nullptr;
  Log* longest = nullptr;
  uint64_t most = 0;
  for (Log* log : AllLogs()) {
    uint64_t size = log->durable().size.value;
    uint64_t sealed = log->segments()->end().value;
    if (log->read_only() || size <= sealed || size - sealed <= most) continue;
    longest = log;
    most = size - sealed;
  }
  return longest;
}

Log* LedgerImpl::TailWithoutTable() const {
  std::vector<Log*> logs = AllLogs();
  std::lock_guard lock(table_mutex_);
  for (Log* log : logs) {
    uint64_t size = log->durable().size.value;
    uint64_t window = log->meta.duplicate_window;
    uint64_t needed_from =
        std::max(log->segments()->end().value, size > window ? size - window : 0);
    uint64_t covered_from = duplicates_->table().CoveredFrom(log->meta.number).value;
    if (!log->read_only() && needed_from < std::min(covered_from, size)) return log;
  }
  return nullptr;
}

double LedgerImpl::journal_fill() const {
  if (journal_ == nullptr) return 0;
  double files = static_cast<double>(journal_->UsedNow().files) / options_.journal_files_max;
  double records = static_cast<double>(unsealed_records_.load(std::memory_order_relaxed)) /
                   static_cast<double>(options_.unsealed_records_max);
  return std::max(files, records);
}

uint64_t LedgerImpl::UnsealedRecords() const {
  uint64_t records = 0;
  for (const Log* log : AllLogs()) {
    if (log->read_only()) continue;  // its records stay where they are
    uint64_t sealed = log->segments()->end().value;
    uint64_t size = log->durable().size.value;
    records += size > sealed ? size - sealed : 0;
  }
  return records;
}

// --- any thread ---

std::vector<Log*> LedgerImpl::AllLogs() const {
  std::shared_lock lock(logs_mutex_);
  std::vector<Log*> all;
  all.reserve(logs_.size());
  for (const auto& [name, log] : logs_) all.push_back(log.get());
  return all;
}

std::vector<LogRef> LedgerImpl::Logs() const {
  std::vector<LogRef> refs;
  for (Log* log : AllLogs()) refs.emplace_back(log);
  return refs;
}

LogRef LedgerImpl::FindLog(std::string_view name) const {
  std::shared_lock lock(logs_mutex_);
  auto found = logs_.find(name.empty() ? std::string_view("default") : name);
  return found == logs_.end() ? LogRef() : LogRef(found->second.get());
}

std::string LedgerImpl::SegmentsFolder(const Log& log) const {
  return folder_->paths().Segments(log.meta.name);
}

std::string LedgerImpl::JournalFolder() const { return folder_->paths().Journal(); }

std::string LedgerImpl::CleanStopPath() const { return io::JoinPath(options_.folder, "clean"); }

std::string LedgerImpl::GuardPath() const {
  return options_.guard_path.empty() ? folder_->paths().Guard() : options_.guard_path;
}

absl::StatusOr<LogRef> LedgerImpl::CreateLog(std::string_view name, std::string_view origin,
                                             uint64_t duplicate_window) {
  if (duplicate_window == 0) duplicate_window = kDuplicateWindowDefault;
  RETURN_IF_ERROR(store::CheckLogName(name));
  if (duplicate_window > kDuplicateWindowMax) {
    return absl::InvalidArgumentError(
        fmt::format("duplicate_window: is {}; at most {}", duplicate_window, kDuplicateWindowMax));
  }
  std::string full_origin(origin);
  if (full_origin.empty()) full_origin = NewOrigin(name);
  RETURN_IF_ERROR(note::CheckOrigin(full_origin));
  std::lock_guard lock(create_mutex_);
  if (FindLog(name)) {
    return absl::AlreadyExistsError(fmt::format("name: there is a log {} already", name));
  }
  for (Log* log : AllLogs()) {
    if (log->meta.origin == full_origin) {
      return absl::AlreadyExistsError(
          fmt::format("origin: log {} has this origin already", log->meta.name));
    }
  }
  RETURN_IF_ERROR(gate_.Check());
  ASSIGN_OR_RETURN(Log * log, MakeLog(std::string(name), full_origin, duplicate_window));
  return LogRef(log);
}

absl::Status LedgerImpl::EnsureSystemLog() {
  if (!options_.system_log || FindLog(kSystemLogName)) return absl::OkStatus();
  std::lock_guard lock(create_mutex_);
  return MakeLog(std::string(kSystemLogName), NewOrigin(kSystemLogName), kDuplicateWindowDefault)
      .status();
}

std::string LedgerImpl::NewOrigin(std::string_view name) {
  return fmt::format("graven.local/{}/{}", HexEncode(random_.Bytes(16)), name);
}

absl::StatusOr<Log*> LedgerImpl::MakeLog(const std::string& name, const std::string& origin,
                                         uint64_t duplicate_window) {
  ASSIGN_OR_RETURN(note::SignerKey key,
                   note::SignerKey::Generate(origin, note::KeyType::kEd25519, random_));
  store::LogMeta meta;
  meta.name = name;
  meta.origin = origin;
  meta.vkey = key.verifier().Format();
  meta.duplicate_window = duplicate_window;
  meta.created_at_ns = clock_.WallNs();
  random_.Fill(meta.fingerprint_key);
  const shelf::LogEnd empty{TreeSize(0), merkle::EmptyRoot(), 0};

  meta.number = next_log_number_++;
  absl::Status written =
      io::WriteFileDurably(fs_, folder_->paths().Key(name), key.Format() + "\n", 0600);
  if (absl::IsResourceExhausted(written)) return written;
  if (written.ok()) {
    std::lock_guard lock(publish_mutex_);
    written = guard_->Raise(std::vector<store::GuardEntry>{{meta.number, empty.size, empty.root}});
  }
  // The log exists once its metadata does; until here a crash leaves nothing that counts.
  if (written.ok()) written = folder_->CreateLog(meta);
  // Whether the log exists is not known: a second attempt could put another key beside its
  // metadata.
  if (!written.ok()) return Stop(written);
  auto made = std::make_unique<Log>(std::move(meta), std::move(key));
  Log* log = made.get();
  log->SetTail(std::make_unique<shelf::Tail>(LogIndex(0), std::span<const Hash>()));
  log->SetDurable(empty);
  if (absl::Status shown = SignAndShow(*log, empty); !shown.ok()) return Stop(shown);
  {
    std::lock_guard table_lock(table_mutex_);
    duplicates_->StartLog(*log, LogIndex(0));
  }
  std::unique_lock logs_lock(logs_mutex_);
  if (logs_by_number_.size() <= log->meta.number) logs_by_number_.resize(log->meta.number + 1);
  logs_by_number_[log->meta.number] = log;
  logs_.emplace(name, std::move(made));
  return log;
}

LedgerStatus LedgerImpl::status() const {
  LedgerStatus status;
  status.write_state = gate_.state();
  status.write_state_reason = gate_.reason();
  status.recovery_report = recovery_report_;
  {
    std::shared_lock lock(logs_mutex_);
    status.log_count = logs_.size();
  }
  status.journal_bytes_used = journal_->UsedNow().bytes;
  status.journal_bytes_max = options_.journal_file_bytes * options_.journal_files_max;
  status.disk_free_bytes = disk_free_bytes_.load(std::memory_order_relaxed);
  status.disk_reserve_bytes = options_.disk_reserve_bytes;
  {
    std::lock_guard lock(table_mutex_);
    status.duplicate_table_bytes = duplicates_->table().bytes();
  }
  status.duplicate_table_bytes_max = options_.duplicate_table_bytes_max;
  status.unsealed_records = unsealed_records_.load(std::memory_order_relaxed);
  status.events_appended = events_appended_.load(std::memory_order_relaxed);
  status.events_duplicate = events_duplicate_.load(std::memory_order_relaxed);
  status.requests_refused = requests_refused_.load(std::memory_order_relaxed);
  status.batches = batches_.load(std::memory_order_relaxed);
  status.checkpoints_signed = checkpoints_signed_.load(std::memory_order_relaxed);
  status.guard_on_data_device = guard_on_data_device_;
  return status;
}

absl::Status LedgerImpl::Close() {
  RETURN_IF_ERROR(MakeDurable());
  if (absl::Status published = Publish().status(); !published.ok()) {
    std::lock_guard lock(publish_mutex_);
    if (!signing_stopped_) return published;
  }
  // A server that could not go on has not stopped cleanly, whatever the way it ended.
  if (gate_.state() == WriteState::kStopped || gate_.state() == WriteState::kReadOnly) {
    return absl::OkStatus();
  }
  for (Log* log : AllLogs()) {
    if (!log->read_only()) RETURN_IF_ERROR(KeepCheckpoint(*log));
  }
  return io::WriteFileDurably(fs_, CleanStopPath(), "clean\n");
}

}  // namespace graven::ledger
