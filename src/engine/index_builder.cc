#include "engine/index_builder.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "base/idle_priority.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/thread_name.h"
#include "fmt/format.h"
#include "index/chunk_builder.h"
#include "index/index_checker.h"
#include "query/record_view.h"

namespace graven::engine {
namespace {

// So often at least it looks for files that queries found damaged, and for logs that have rested.
constexpr auto kLookEvery = std::chrono::seconds(1);
constexpr int64_t kLookForDamageNs = 1'000'000'000;
constexpr int64_t kRestMinNs = 1'000'000'000;
constexpr int64_t kRestMaxNs = 60 * kRestMinNs;
// Where a thread at idle priority could not be raised again.
constexpr int kNice = 15;
// While there is work, what was published is asked for so often.
constexpr int64_t kGatherNs = 50'000'000;
// Read from the log at once, at ordinary priority: some hundred microseconds.
constexpr uint64_t kReadRecords = 1024;
constexpr size_t kReadBytes = size_t{1} << 20;
// Between two files that are read whole, and until one is read again.
constexpr int64_t kCheckNs = 10'000'000'000;
constexpr int64_t kCheckAgainNs = 86'400 * kSecondNs;

bool IsInMemory(const index::Chunk& chunk) { return chunk.level() == index::kSmallLevel; }

index::ChunkPlace PlaceOf(const index::Chunk& chunk) { return {chunk.first(), chunk.level()}; }

}  // namespace

IndexBuilder::IndexBuilder(const ledger::Ledger& ledger, io::FileSystem& fs,
                           IndexBuilderOptions options,
                           std::function<void(const std::string&)> report)
    : ledger_(ledger),
      fs_(fs),
      options_(std::move(options)),
      report_([this, report = std::move(report)](const std::string& text) {
        const Ordinarily ordinarily(*this);
        report(text);
      }),
      cache_(options_.cache_bytes),
      clock_(options_.clock != nullptr ? *options_.clock : SystemClock()),
      go_on_([this] { return !stopping_; }) {}

IndexBuilder::~IndexBuilder() { Stop(); }

IndexBuilder::Ordinarily::Ordinarily(const IndexBuilder& builder)
    : builder_(builder), raises_(builder.is_low_) {
  if (!raises_) return;
  builder_.is_low_ = false;
  RaiseAgain(0);
}

IndexBuilder::Ordinarily::~Ordinarily() {
  if (!raises_) return;
  builder_.is_low_ = true;
  LowerToIdle(0);
  // Stop raises it after it has said so: whichever of the two comes last.
  if (builder_.stopping_) RaiseAgain(0);
}

void IndexBuilder::Start() {
  may_lower_ = MayRaiseAgain();
  thread_ = std::thread([this] { Run(); });
  NameThread(thread_, "graven-index");
}

void IndexBuilder::Notify(const std::vector<ledger::LogRef>& logs) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    for (const ledger::LogRef log : logs) published_.emplace(log.number(), log);
  }
  wake_.notify_one();
}

void IndexBuilder::LetBurstPass(bool passes) {
  {
    std::lock_guard lock(mutex_);
    burst_passes_ = passes;
  }
  wake_.notify_one();
}

void IndexBuilder::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  // Else the rest of its piece could wait for a processor for as long as appends are taken.
  if (const pid_t thread = thread_id_; thread != 0 && may_lower_) RaiseAgain(thread);
  if (thread_.joinable()) thread_.join();
  thread_id_ = 0;
}

std::shared_ptr<const index::ChunkSet> IndexBuilder::Chunks(ledger::LogRef log) const {
  static const auto none = std::make_shared<const index::ChunkSet>(
      index::IdKey{}, std::vector<std::shared_ptr<const index::Chunk>>());
  MutexLock lock(&shown_mutex_);
  const auto found = shown_.find(log.number());
  return found == shown_.end() ? none : found->second;
}

void IndexBuilder::Run() {
  thread_id_ = static_cast<pid_t>(syscall(SYS_gettid));
  // At a low nice value of the ordinary class it took a fifth of the rate of appends under full
  // load: the writer, woken by the disk, had to wait for it.
  if (may_lower_) {
    LowerToIdle(thread_id_);
    is_low_ = true;
    if (stopping_) RaiseAgain(thread_id_);
  } else {
    setpriority(PRIO_PROCESS, static_cast<id_t>(thread_id_.load()), kNice);
  }
  while (!stopping_) {
    Work();
    if (!stopping_ && !burst_passes_) CheckNextFile();
    const Ordinarily ordinarily(*this);
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, kLookEvery,
                   [&] { return stopping_ || (!burst_passes_ && !published_.empty()); });
  }
}

void IndexBuilder::Work() {
  while (!stopping_ && !burst_passes_) {
    const absl::StatusOr<bool> worked = Step();
    // Of an error it has been told; the log rests.
    if (!worked.ok() || !*worked) return;
  }
}

void IndexBuilder::CheckNextFile() {
  const int64_t now_ns = clock_.SteadyNs();
  if (now_ns < next_check_ns_) return;
  const index::Chunk* next = nullptr;
  for (const auto& [number, state] : logs_) {
    for (const std::shared_ptr<const index::Chunk>& chunk : state.chunks) {
      if (IsInMemory(*chunk) || chunk->distrusted()) continue;
      if (next == nullptr || chunk->checked_ns() < next->checked_ns()) next = chunk.get();
    }
  }
  if (next == nullptr) return;
  if (next->checked_ns() != INT64_MIN && now_ns - next->checked_ns() < kCheckAgainNs) return;
  next_check_ns_ = now_ns + kCheckNs;
  const absl::Status checked = next->Check([this] { return !stopping_ && !burst_passes_; });
  if (index::IsDamage(checked)) next->Distrust();
  // What cannot be read now is asked again tomorrow, or by whoever needs it.
  if (!absl::IsCancelled(checked)) next->NoteChecked(now_ns);
}

uint64_t IndexBuilder::RecordsBehind() const {
  uint64_t behind = 0;
  for (const ledger::LogRef log : ledger_.Logs()) {
    // Asked first: the other grows meanwhile.
    const auto chunks = Chunks(log);
    behind += ledger_.GetPublished(log)->size.value;
    for (const auto& chunk : chunks->chunks()) behind -= chunk->leaves();
  }
  return behind;
}

void IndexBuilder::Gather() {
  const int64_t now_ns = clock_.SteadyNs();
  if (has_begun_ && !due_.empty() && now_ns - gathered_ns_ < kGatherNs) return;
  gathered_ns_ = now_ns;
  std::map<uint32_t, ledger::LogRef> candidates;
  const Ordinarily ordinarily(*this);
  {
    std::lock_guard lock(mutex_);
    candidates.swap(published_);
  }
  if (!has_begun_) {
    for (const ledger::LogRef log : ledger_.Logs()) candidates.emplace(log.number(), log);
    has_begun_ = true;
  }
  GatherRested(now_ns, &candidates);
  if (now_ns - looked_for_damage_ns_ >= kLookForDamageNs) {
    looked_for_damage_ns_ = now_ns;
    for (const auto& [number, state] : logs_) {
      const bool any = std::any_of(state.chunks.begin(), state.chunks.end(),
                                   [](const auto& chunk) { return chunk->distrusted(); });
      if (any) candidates.emplace(number, state.log);
    }
  }
  for (const auto& [number, log] : candidates) {
    if (now_ns >= StateOf(log).rest.until_ns) due_.emplace(number, log);
  }
}

void IndexBuilder::GatherRested(int64_t now_ns, std::map<uint32_t, ledger::LogRef>* candidates) {
  for (auto at = resting_.begin(); at != resting_.end();) {
    const LogState& state = logs_.at(*at);
    bool rests = false;
    bool is_over = false;
    for (const Rest* rest : {&state.rest, &state.merge_rest, &state.unread_rest}) {
      rests |= rest->span_ns != 0;
      is_over |= rest->span_ns != 0 && now_ns >= rest->until_ns;
    }
    if (is_over) candidates->emplace(*at, state.log);
    at = rests ? std::next(at) : resting_.erase(at);
  }
}

absl::StatusOr<bool> IndexBuilder::Step() {
  Gather();
  absl::Status failed;
  bool worked = false;
  for (auto at = due_.begin(); at != due_.end();) {
    if (stopping_) return false;
    LogState& state = StateOf(at->second);
    const absl::StatusOr<bool> step = StepLog(state);
    if (step.ok()) {
      worked |= *step;
      state.rest = Rest();
    } else {
      failed = step.status();
      LetRest(state, &state.rest, failed);
    }
    at = step.ok() && *step ? std::next(at) : due_.erase(at);
  }
  if (worked || failed.ok()) return worked;
  return failed;
}

void IndexBuilder::Prolong(const LogState& state, Rest* rest) {
  rest->span_ns = rest->span_ns == 0 ? kRestMinNs : std::min(2 * rest->span_ns, kRestMaxNs);
  rest->until_ns = clock_.SteadyNs() + rest->span_ns;
  resting_.insert(state.log.number());
}

void IndexBuilder::LetRest(LogState& state, Rest* rest, const absl::Status& error) {
  if (stopping_) return;
  Prolong(state, rest);
  const Ordinarily ordinarily(*this);
  // Once until it changes: a full disk may stay so for hours.
  std::string text(error.message().data(), error.message().size());
  if (text != rest->error) report_(fmt::format("search index of {}: {}", state.log.name(), text));
  rest->error = std::move(text);
}

IndexBuilder::LogState& IndexBuilder::StateOf(ledger::LogRef log) {
  LogState& state = logs_[log.number()];
  if (state.store == nullptr) {
    state.log = log;
    state.key = index::MakeIdKey(ledger_.Info(log).genesis_hash);
    state.store = std::make_unique<index::ChunkStore>(
        fs_, fmt::format("{}/logs/{}/index", options_.folder, log.name()), cache_);
  }
  return state;
}

absl::StatusOr<bool> IndexBuilder::StepLog(LogState& state) {
  if (!state.is_open) RETURN_IF_ERROR(Open(state));
  ASSIGN_OR_RETURN(bool worked, ReplaceDistrusted(state));
  if (worked) return true;
  if (Merge(state)) return true;
  ASSIGN_OR_RETURN(worked, BuildOnce(state));
  return worked || ReadAgain(state);
}

absl::Status IndexBuilder::Open(LogState& state) {
  uint64_t told = 0;
  ASSIGN_OR_RETURN(
      index::ChunkStore::Opened opened,
      state.store->Open([&](const index::Chunk& chunk) { return IsOfLog(state, chunk); },
                        [&](const std::string& text) {
                          ++told;
                          report_(text);
                        },
                        go_on_));
  files_replaced_ += told - opened.unread.size();
  state.chunks = std::move(opened.chunks);
  state.unread = std::move(opened.unread);
  if (!state.unread.empty()) {
    // Each was told of.
    Prolong(state, &state.unread_rest);
  }
  state.is_open = true;
  Show(state);
  return absl::OkStatus();
}

// Files of records that the log does not have (it was restored from an older copy and went on
// differently) would hide matches: the root over the records tells them.
absl::StatusOr<bool> IndexBuilder::IsOfLog(const LogState& state, const index::Chunk& chunk) const {
  if (chunk.end() > PublishedSize(state.log)) return false;
  ASSIGN_OR_RETURN(const Hash root, SubtreeRoot(state.log, PlaceOf(chunk)));
  return root == chunk.header().subtree_root;
}

// Last of all: what cannot be read keeps nothing else waiting.
bool IndexBuilder::ReadAgain(LogState& state) {
  if (state.unread.empty() || clock_.SteadyNs() < state.unread_rest.until_ns) return false;
  absl::StatusOr<std::shared_ptr<const index::Chunk>> chunk = state.store->OpenRight(
      state.unread.back(), [&](const index::Chunk& it) { return IsOfLog(state, it); }, report_);
  if (!chunk.ok()) {
    LetRest(state, &state.unread_rest, chunk.status());
    return false;
  }
  state.unread.pop_back();
  if (state.unread.empty()) state.unread_rest = Rest();
  if (*chunk != nullptr) Add(state, *std::move(chunk));
  return true;
}

absl::StatusOr<Hash> IndexBuilder::SubtreeRoot(ledger::LogRef log, index::ChunkPlace place) const {
  Hash root;
  const Ordinarily ordinarily(*this);
  RETURN_IF_ERROR(
      ledger_.ReadHashes(log, place.level, place.first >> place.level, std::span<Hash>(&root, 1)));
  return root;
}

uint64_t IndexBuilder::PublishedSize(ledger::LogRef log) const {
  const Ordinarily ordinarily(*this);
  return ledger_.GetPublished(log)->size.value;
}

Hash IndexBuilder::ManifestHash(const LogState& state) const {
  std::vector<index::ManifestEntry> entries;
  for (const auto& chunk : state.chunks) {
    if (IsInMemory(*chunk)) continue;
    entries.push_back({chunk->first(), chunk->end(), chunk->header().subtree_root, chunk->root()});
  }
  return Sha256(index::FormatManifest(state.log.origin(), entries));
}

absl::Status IndexBuilder::Write(LogState& state, index::ChunkPlace place,
                                 std::string_view content) {
  ASSIGN_OR_RETURN(std::shared_ptr<const index::Chunk> chunk,
                   state.store->Write(place, content, go_on_));
  Add(state, chunk);
  if (options_.on_file) {
    const Hash manifest = ManifestHash(state);
    const Ordinarily ordinarily(*this);
    options_.on_file(state.log, *chunk, manifest);
  }
  return absl::OkStatus();
}

void IndexBuilder::Show(const LogState& state) {
  auto chunks = std::make_shared<const index::ChunkSet>(state.key, state.chunks);
  const Ordinarily ordinarily(*this);
  MutexLock lock(&shown_mutex_);
  shown_[state.log.number()] = std::move(chunks);
}

void IndexBuilder::Add(LogState& state, std::shared_ptr<const index::Chunk> chunk) {
  std::erase_if(state.chunks, [&](const auto& old) {
    const bool within = chunk->first() <= old->first() && old->end() <= chunk->end();
    if (within && IsInMemory(*old)) memory_bytes_ -= old->bytes();
    return within;
  });
  if (IsInMemory(*chunk)) memory_bytes_ += chunk->bytes();
  const auto at = std::partition_point(state.chunks.begin(), state.chunks.end(),
                                       [&](const auto& c) { return c->first() < chunk->first(); });
  state.chunks.insert(at, std::move(chunk));
  Show(state);
}

// A query found a file damaged or gone. From here to where it is built anew its range is scanned.
absl::StatusOr<bool> IndexBuilder::ReplaceDistrusted(LogState& state) {
  const auto found = std::find_if(state.chunks.begin(), state.chunks.end(),
                                  [](const auto& chunk) { return chunk->distrusted(); });
  if (found == state.chunks.end()) return false;
  const std::shared_ptr<const index::Chunk> chunk = *found;
  ++files_replaced_;
  report_(
      fmt::format("search index of {}: the file of records {} to {} is damaged or gone; it is "
                  "set aside and built anew",
                  state.log.name(), chunk->first(), chunk->end()));
  if (IsInMemory(*chunk)) memory_bytes_ -= chunk->bytes();
  state.chunks.erase(found);
  Show(state);
  if (!IsInMemory(*chunk)) (void)state.store->SetAside(PlaceOf(*chunk));
  return true;
}

// What keeps two files from becoming one keeps nothing else waiting.
bool IndexBuilder::Merge(LogState& state) {
  if (clock_.SteadyNs() < state.merge_rest.until_ns) return false;
  const absl::StatusOr<bool> merged = MergeOnce(state);
  if (merged.ok()) {
    state.merge_rest = Rest();
    return *merged;
  }
  LetRest(state, &state.merge_rest, merged.status());
  return false;
}

absl::StatusOr<bool> IndexBuilder::MergeOnce(LogState& state) {
  for (size_t i = 0; i + index::kMergedChunks <= state.chunks.size(); ++i) {
    const auto parts = std::span(state.chunks).subspan(i, index::kMergedChunks);
    if (!index::MayMerge(parts, options_.merged_content_bytes_max)) continue;
    const index::ChunkPlace place{parts.front()->first(),
                                  parts.front()->level() + index::kMergedLevels};
    const std::vector<std::shared_ptr<const index::Chunk>> old(parts.begin(), parts.end());
    ASSIGN_OR_RETURN(const Hash root, SubtreeRoot(state.log, place));
    const absl::StatusOr<std::string> content = index::MergeChunks(old, root, go_on_);
    // The damaged one is distrusted: the next step replaces it.
    if (index::IsDamage(content.status())) return true;
    if (!content.ok()) return content.status();
    RETURN_IF_ERROR(Write(state, place, *content));
    // Queries under way may still name them: what they cannot read any more is scanned.
    for (const auto& part : old) {
      if (!IsInMemory(*part)) (void)state.store->Remove(PlaceOf(*part));
    }
    return true;
  }
  return false;
}

std::pair<uint64_t, uint64_t> IndexBuilder::FirstGap(const LogState& state,
                                                     uint64_t published) const {
  std::vector<std::pair<uint64_t, uint64_t>> covered;
  for (const auto& chunk : state.chunks) covered.emplace_back(chunk->first(), chunk->end());
  for (const index::ChunkPlace& place : state.unread) {
    covered.emplace_back(place.first, place.end());
  }
  std::sort(covered.begin(), covered.end());
  uint64_t first = 0;
  for (const auto& [begin, end] : covered) {
    if (begin > first) return {first, std::min(begin, published)};
    first = std::max(first, end);
  }
  return {first, published};
}

absl::StatusOr<bool> IndexBuilder::BuildOnce(LogState& state) {
  auto [first, limit] = FirstGap(state, PublishedSize(state.log));
  // Where there is no room for small chunks, a whole range goes into its file at once, with what of
  // it was in memory already.
  const bool has_room = memory_bytes_ < options_.memory_bytes_max;
  if (!has_room) first &= ~((uint64_t{1} << index::kMiddleLevel) - 1);
  const auto fits = [first = first, limit = limit](int level) {
    const uint64_t count = uint64_t{1} << level;
    return first % count == 0 && first + count <= limit;
  };
  if (fits(index::kMiddleLevel)) {
    const index::ChunkPlace place{first, index::kMiddleLevel};
    ASSIGN_OR_RETURN(const Hash root, SubtreeRoot(state.log, place));
    ASSIGN_OR_RETURN(const std::string content, BuildContent(state, place, root));
    RETURN_IF_ERROR(Write(state, place, content));
    return true;
  }
  if (!fits(index::kSmallLevel) || !has_room) return false;
  ASSIGN_OR_RETURN(std::string content, BuildContent(state, {first, index::kSmallLevel}, Hash()));
  ASSIGN_OR_RETURN(std::shared_ptr<const index::Chunk> chunk,
                   index::Chunk::Open(index::ContentInMemory(std::move(content))));
  Add(state, std::move(chunk));
  return true;
}

absl::StatusOr<std::string> IndexBuilder::BuildContent(const LogState& state,
                                                       index::ChunkPlace place,
                                                       const Hash& subtree_root) const {
  index::ChunkBuilder builder(place.first, place.level, state.key);
  query::RecordView view;
  std::string records;
  std::vector<size_t> ends;
  while (!builder.full()) {
    if (stopping_) return absl::CancelledError("stopping");
    const uint64_t before = builder.next();
    records.clear();
    ends.clear();
    {
      const Ordinarily ordinarily(*this);
      const uint64_t wanted = std::min(kReadRecords, place.end() - before);
      RETURN_IF_ERROR(ledger_.ReadRecords(state.log, LogIndex(before), wanted,
                                          [&](LogIndex, std::string_view record, const Hash&) {
                                            records += record;
                                            ends.push_back(records.size());
                                            return records.size() < kReadBytes;
                                          }));
    }
    if (ends.empty()) {
      return absl::DataLossError(fmt::format("record {} is published and cannot be read", before));
    }
    for (size_t i = 0, begin = 0; i < ends.size(); begin = ends[i++]) {
      RETURN_IF_ERROR(view.Read(std::string_view(records).substr(begin, ends[i] - begin)));
      builder.Add(view);
    }
  }
  return builder.Finish(subtree_root);
}

}  // namespace graven::engine
