// A chunk of any bytes is opened and asked, or refused; so is a bitmap.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "index/candidates.h"
#include "index/value_counts.h"
#include "query/parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace graven::index;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto bitmap = Bitmap::Parse(bytes, uint64_t{1} << kLargeLevel)) {
    const std::vector<uint32_t> leaves = bitmap->Leaves();
    GRAVEN_CHECK(leaves.size() == bitmap->count());
    for (size_t i = 1; i < leaves.size(); ++i) GRAVEN_CHECK(leaves[i - 1] < leaves[i]);
  }
  const auto chunk = Chunk::Open(ContentInMemory(std::string(bytes)));
  if (!chunk.ok()) return 0;
  static const auto query = graven::query::Parse(
      "NOT (actor:a* OR ip:10.0.0.0/8 trace:t) time:>=2020 w1 occurred:<=2030 target.id:*");
  const IdKey key{};
  (void)FindInChunk(**chunk, key, query->root);
  ValueCounts counts;
  (void)CountValues(**chunk, graven::query::Field::kActorId, "",
                    Bitmap::Range(0, (*chunk)->leaves()), {"u", "R"}, SIZE_MAX, &counts);
  (void)(*chunk)->Frequent(KeyKind::kTargetId);
  std::vector<int64_t> times;
  (void)(*chunk)->ReadTimes(&times);
  std::vector<IdEntry> ids;
  for (size_t kind = 0; kind < kIdKinds; ++kind) {
    (void)(*chunk)->ReadIds(static_cast<IdKind>(kind), &ids);
  }
  return 0;
}
