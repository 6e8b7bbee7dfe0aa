// What the instruments on the way of appends cost: the calls that the writer makes to its meter for
// one batch, with the real registry, timed batch by batch. Prints one JSON object.
//
// usage: bench_metrics_cost [--requests N] [--events N] [--absorbs N]
//
// N requests a batch, N events in all of them, taken from the queue in N pieces: bench/run.py gives
// the shape that the loads of the same run had. Between two batches the caches are filled with
// other bytes, because in a server a whole batch lies between them; without that the instruments
// would look cheaper than they are. What the writer has just touched anyway, the requests and their
// results, is warm.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "engine/append_meter.h"
#include "fmt/format.h"
#include "metrics/registry.h"

namespace graven::bench {
namespace {

constexpr int kBatches = 2000;
constexpr size_t kOtherBytes = size_t{2} << 20;  // more than the second cache level of one core

struct Shape {
  size_t requests = 1;
  size_t events = 1;
  size_t absorbs = 1;
};

int64_t Median(std::vector<int64_t>& values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// As AppendLoop calls it: Taken and Applied for each piece, around the sync, an answer for each
// request, the end.
void OneBatch(const Shape& shape, const std::vector<sequencer::Request>& requests,
              const std::vector<ledger::RequestResult>& results, engine::AppendMeter& meter) {
  for (size_t i = 0; i < shape.absorbs; ++i) {
    meter.Taken();
    meter.Applied(requests.size() * (i + 1) / shape.absorbs);
  }
  meter.SyncBegins();
  meter.SyncEnded();
  for (size_t i = 0; i < requests.size(); ++i) meter.Answered(i, requests[i], results[i]);
  meter.BatchEnds(shape.events, shape.events * 256);
}

int64_t MeasureBatchNs(const Shape& shape) {
  metrics::Registry registry;
  engine::AppendMeter meter(registry, SystemClock(), 0, nullptr);
  std::vector<sequencer::Request> requests(shape.requests);
  const std::vector<ledger::RequestResult> results(shape.requests);
  std::vector<uint64_t> other(kOtherBytes / sizeof(uint64_t));
  std::vector<int64_t> with, without;
  for (int i = 0; i < kBatches; ++i) {
    for (uint64_t& word : other) ++word;
    // Different samples, so that different buckets are touched.
    const int64_t now_ns = SystemClock().WallNs();
    for (size_t j = 0; j < requests.size(); ++j) {
      requests[j].proposed_at_ns = now_ns - static_cast<int64_t>((j + 1) * 10'000);
      if (!results[j].status.ok()) std::abort();
    }
    const int64_t before = SystemClock().SteadyNs();
    const int64_t begin = SystemClock().SteadyNs();
    OneBatch(shape, requests, results, meter);
    const int64_t end = SystemClock().SteadyNs();
    with.push_back(end - begin);
    without.push_back(begin - before);
  }
  return Median(with) - Median(without);
}

int Main(int argc, char** argv) {
  Shape shape;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    size_t* const value = name == "--requests"  ? &shape.requests
                          : name == "--events"  ? &shape.events
                          : name == "--absorbs" ? &shape.absorbs
                                                : nullptr;
    if (value != nullptr && i + 1 < argc) *value = std::strtoull(argv[i + 1], nullptr, 10);
    if (value == nullptr || *value == 0) {
      std::fprintf(stderr, "bench_metrics_cost: see the head of bench/metrics_cost.cc\n");
      return 2;
    }
  }
  const std::string line =
      fmt::format(R"({{"requests": {}, "events": {}, "absorbs": {}, "batch_ns": {}}})",
                  shape.requests, shape.events, shape.absorbs, MeasureBatchNs(shape));
  std::puts(line.c_str());
  return 0;
}

}  // namespace
}  // namespace graven::bench

int main(int argc, char** argv) { return graven::bench::Main(argc, argv); }
