#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "engine/engine.h"
#include "engine/witness_facts.h"
#include "ledger/ledger.h"
#include "metrics/registry.h"
#include "note/policy.h"
#include "upkeep/operational_log.h"

namespace graven::witness {
class Feeder;
}

namespace graven::upkeep {

// Takes the checkpoints of all logs to the witnesses of a policy (witness/feeder.h). Without a
// quorum in the policy it does nothing.
class WitnessFeed {
 public:
  // All must outlive it.
  WitnessFeed(ledger::Ledger& ledger, Clock& clock, const note::Policy& policy,
              metrics::Registry& metrics, OperationalLog& log);
  ~WitnessFeed();

  // For EngineOptions::on_published.
  void Notify();

  // Before the engine starts: asks the witnesses what they have seen of what was signed before, a
  // few seconds at most. The ledger signs nothing more on return when one has shown that the folder
  // was rolled back.
  void LookBeforeSigning(engine::Engine& engine);
  void Start();
  // Before the engine stops.
  void Stop();

  // How the witnesses answer, for GetStatus and /status. Any thread.
  std::vector<engine::WitnessFacts> Facts() const;

 private:
  class Logs;

  void SetMetrics();

  metrics::Registry& metrics_;
  uint64_t refresh_ = 0;
  std::unique_ptr<Logs> logs_;
  std::unique_ptr<witness::Feeder> feeder_;
};

}  // namespace graven::upkeep
