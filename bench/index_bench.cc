// The search index alone: how fast it is built on one core, how large it is, and how long questions
// to it take, over records of a stated skewed shape. No ledger, no server: what is measured is what
// the index adds. bench/search.py runs it beside SQLite with the same records.
//
//   bench_index RECORDS FOLDER [DUMP]   prints one JSON object; DUMP: the records for SQLite, as
//   text
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/sha256.h"
#include "bench/search_shape.h"
#include "fmt/format.h"
#include "index/candidates.h"
#include "index/chunk_builder.h"
#include "index/chunk_merger.h"
#include "index/chunk_store.h"
#include "index/value_counts.h"
#include "query/parser.h"

namespace graven::index {
namespace {

using bench::kRounds;
using bench::kStartNs;
using bench::kYearNs;
using bench::MedianMs;
using bench::Shape;
using bench::Worked;

struct Built {
  std::vector<std::shared_ptr<const Chunk>> chunks;
  double seconds = 0;
  uint64_t record_bytes = 0;
  uint64_t file_bytes = 0;
};

std::shared_ptr<const Chunk> Must(absl::StatusOr<std::shared_ptr<const Chunk>> chunk) {
  if (!chunk.ok()) {
    std::fprintf(stderr, "%s\n", std::string(chunk.status().message()).c_str());
    std::exit(2);
  }
  return *std::move(chunk);
}

// As the server does when it catches up: chunks of 2^16, sixteen of which make one of 2^20. Making
// the records does not count.
Built Build(Shape& shape, uint64_t records, ChunkStore& store, const IdKey& key) {
  Built built;
  std::vector<std::string> batch;
  query::RecordView view;
  for (uint64_t first = 0; first + 65'536 <= records; first += 65'536) {
    batch.clear();
    for (uint64_t i = first; i < first + 65'536; ++i) {
      batch.push_back(shape.Record(i));
      built.record_bytes += batch.back().size();
    }
    const double begin = Worked();
    ChunkBuilder builder(first, kMiddleLevel, key);
    for (const std::string& record : batch) {
      GRAVEN_CHECK(view.Read(record).ok());
      builder.Add(view);
    }
    built.chunks.push_back(Must(store.Write({first, kMiddleLevel}, builder.Finish())));
    const size_t count = built.chunks.size();
    if (count >= kMergedChunks && built.chunks[count - kMergedChunks]->level() == kMiddleLevel &&
        built.chunks[count - kMergedChunks]->first() % (uint64_t{1} << kLargeLevel) == 0) {
      const auto parts = std::span(built.chunks).last(kMergedChunks);
      const uint64_t start = parts.front()->first();
      auto content = MergeChunks(parts);
      GRAVEN_CHECK(content.ok());
      auto merged = Must(store.Write({start, kLargeLevel}, *content));
      for (const auto& part : parts) (void)store.Remove({part->first(), kMiddleLevel});
      built.chunks.resize(count - kMergedChunks);
      built.chunks.push_back(std::move(merged));
    }
    built.seconds += Worked() - begin;
  }
  for (const auto& chunk : built.chunks) built.file_bytes += chunk->bytes();
  return built;
}

// Newest first until a page of 100 is full. The records themselves are not read.
uint64_t FirstPage(const ChunkSet& chunks, const query::Query& query, uint64_t size) {
  uint64_t found = 0;
  for (uint64_t high = size; high > 0 && found < 100;) {
    const Candidates candidates = Find(chunks, query.root, chunks.Before(high, 0));
    if (candidates.chunk != nullptr) found += candidates.found.possible.count();
    high = candidates.low;
  }
  return found;
}

query::Query Parsed(const std::string& text) {
  auto query = query::Parse(text);
  GRAVEN_CHECK(query.ok());
  return *std::move(query);
}

double TopTenMs(const Built& built, query::Field field) {
  return MedianMs([&](int) {
    ValueCounts counts;
    for (const auto& chunk : built.chunks) {
      GRAVEN_CHECK(*CountValues(*chunk, field, "", Bitmap::Range(0, chunk->leaves()), {}, SIZE_MAX,
                                &counts));
    }
    std::vector<std::pair<uint64_t, std::string_view>> all;
    for (const auto& [value, count] : counts.counts) all.emplace_back(count, value);
    const auto top = static_cast<ptrdiff_t>(std::min<size_t>(10, all.size()));
    std::partial_sort(all.begin(), all.begin() + top, all.end(), std::greater<>());
  });
}

double HistogramMs(const Built& built) {
  constexpr int kBuckets = 60;
  return MedianMs([&](int) {
    std::vector<uint64_t> buckets(kBuckets * 3);
    for (const auto& chunk : built.chunks) {
      std::vector<uint32_t> borders;
      for (int i = 0; i <= kBuckets; ++i) {
        borders.push_back(*chunk->FirstSince(kStartNs + kYearNs / kBuckets * i));
      }
      int column = 0;
      for (const char* word : {"success", "failure", "denied"}) {
        std::string key;
        MakeKey(KeyKind::kOutcome, word, &key);
        const Bitmap leaves = *chunk->LeavesOf(key);
        for (int i = 0; i < kBuckets; ++i) {
          buckets[static_cast<size_t>(i * 3 + column)] +=
              leaves.CountBelow(borders[static_cast<size_t>(i) + 1]) -
              leaves.CountBelow(borders[static_cast<size_t>(i)]);
        }
        ++column;
      }
    }
  });
}

void Dump(Shape& shape, uint64_t records, const char* path) {
  std::FILE* file = std::fopen(path, "w");
  GRAVEN_CHECK(file != nullptr);
  for (uint64_t i = 0; i < records; ++i) {
    const Shape::Fields f = shape.Make(i);
    fmt::print(file, "{}\t{}\t{}\t{}\t{}\t{}\t{}\n", f.time_ns, f.actor, f.action, f.resource,
               f.trace, f.outcome, f.words);
  }
  GRAVEN_CHECK(std::fclose(file) == 0);
}

int Run(uint64_t records, const char* folder, const char* dump) {
  records = records / 65'536 * 65'536;
  Shape shape(records);
  BlockCache cache(size_t{1} << 30);
  ChunkStore store(io::PosixFileSystem(), folder, cache);
  const IdKey key = MakeIdKey(Sha256("bench"));
  const Built built = Build(shape, records, store, key);
  const ChunkSet chunks(key, built.chunks);
  const double actor_ms = MedianMs([&](int i) {
    FirstPage(chunks,
              Parsed(fmt::format("actor:user-{} action:service{}.verb0 time:2025-{:02}", i * 40,
                                 i % 3, i % 12 + 1)),
              records);
  });
  const double words_ms = MedianMs(
      [&](int i) { FirstPage(chunks, Parsed(fmt::format("w{} w{}", i * 9, 4000 + i)), records); });
  const double trace_ms = MedianMs([&](int i) {
    const uint64_t index = static_cast<uint64_t>(i) * (records / kRounds);
    FirstPage(chunks, Parsed("trace:" + shape.Make(index).trace), records);
  });
  const auto n = static_cast<double>(records);
  fmt::print(
      "{{\"records\": {}, \"events_per_s\": {:.0f}, \"bytes_per_event\": {:.1f}, "
      "\"record_bytes_per_event\": {:.1f}, \"actor_action_month_ms\": {:.3f}, "
      "\"two_words_ms\": {:.3f}, \"trace_ms\": {:.3f}, \"histogram_ms\": {:.2f}, "
      "\"top_actions_ms\": {:.2f}, \"top_actors_ms\": {:.2f}}}\n",
      records, n / built.seconds, static_cast<double>(built.file_bytes) / n,
      static_cast<double>(built.record_bytes) / n, actor_ms, words_ms, trace_ms, HistogramMs(built),
      TopTenMs(built, query::Field::kAction), TopTenMs(built, query::Field::kActorId));
  if (dump != nullptr) Dump(shape, records, dump);
  return 0;
}

}  // namespace
}  // namespace graven::index

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: bench_index RECORDS FOLDER [DUMP]\n");
    return 2;
  }
  return graven::index::Run(std::strtoull(argv[1], nullptr, 10), argv[2],
                            argc > 3 ? argv[3] : nullptr);
}
