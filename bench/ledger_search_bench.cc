// Search over a log that was written through the ledger: what the index costs while it is written,
// and how long answers take, with the records of a page read. bench/search.py runs it.
//
//   bench_ledger_search RECORDS FOLDER SECONDS   prints one JSON object
//   bench_ledger_search dump RECORDS FIRST END   prints some of the records, as text for another
//                                                program to index
//
// The records are those of bench/search_shape.h, their times spread over 12 months by the clock
// that the requests carry. No transport: what gRPC and HTTP add to an answer is not of search.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"
#include "bench/search_shape.h"
#include "engine/engine.h"
#include "engine/index_builder.h"
#include "fmt/format.h"
#include "io/file_system.h"
#include "ledger/ledger.h"
#include "search/page.h"
#include "search/searches.h"
#include "search/tally.h"
#include "store/segment_reader.h"

namespace graven::bench {
namespace {

constexpr uint64_t kBatchEvents = 100;
constexpr uint64_t kBatchesAtOnce = 20;
constexpr uint64_t kPacedPerSecond = 100'000;
// The index is built when so many have been loaded, so that its time can be told apart.
constexpr uint64_t kStretchRecords = uint64_t{1} << 20;

[[noreturn]] void Fail(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  std::exit(2);
}

template <typename T>
T Must(absl::StatusOr<T> value) {
  if (!value.ok()) Fail(value.status());
  return *std::move(value);
}

// One request of a hundred events.
class Batch final : public engine::AppendOwner {
 public:
  void Fill(Shape& shape, uint64_t first, uint64_t count) {
    bodies_.clear();
    for (uint64_t i = first; i < first + count; ++i) bodies_.push_back(shape.Event(i));
  }
  // The same events with ids of `first` and so on, to be received at `ns`.
  sequencer::Request* Request(ledger::LogRef log, uint64_t first, int64_t ns) {
    events_.clear();
    request_.bytes = 0;
    for (uint64_t i = 0; i < bodies_.size(); ++i) {
      std::string& body = bodies_[i];
      body.replace(2, Shape::kIdBytes, Shape::Id(first + i));
      events_.push_back(
          {.body = body, .event_id = std::string_view(body).substr(2, Shape::kIdBytes)});
      request_.bytes += body.size() + 64;
    }
    request_.log_number = log.number();
    request_.proposed_at_ns = ns;
    request_.written_by = "anonymous";
    request_.events = events_;
    request_.owner = static_cast<engine::AppendOwner*>(this);
    return &request_;
  }
  void Done(const ledger::RequestResult& result) override { status = result.status; }

  uint64_t size() const { return bodies_.size(); }
  absl::Status status;

 private:
  std::vector<std::string> bodies_;
  std::vector<sequencer::NewEvent> events_;
  sequencer::Request request_;
};

class Bench {
 public:
  Bench(uint64_t records, const std::string& folder) : records_(records), shape_(records) {
    ledger::LedgerOptions options;
    options.folder = folder;
    options.effective_user = geteuid();
    ledger_ =
        Must(ledger::Ledger::Open(io::PosixFileSystem(), SystemClock(), SystemRandom(), options));
    log_ = ledger_->FindLog("default");
    engine::EngineOptions engine_options;
    engine_options.on_published = [this](const std::vector<ledger::LogRef>& logs) {
      if (is_indexing_) builder_->Notify(logs);
    };
    engine_ = std::make_unique<engine::Engine>(*ledger_, SystemClock(), engine_options,
                                               [](const absl::Status& failed) { Fail(failed); });
    MakeBuilder(folder);
    searches_ = std::make_unique<search::Searches>(
        *ledger_, engine_->hub(), engine_->cosigned_hub(), SystemClock(),
        [this](ledger::LogRef log) { return builder_->Chunks(log); });
    engine_->Start();
  }
  ~Bench() {
    searches_->Stop();
    builder_->Stop();
    engine_->Stop();
  }

  void Load() {
    std::vector<Batch> batches(kBatchesAtOnce);
    while (size_ < records_) {
      const uint64_t stretch_end = std::min(records_, size_ + kStretchRecords);
      while (size_ < stretch_end) {
        size_t used = 0;
        uint64_t next = size_;
        for (; used < batches.size() && next < stretch_end; ++used) {
          batches[used].Fill(shape_, next, std::min(kBatchEvents, stretch_end - next));
          next += batches[used].size();
        }
        const double begin = Now();
        Append(std::span(batches).first(used));
        append_seconds_ += Now() - begin;
      }
      BuildIndex();
      std::fprintf(stderr, "%llu of %llu records\n", static_cast<unsigned long long>(size_),
                   static_cast<unsigned long long>(records_));
    }
  }

  // Events a second that were made durable of 100,000 that were to be, in requests of a hundred,
  // one at a time.
  double Paced(int seconds, bool with_index) {
    // Made before: what it takes to make events does not count.
    std::vector<Batch> batches(1000);
    for (size_t i = 0; i < batches.size(); ++i) {
      batches[i].Fill(shape_, records_ + i * kBatchEvents, kBatchEvents);
    }
    BuildIndex();
    Settle();
    std::thread finder;
    if (with_index) {
      is_indexing_ = true;
      builder_->Start();
      finder = std::thread([this] { FindNewest(); });
    }
    const uint64_t count = static_cast<uint64_t>(seconds) * kPacedPerSecond / kBatchEvents;
    const double begin = Now();
    for (uint64_t i = 0; i < count; ++i) {
      const double due = begin + static_cast<double>(i * kBatchEvents) / kPacedPerSecond;
      const double early = due - Now();
      if (early > 0) std::this_thread::sleep_for(std::chrono::duration<double>(early));
      Append(std::span(batches).subspan(i % batches.size(), 1));
    }
    const double took = Now() - begin;
    is_indexing_ = false;
    if (with_index) {
      finder.join();
      builder_->Stop();
    }
    return static_cast<double>(count * kBatchEvents) / took;
  }

  double PageMs(const std::function<std::string(int)>& query) {
    return MedianMs([&](int i) {
      const std::string text = query(i);
      const auto maker = Must(search::PageMaker::Begin(Ask(text), {}));
      Finish(*maker);
    });
  }
  double TopMs(const std::string& field) {
    return MedianMs([&](int) {
      const auto work = Must(search::FacetWork::Begin(Ask("").source, {.fields = {field}}, {}));
      Finish(*work);
      GRAVEN_CHECK(work->facets().matches == records_);
      if (!work->facets().is_exact) std::fprintf(stderr, "top of %s: not exact\n", field.c_str());
    });
  }
  double HistogramMs() {
    return MedianMs([&](int) {
      const auto work = Must(search::HistogramWork::Begin(Ask("").source, {}, {}));
      Finish(*work);
      GRAVEN_CHECK(work->histogram().is_exact);
    });
  }
  uint64_t size() const { return size_; }
  // From the publication of a record to an answer that holds it, while it was paced with the index:
  // so long at most for `share` of those that were asked for.
  double FindableMs(double share) {
    GRAVEN_CHECK(!findable_ms_.empty());
    std::sort(findable_ms_.begin(), findable_ms_.end());
    const auto at =
        static_cast<size_t>(std::ceil(share * static_cast<double>(findable_ms_.size())) - 1);
    return findable_ms_[at];
  }
  size_t asked_for() const { return findable_ms_.size(); }
  std::string TraceOf(uint64_t index) { return shape_.Make(index).trace; }

  double indexed_per_second() const { return static_cast<double>(records_) / index_seconds_; }
  double appended_per_second() const { return static_cast<double>(records_) / append_seconds_; }
  double index_bytes_per_event() const {
    uint64_t bytes = 0, covered = 0;
    for (const auto& chunk : builder_->Chunks(log_)->chunks()) {
      bytes += chunk->bytes();
      covered += chunk->leaves();
    }
    return covered == 0 ? 0 : static_cast<double>(bytes) / static_cast<double>(covered);
  }
  uint64_t scanned() const {
    uint64_t covered = 0;
    for (const auto& chunk : builder_->Chunks(log_)->chunks()) covered += chunk->leaves();
    return ledger_->GetPublished(log_)->size.value - covered;
  }

 private:
  void MakeBuilder(const std::string& folder) {
    engine::IndexBuilderOptions options;
    options.folder = folder;
    builder_ = std::make_unique<engine::IndexBuilder>(
        *ledger_, io::PosixFileSystem(), options,
        [](const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); });
  }

  // While records are appended: waits for the next publication, then asks for its last record until
  // it is there.
  void FindNewest() {
    while (is_indexing_) {
      const uint64_t wanted = ledger_->GetPublished(log_)->size.value + 1;
      const auto outcome = engine_->hub().WaitFor(log_, TreeSize(wanted), 100'000'000);
      if (outcome != engine::PublicationOutcome::kReached) continue;
      const double published = Now();
      const uint64_t newest = ledger_->GetPublished(log_)->size.value - 1;
      const std::string query = "event_id:" + Shape::Id(newest);
      bool found = false;
      while (!found) {
        const auto maker = Must(search::PageMaker::Begin(Ask(query), {.records_max = 1}));
        Finish(*maker);
        for (const auto& record : maker->page().records) found |= record.index.value == newest;
      }
      findable_ms_.push_back((Now() - published) * 1000);
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }

  // All of them, in order; what finds no room is tried again.
  void Append(std::span<Batch> batches) {
    for (Batch& batch : batches) {
      const auto time = kStartNs + static_cast<int64_t>(static_cast<double>(kYearNs) *
                                                        static_cast<double>(size_) /
                                                        static_cast<double>(records_));
      const absl::Status queued = engine_->sequencer().Submit(
          batch.Request(log_, size_, std::min(time, kStartNs + kYearNs)));
      if (!queued.ok()) Fail(queued);
      size_ += batch.size();
    }
    while (engine_->loop().Round() > 0) {
    }
    for (size_t i = 0; i < batches.size(); ++i) {
      if (batches[i].status.ok()) continue;
      if (!absl::IsResourceExhausted(batches[i].status)) Fail(batches[i].status);
      // With it all behind it.
      for (const Batch& batch : batches.subspan(i)) size_ -= batch.size();
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      return Append(batches.subspan(i));
    }
  }

  // What was appended before has gone from the journal into segments: that work is not of what is
  // measured next.
  void Settle() {
    const double end = Now() + 300;
    while (ledger_->status().unsealed_records >= 2 * store::kSegmentRecords && Now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }

  void BuildIndex() {
    const auto outcome = engine_->hub().WaitFor(log_, TreeSize(size_), 60'000'000'000);
    GRAVEN_CHECK(outcome == engine::PublicationOutcome::kReached);
    builder_->Notify({log_});
    const double begin = Worked();
    while (Must(builder_->Step())) {
    }
    index_seconds_ += Worked() - begin;
  }

  search::Search Ask(std::string_view query) {
    search::Question question;
    question.query = query;
    return Must(search::ReadQuestion(*searches_, question));
  }
  static void Finish(search::Work& work) {
    while (!Must(work.GoOn(search::Turn()))) {
    }
  }

  const uint64_t records_;
  Shape shape_;
  std::unique_ptr<ledger::Ledger> ledger_;
  ledger::LogRef log_;
  std::unique_ptr<engine::IndexBuilder> builder_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<search::Searches> searches_;
  std::atomic<bool> is_indexing_ = false;
  uint64_t size_ = 0;  // durable
  double append_seconds_ = 0;
  double index_seconds_ = 0;
  std::vector<double> findable_ms_;  // the finder's while it runs
};

// One line a record: time, actor, action, resource, trace, outcome, words.
int Dump(uint64_t records, uint64_t first, uint64_t end) {
  Shape shape(records);
  for (uint64_t i = first; i < end; ++i) {
    const Shape::Fields f = shape.Make(i);
    fmt::print("{}\t{}\t{}\t{}\t{}\t{}\t{}\n", f.time_ns, f.actor, f.action, f.resource, f.trace,
               f.outcome, f.words);
  }
  return std::fflush(stdout) == 0 ? 0 : 2;
}

int Run(uint64_t records, const char* folder, int seconds) {
  Bench bench(records, folder);
  bench.Load();
  const auto actor = [](int i) {
    return fmt::format("actor:user-{} action:service{}.verb0 time:2025-{:02}", i * 40, i % 3,
                       i % 12 + 1);
  };
  const auto words = [](int i) { return fmt::format("w{} w{}", i * 9, 4000 + i); };
  const auto trace = [&](int i) {
    return "trace:" + bench.TraceOf(static_cast<uint64_t>(i) * (records / kRounds));
  };
  std::string json = fmt::format(
      "{{\"records\": {}, \"appended_per_s\": {:.0f}, \"events_per_s\": {:.0f}, "
      "\"bytes_per_event\": {:.1f}, \"scanned\": {}",
      records, bench.appended_per_second(), bench.indexed_per_second(),
      bench.index_bytes_per_event(), bench.scanned());
  // Each once before it counts: warm.
  const auto add = [&](const char* name, const std::function<double()>& measure) {
    measure();
    json += fmt::format(", \"{}\": {:.3f}", name, measure());
  };
  add("actor_action_month_ms", [&] { return bench.PageMs(actor); });
  add("two_words_ms", [&] { return bench.PageMs(words); });
  add("trace_ms", [&] { return bench.PageMs(trace); });
  add("histogram_ms", [&] { return bench.HistogramMs(); });
  add("top_outcomes_ms", [&] { return bench.TopMs("outcome"); });
  add("top_actions_ms", [&] { return bench.TopMs("action"); });
  add("top_actors_ms", [&] { return bench.TopMs("actor.id"); });
  add("top_targets_ms", [&] { return bench.TopMs("target.id"); });
  const double without = bench.Paced(seconds, false);
  const double with = bench.Paced(seconds, true);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  fmt::print(
      "{}, \"paced_without\": {:.0f}, \"paced_with\": {:.0f}, \"findable_ms\": {:.3f}, "
      "\"findable_p50_ms\": {:.3f}, \"findable_asked\": {}, \"records_in_all\": {}, "
      "\"memory_mib\": {:.0f}}}\n",
      json, without, with, bench.FindableMs(0.99), bench.FindableMs(0.5), bench.asked_for(),
      bench.size(), static_cast<double>(usage.ru_maxrss) / 1024);
  return 0;
}

}  // namespace
}  // namespace graven::bench

int main(int argc, char** argv) {
  const auto number = [&](int at) { return std::strtoull(argv[at], nullptr, 10); };
  if (argc == 5 && std::string_view(argv[1]) == "dump") {
    return graven::bench::Dump(number(2), number(3), number(4));
  }
  if (argc != 4) {
    std::fprintf(stderr,
                 "usage: bench_ledger_search RECORDS FOLDER SECONDS\n"
                 "       bench_ledger_search dump RECORDS FIRST END\n");
    return 2;
  }
  return graven::bench::Run(std::strtoull(argv[1], nullptr, 10), argv[2],
                            static_cast<int>(std::strtol(argv[3], nullptr, 10)));
}
