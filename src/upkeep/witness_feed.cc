#include "upkeep/witness_feed.h"

#include <fmt/format.h>

#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "metrics/instruments.h"
#include "witness/feeder.h"

namespace graven::upkeep {

// The ledger as the feeder sees it.
class WitnessFeed::Logs final : public witness::FedLogs {
 public:
  Logs(ledger::Ledger& ledger, Clock& clock, metrics::Registry& metrics, OperationalLog& log)
      : ledger_(ledger),
        clock_(clock),
        metrics_(metrics),
        log_(log),
        published_to_cosigned_(metrics.MakeHistogram(metrics::kPublishedToCosigned)) {}

  void UseEngine(engine::Engine& engine) { engine_ = &engine; }

  std::vector<uint32_t> Numbers() override {
    std::vector<uint32_t> numbers;
    std::lock_guard lock(mutex_);
    for (const ledger::LogRef log : ledger_.Logs()) {
      by_number_.try_emplace(log.number(), log);
      numbers.push_back(log.number());
    }
    return numbers;
  }

  note::VerifierKey Key(uint32_t number) override {
    // It was parsed when the log was opened or made.
    return *note::VerifierKey::Parse(ledger_.Info(Ref(number)).vkey);
  }

  TreeSize NewestSize(uint32_t number) override { return ledger_.GetPublished(Ref(number))->size; }

  witness::SignedState Newest(uint32_t number) override {
    const auto published = ledger_.GetPublished(Ref(number));
    return {published->size, published->checkpoint};
  }

  absl::StatusOr<std::vector<Hash>> ConsistencyProof(uint32_t number, TreeSize old_size,
                                                     TreeSize new_size) override {
    ASSIGN_OR_RETURN(ledger::ProofAnswer proof,
                     ledger_.ConsistencyProof(Ref(number), old_size, new_size));
    return std::move(proof.hashes);
  }

  absl::StatusOr<Hash> RootAt(uint32_t number, TreeSize size) override {
    return ledger_.RootAt(Ref(number), size);
  }

  // One at a time: the feeder sees to that.
  absl::Status AddCosigned(uint32_t number, const std::string& note) override {
    const ledger::LogRef log = Ref(number);
    const auto before = ledger_.GetCheckpoint(log, ledger::CheckpointLevel::kCosigned);
    RETURN_IF_ERROR(ledger_.AddCosigned(log, note));
    const auto now = ledger_.GetCheckpoint(log, ledger::CheckpointLevel::kCosigned);
    metrics_.MakeGauge(metrics::kCosignatureTime, {log.name()})
        .Set(static_cast<double>(clock_.WallNs()) * 1e-9);
    if (before != nullptr && before->size >= now->size) return absl::OkStatus();
    const auto published = ledger_.GetPublished(log);
    if (published->size == now->size && published->signed_at_ns > 0) {
      published_to_cosigned_.Observe(clock_.WallNs() - published->signed_at_ns);
    }
    engine_->cosigned_hub().Advance(log, now->size);
    return absl::OkStatus();
  }

  // The server's own log begins to be without anybody's doing: where nobody registered it, it is
  // not cosigned, and that is no failure of the witness.
  bool IsOptional(uint32_t number) override { return Ref(number).name() == ledger::kSystemLogName; }

  void StopSigning(const std::string& reason) override {
    ledger_.StopSigning(reason);
    log_.Error("ROLLBACK: " + reason);
  }

  void Report(bool alarm, const std::string& text) override {
    log_.Write(alarm ? Severity::kError : Severity::kWarning, text);
  }

 private:
  ledger::LogRef Ref(uint32_t number) {
    std::lock_guard lock(mutex_);
    return by_number_.at(number);
  }

  ledger::Ledger& ledger_;
  Clock& clock_;
  metrics::Registry& metrics_;
  OperationalLog& log_;
  metrics::Histogram published_to_cosigned_;
  engine::Engine* engine_ = nullptr;
  std::mutex mutex_;
  std::map<uint32_t, ledger::LogRef> by_number_;  // guarded by mutex_
};

WitnessFeed::WitnessFeed(ledger::Ledger& ledger, Clock& clock, const note::Policy& policy,
                         metrics::Registry& metrics, OperationalLog& log)
    : metrics_(metrics) {
  if (!policy.wants_witnesses()) return;
  logs_ = std::make_unique<Logs>(ledger, clock, metrics, log);
  feeder_ = std::make_unique<witness::Feeder>(*logs_, clock, policy, witness::FeederPace());
  refresh_ = metrics_.Refresh([this] { SetMetrics(); });
}

WitnessFeed::~WitnessFeed() {
  if (refresh_ != 0) metrics_.StopRefreshing(refresh_);
}

void WitnessFeed::SetMetrics() {
  for (const witness::WitnessState& state : feeder_->states()) {
    const bool up = state.failing == 0 && state.cosigned > 0;
    metrics_.MakeGauge(metrics::kWitnessState, {state.name}).Set(up ? 1 : 0);
    for (const auto& [verdict, count] : state.answers) {
      metrics_
          .MakeCounter(metrics::kWitnessSubmissions, {state.name, witness::VerdictName(verdict)})
          .RaiseTo(static_cast<double>(count));
    }
  }
}

std::vector<engine::WitnessFacts> WitnessFeed::Facts() const {
  std::vector<engine::WitnessFacts> facts;
  if (feeder_ == nullptr) return facts;
  for (witness::WitnessState& state : feeder_->states()) {
    facts.push_back(
        {std::move(state.name), state.cosigned, state.failing, std::move(state.problem)});
  }
  return facts;
}

void WitnessFeed::Notify() {
  if (feeder_ != nullptr) feeder_->Notify();
}

void WitnessFeed::LookBeforeSigning(engine::Engine& engine) {
  if (feeder_ == nullptr) return;
  logs_->UseEngine(engine);
  feeder_->LookBeforeSigning();
}

void WitnessFeed::Start() {
  if (feeder_ != nullptr) feeder_->Start();
}

void WitnessFeed::Stop() {
  if (feeder_ != nullptr) feeder_->Stop();
}

}  // namespace graven::upkeep
