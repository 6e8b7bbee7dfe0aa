#include "index/index_checker.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/encoding.h"
#include "base/sha256.h"
#include "io/durable_file.h"
#include "record/record.h"

namespace graven::index {

std::string FormatManifest(std::string_view origin, const std::vector<ManifestEntry>& entries) {
  std::string text = fmt::format("graven-index/v{}\n{}\n", kChunkVersion, origin);
  for (const ManifestEntry& entry : entries) {
    text += fmt::format("{} {} {} {}\n", entry.first, entry.end, Base64Encode(entry.subtree_root),
                        Base64Encode(entry.index_root));
  }
  return text;
}

namespace {

std::string TextOf(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

}  // namespace

IndexChecker::IndexChecker(io::FileSystem& fs, std::string folder, std::string_view origin,
                           uint64_t merged_content_bytes_max)
    : fs_(fs),
      folder_(std::move(folder)),
      merged_content_bytes_max_(merged_content_bytes_max),
      key_(MakeIdKey(record::GenesisHash(origin))) {
  const absl::StatusOr<std::vector<std::string>> names = fs_.List(folder_);
  if (absl::IsNotFound(names.status())) return;  // nothing has been indexed yet
  if (!names.ok()) {
    verdict_.problems.push_back(
        fmt::format("index folder {}: {}", folder_, TextOf(names.status())));
    return;
  }
  for (const std::string& name : *names) {
    if (const auto place = ParseChunkFileName(name)) places_.push_back(*place);
  }
}

void IndexChecker::Add(LogIndex index, std::string_view record) {
  if (places_.empty() || is_stuck_) return;
  if (absl::Status readable = view_.Read(record); !readable.ok()) {
    verdict_.problems.push_back(fmt::format("record {} cannot be read", index.value));
    is_stuck_ = true;
    return;
  }
  if (builder_ == nullptr) {
    builder_ = std::make_unique<ChunkBuilder>(index.value, kMiddleLevel, key_);
  }
  builder_->Add(view_);
  leaves_.push_back(record::RecordHash(record));
  if (builder_->full()) EndMiddle();
}

void IndexChecker::EndMiddle() {
  merkle::Frontier tree;
  tree.AppendAll(leaves_);
  const Hash root = tree.Root();
  const ChunkPlace place{builder_->next() - leaves_.size(), kMiddleLevel};
  std::string content = builder_->Finish(root);
  builder_.reset();
  leaves_.clear();
  Compare(place, content, root);
  absl::StatusOr<std::shared_ptr<const Chunk>> chunk =
      Chunk::Open(ContentInMemory(std::move(content)));
  GRAVEN_CHECK(chunk.ok());
  parts_bytes_ += (*chunk)->bytes();
  parts_.push_back(*std::move(chunk));
  parts_tree_.Append(root);
  // What is not merged need not be kept until the sixteen are there.
  if (parts_bytes_ > merged_content_bytes_max_) parts_.clear();
  if (place.end() % (uint64_t{1} << kLargeLevel) == 0) EndLarge(place.end());
}

void IndexChecker::EndLarge(uint64_t end) {
  const ChunkPlace place{end - (uint64_t{1} << kLargeLevel), kLargeLevel};
  const Hash root = parts_tree_.Root();
  const bool wanted = std::any_of(places_.begin(), places_.end(), [&](const ChunkPlace& other) {
    return other.first == place.first && other.level == place.level;
  });
  if (wanted && parts_bytes_ > merged_content_bytes_max_) {
    std::erase_if(places_, [&](const ChunkPlace& other) {
      return other.first == place.first && other.level == place.level;
    });
    SayWrong(place, "is one where its records make sixteen");
  } else if (wanted) {
    const absl::StatusOr<std::string> content = MergeChunks(parts_, root);
    GRAVEN_CHECK(content.ok());
    Compare(place, *content, root);
  }
  parts_.clear();
  parts_bytes_ = 0;
  parts_tree_ = {};
}

void IndexChecker::Compare(ChunkPlace place, const std::string& content, const Hash& subtree_root) {
  const auto wanted = std::find_if(places_.begin(), places_.end(), [&](const ChunkPlace& other) {
    return other.first == place.first && other.level == place.level;
  });
  if (wanted == places_.end()) return;
  places_.erase(wanted);
  const std::string path = io::JoinPath(folder_, ChunkFileName(place.first, place.level));
  const std::string tail = TailOf(content);
  const absl::StatusOr<std::string> stored =
      io::ReadWholeFile(fs_, path, content.size() + tail.size());
  if (stored.ok() && stored->size() == content.size() + tail.size() &&
      stored->starts_with(content) && stored->ends_with(tail)) {
    verdict_.entries.push_back({place.first, place.end(), subtree_root, RootOfBlocks(content)});
    return;
  }
  std::string why = "is not what its records make";
  if (!stored.ok() && !absl::IsOutOfRange(stored.status())) {
    why = TextOf(stored.status());
  }
  SayWrong(place, why);
}

void IndexChecker::SayWrong(ChunkPlace place, std::string_view why) {
  verdict_.problems.push_back(fmt::format(
      "index file {}: {}", io::JoinPath(folder_, ChunkFileName(place.first, place.level)), why));
}

IndexChecker::Verdict IndexChecker::Finish() {
  for (const ChunkPlace& place : places_) SayWrong(place, "is about records that are not there");
  std::sort(verdict_.entries.begin(), verdict_.entries.end(),
            [](const ManifestEntry& a, const ManifestEntry& b) { return a.first < b.first; });
  return std::move(verdict_);
}

}  // namespace graven::index
