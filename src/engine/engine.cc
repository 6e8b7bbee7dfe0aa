#include "engine/engine.h"

namespace graven::engine {

std::function<void(const SlowAppend&)> Engine::SlowAppendTeller(ledger::Ledger& ledger,
                                                                Clock& clock,
                                                                const EngineOptions& options) {
  constexpr int64_t kPatienceNs = 60'000'000'000;
  if (options.slow_append_ns == 0 || !options.on_slow_append) return nullptr;
  return [this, &ledger, &clock, tell = options.on_slow_append](const SlowAppend& slow) {
    for (const ledger::LogRef log : ledger.Logs()) {
      if (log.number() != slow.log_number) continue;
      hub_.Await(log, slow.size, clock.SteadyNs() + kPatienceNs,
                 [slow, tell, &clock, name = log.name()](PublicationOutcome outcome) {
                   const bool reached = outcome == PublicationOutcome::kReached;
                   tell(SlowAppendText(name, slow, reached ? clock.WallNs() : 0));
                 });
    }
  };
}

}  // namespace graven::engine
