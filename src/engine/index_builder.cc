#include "engine/index_builder.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "base/thread_name.h"
#include "fmt/format.h"
#include "index/chunk_builder.h"
#include "index/chunk_merger.h"
#include "query/record_view.h"

namespace graven::engine {
namespace {

// Without publications, files that were found damaged are looked for so often.
constexpr auto kSleep = std::chrono::seconds(1);
// A share of the processor of a thirtieth when others want it; all of it else.
constexpr int kNice = 15;

bool IsInMemory(const index::Chunk& chunk) { return chunk.level() == index::kSmallLevel; }

index::ChunkPlace PlaceOf(const index::Chunk& chunk) { return {chunk.first(), chunk.level()}; }

}  // namespace

IndexBuilder::IndexBuilder(const ledger::Ledger& ledger, io::FileSystem& fs,
                           IndexBuilderOptions options,
                           std::function<void(const std::string&)> report)
    : ledger_(ledger),
      fs_(fs),
      options_(std::move(options)),
      report_(std::move(report)),
      cache_(options_.cache_bytes) {}

IndexBuilder::~IndexBuilder() { Stop(); }

void IndexBuilder::Start() {
  has_work_ = true;
  thread_ = std::thread([this] { Run(); });
  NameThread(thread_, "graven-index");
}

void IndexBuilder::Notify() {
  if (has_work_.exchange(true)) return;
  { std::lock_guard lock(mutex_); }
  wake_.notify_one();
}

void IndexBuilder::Stop() {
  stopping_ = true;
  { std::lock_guard lock(mutex_); }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

std::shared_ptr<const index::ChunkSet> IndexBuilder::Chunks(ledger::LogRef log) const {
  static const auto none = std::make_shared<const index::ChunkSet>(
      index::IdKey{}, std::vector<std::shared_ptr<const index::Chunk>>());
  MutexLock lock(&shown_mutex_);
  const auto found = shown_.find(log.number());
  return found == shown_.end() ? none : found->second;
}

void IndexBuilder::Run() {
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kNice);
  while (!stopping_) {
    has_work_ = false;
    Work();
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, kSleep, [&] { return stopping_ || has_work_.load(); });
  }
}

void IndexBuilder::Work() {
  while (!stopping_) {
    const absl::StatusOr<bool> worked = Step();
    if (worked.ok() && *worked) continue;
    if (worked.ok()) last_error_.clear();
    if (!worked.ok()) {
      // Told once until it changes; a full disk may stay so for hours. Answers are exact meanwhile.
      std::string error(worked.status().message().data(), worked.status().message().size());
      if (error != last_error_) report_("search index: " + error);
      last_error_ = std::move(error);
    }
    return;
  }
}

absl::StatusOr<bool> IndexBuilder::Step() {
  absl::Status failed;
  bool worked = false;
  for (const ledger::LogRef log : ledger_.Logs()) {
    if (stopping_) return false;
    absl::StatusOr<bool> step = StepLog(StateOf(log));
    if (!step.ok()) failed = std::move(step).status();
    worked |= step.ok() && *step;
  }
  if (worked || failed.ok()) return worked;
  return failed;
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
  ASSIGN_OR_RETURN(worked, MergeOnce(state));
  if (worked) return true;
  return BuildOnce(state);
}

// Files of records that the log does not have (it was restored from an older copy and went on
// differently) would hide matches: the root over the records tells them.
absl::Status IndexBuilder::Open(LogState& state) {
  const uint64_t published = ledger_.GetPublished(state.log)->size.value;
  const auto is_of_log = [&](const index::Chunk& chunk) {
    if (chunk.end() > published) return false;
    const absl::StatusOr<Hash> root = SubtreeRoot(state.log, PlaceOf(chunk));
    return root.ok() && *root == chunk.header().subtree_root;
  };
  ASSIGN_OR_RETURN(state.chunks, state.store->Open(is_of_log, report_));
  state.is_open = true;
  Show(state);
  return absl::OkStatus();
}

absl::StatusOr<Hash> IndexBuilder::SubtreeRoot(ledger::LogRef log, index::ChunkPlace place) const {
  Hash root;
  RETURN_IF_ERROR(
      ledger_.ReadHashes(log, place.level, place.first >> place.level, std::span<Hash>(&root, 1)));
  return root;
}

absl::Status IndexBuilder::Write(LogState& state, index::ChunkPlace place,
                                 std::string_view content) {
  ASSIGN_OR_RETURN(std::shared_ptr<const index::Chunk> chunk, state.store->Write(place, content));
  if (options_.on_file) options_.on_file(state.log, *chunk);
  Add(state, std::move(chunk));
  return absl::OkStatus();
}

void IndexBuilder::Show(const LogState& state) {
  auto chunks = std::make_shared<const index::ChunkSet>(state.key, state.chunks);
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

absl::StatusOr<bool> IndexBuilder::MergeOnce(LogState& state) {
  for (size_t i = 0; i + index::kMergedChunks <= state.chunks.size(); ++i) {
    const auto parts = std::span(state.chunks).subspan(i, index::kMergedChunks);
    const index::Chunk& first = *parts.front();
    const index::ChunkPlace place{first.first(), first.level() + index::kMergedLevels};
    const bool aligned = place.first % (uint64_t{1} << place.level) == 0;
    const bool whole = std::all_of(parts.begin(), parts.end(), [&](const auto& part) {
      return part->level() == first.level();
    });
    if (first.level() == index::kLargeLevel || !aligned || !whole ||
        parts.back()->end() != place.end()) {
      continue;
    }
    const std::vector<std::shared_ptr<const index::Chunk>> old(parts.begin(), parts.end());
    ASSIGN_OR_RETURN(const Hash root, SubtreeRoot(state.log, place));
    absl::StatusOr<std::string> content = index::MergeChunks(old, root);
    if (!content.ok()) {
      // Which of them it was: each is read once more by whoever replaces them.
      for (const auto& part : old) part->Distrust();
      return true;
    }
    RETURN_IF_ERROR(Write(state, place, *content));
    // Queries under way may still name them: what they cannot read any more is scanned.
    for (const auto& part : old) {
      if (!IsInMemory(*part)) (void)state.store->Remove(PlaceOf(*part));
    }
    return true;
  }
  return false;
}

absl::StatusOr<bool> IndexBuilder::BuildOnce(LogState& state) {
  const uint64_t published = ledger_.GetPublished(state.log)->size.value;
  uint64_t first = 0;
  uint64_t limit = published;
  for (const auto& chunk : state.chunks) {
    if (chunk->first() > first) {
      limit = std::min(limit, chunk->first());
      break;
    }
    first = chunk->end();
  }
  // Where there is no room for small chunks, a whole range goes into its file at once, with what of
  // it was in memory already.
  const bool has_room = memory_bytes_ < options_.memory_bytes_max;
  if (!has_room) first &= ~((uint64_t{1} << index::kMiddleLevel) - 1);
  const auto fits = [&](int level) {
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
  constexpr uint64_t kReadRecords = 4096;
  index::ChunkBuilder builder(place.first, place.level, state.key);
  query::RecordView view;
  while (!builder.full()) {
    if (stopping_) return absl::CancelledError("stopping");
    const uint64_t before = builder.next();
    absl::Status readable;
    RETURN_IF_ERROR(ledger_.ReadRecords(state.log, LogIndex(before), kReadRecords,
                                        [&](LogIndex, std::string_view record, const Hash&) {
                                          readable = view.Read(record);
                                          if (readable.ok()) builder.Add(view);
                                          return readable.ok() && !builder.full();
                                        }));
    RETURN_IF_ERROR(readable);
    if (builder.next() == before) {
      return absl::DataLossError(fmt::format("record {} is published and cannot be read", before));
    }
  }
  return builder.Finish(subtree_root);
}

}  // namespace graven::engine
