#include "engine/append_meter.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/error_details.h"

namespace graven::engine {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

// Between two moments of a clock that may jump.
int64_t Milliseconds(int64_t from_ns, int64_t to_ns) {
  return std::max<int64_t>(0, to_ns - from_ns) / 1'000'000;
}

}  // namespace

std::string SlowAppendText(std::string_view log, const SlowAppend& slow, int64_t published_ns) {
  const std::string publish =
      published_ns == 0 ? "not in a minute"
                        : fmt::format("{} ms", Milliseconds(slow.durable_ns, published_ns));
  return fmt::format(
      "slow append: log {}, {} events, durable after {} ms: accepted to sequenced {} ms, to "
      "applied "
      "{} ms, to durable {} ms; then published {}",
      log, slow.events, Milliseconds(slow.accepted_ns, slow.durable_ns),
      Milliseconds(slow.accepted_ns, slow.sequenced_ns),
      Milliseconds(slow.sequenced_ns, slow.applied_ns),
      Milliseconds(slow.applied_ns, slow.durable_ns), publish);
}

AppendMeter::AppendMeter(metrics::Registry& registry, Clock& clock, int64_t slow_ns,
                         std::function<void(const SlowAppend&)> on_slow)
    : registry_(registry),
      clock_(clock),
      slow_ns_(on_slow == nullptr ? 0 : slow_ns),
      on_slow_(std::move(on_slow)),
      requests_ok_(registry.MakeCounter(metrics::kAppendRequests, {"ok", ""})),
      events_appended_(registry.MakeCounter(metrics::kAppendEvents, {"appended"})),
      events_duplicate_(registry.MakeCounter(metrics::kAppendEvents, {"duplicate"})),
      slow_appends_(registry.MakeCounter(metrics::kSlowAppends)),
      accepted_to_durable_(registry.MakeHistogram(metrics::kAcceptedToDurable)),
      batch_events_(registry.MakeHistogram(metrics::kBatchEvents)),
      batch_bytes_(registry.MakeHistogram(metrics::kBatchBytes)),
      sync_(registry.MakeHistogram(metrics::kSync)) {}

void AppendMeter::Taken() {
  if (slow_ns_ != 0) taken_ns_ = clock_.WallNs();
}

void AppendMeter::Applied(size_t requests) {
  if (slow_ns_ != 0) absorbed_.push_back({requests, taken_ns_, clock_.WallNs()});
}

void AppendMeter::SyncEnded() {
  sync_.Observe(clock_.SteadyNs() - sync_began_ns_);
  durable_wall_ns_ = clock_.WallNs();
}

void AppendMeter::Answered(size_t position, const sequencer::Request& request,
                           const ledger::RequestResult& result) {
  ++accepted_;
  duplicates_ += result.duplicate_count;
  latencies_.Add(durable_wall_ns_ - request.proposed_at_ns);
  if (slow_ns_ != 0) TellIfSlow(position, request, result);
}

void AppendMeter::TellIfSlow(size_t position, const sequencer::Request& request,
                             const ledger::RequestResult& result) {
  if (durable_wall_ns_ - request.proposed_at_ns < slow_ns_ || result.receipts.empty()) return;
  slow_appends_.Add();
  const int64_t second = durable_wall_ns_ / kSecondNs;
  if (second != std::exchange(told_second_, second)) told_ = 0;
  if (++told_ > kSlowToldPerSecond) return;
  SlowAppend slow;
  slow.log_number = request.log_number;
  slow.events = request.events.size();
  for (const ledger::EventReceipt& receipt : result.receipts) {
    slow.size = std::max(slow.size, SizeThrough(receipt.index));
  }
  slow.accepted_ns = request.proposed_at_ns;
  const auto absorbed =
      std::find_if(absorbed_.begin(), absorbed_.end(),
                   [position](const Absorbed& piece) { return position < piece.end; });
  if (absorbed != absorbed_.end()) {
    slow.sequenced_ns = absorbed->taken_ns;
    slow.applied_ns = absorbed->applied_ns;
  }
  slow.durable_ns = durable_wall_ns_;
  on_slow_(slow);
}

void AppendMeter::BatchEnds(size_t events, size_t bytes) {
  absorbed_.clear();
  if (accepted_ == 0) return;
  requests_ok_.Add(static_cast<double>(std::exchange(accepted_, 0)));
  const uint64_t duplicates = std::exchange(duplicates_, 0);
  events_appended_.Add(static_cast<double>(events - duplicates));
  if (duplicates > 0) events_duplicate_.Add(static_cast<double>(duplicates));
  accepted_to_durable_.Merge(&latencies_);
  batch_events_.Observe(static_cast<int64_t>(events));
  batch_bytes_.Observe(static_cast<int64_t>(bytes));
}

void AppendMeter::CountRefused(const absl::Status& status) {
  registry_.MakeCounter(metrics::kAppendRequests, {"refused", ReasonOf(status)}).Add();
}

}  // namespace graven::engine
