#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "engine/append_loop.h"
#include "engine/append_meter.h"
#include "engine/housekeeper.h"
#include "engine/publication_hub.h"
#include "engine/publisher.h"
#include "engine/scrub_loop.h"
#include "ledger/ledger.h"
#include "metrics/registry.h"
#include "sequencer/local_sequencer.h"

namespace graven::engine {

struct EngineOptions {
  // Bytes of events that are accepted and not yet durable.
  size_t queue_bytes_max = size_t{64} << 20;
  // Of one batch, that is, of one sync.
  size_t batch_bytes_max = size_t{8} << 20;
  PublisherPace pace;
  // Where it is measured; null: nowhere that anybody sees. Must outlive the engine.
  metrics::Registry* metrics = nullptr;
  // Called after each publication, on the publisher's thread; must not block.
  std::function<void(const std::vector<ledger::LogRef>& logs)> on_published;
  // Told when a burst begins that work behind the scenes had better let pass, and when it is over;
  // on the preparer's thread.
  std::function<void(bool passes)> on_burst;
  // Appends that take longer than this to become durable are told, once they are published; 0: none
  // are.
  int64_t slow_append_ns = 0;
  std::function<void(const std::string&)> on_slow_append;
  ScrubBudget scrub;
  ScrubLoop::OnFinding on_scrub_finding;
};

// A ledger with all that drives it, but for the writer's thread: whoever has the transport calls
// loop().Round() (the gRPC server's loop; a thread in tests).
//
//   writer      Round: Take, Apply, MakeDurable, answers       the transport's
//   publisher   guard, sign, wake                              here
//   preparer    the next journal file                          here
//   sealer      journal to segments                            here
//   scrubber    reads all of it again, in rotation             here
class Engine {
 public:
  // `failed` is told, on any thread, of what stopped writes or publication.
  Engine(ledger::Ledger& ledger, Clock& clock, const EngineOptions& options,
         const std::function<void(const absl::Status&)>& failed)
      : own_metrics_(options.metrics == nullptr ? std::make_unique<metrics::Registry>() : nullptr),
        sequencer_(options.queue_bytes_max),
        hub_(ledger, clock),
        cosigned_hub_(ledger, clock, ledger::CheckpointLevel::kCosigned),
        meter_(options.metrics == nullptr ? *own_metrics_ : *options.metrics, clock,
               options.slow_append_ns, SlowAppendTeller(ledger, clock, options)),
        publisher_(ledger, hub_, clock, options.pace, failed,
                   options.metrics == nullptr ? *own_metrics_ : *options.metrics,
                   {options.on_published, [this] { cosigned_hub_.Expire(); }}),
        housekeeper_(ledger, failed, options.on_burst),
        scrub_(ledger, clock, options.scrub,
               options.metrics == nullptr ? *own_metrics_ : *options.metrics,
               options.on_scrub_finding),
        loop_(ledger, sequencer_, meter_, options.batch_bytes_max,
              [this](const RoundOutcome& outcome) {
                if (outcome.events > 0) publisher_.Notify();
                housekeeper_.Notify(outcome.bytes, outcome.no_room);
              }) {}

  void Start() {
    publisher_.Start();
    housekeeper_.Start();
    scrub_.Start();
  }

  // The writer has answered everything and makes no more rounds. Publishes what is durable, answers
  // all who wait for publication, ends the threads. The ledger may be closed then.
  void Stop() {
    scrub_.Stop();
    publisher_.Stop();
    hub_.Close();
    cosigned_hub_.Close();
    housekeeper_.Stop();
  }

  sequencer::Sequencer& sequencer() { return sequencer_; }
  PublicationHub& hub() { return hub_; }
  // Where one waits for the witnesses' quorum; whoever adds cosignatures advances it.
  PublicationHub& cosigned_hub() { return cosigned_hub_; }
  AppendLoop& loop() { return loop_; }
  AppendMeter& meter() { return meter_; }
  const ScrubLoop& scrub() const { return scrub_; }

 private:
  // Waits for the publication of what was slow, so that all stages can be told.
  std::function<void(const SlowAppend&)> SlowAppendTeller(ledger::Ledger& ledger, Clock& clock,
                                                          const EngineOptions& options);

  const std::unique_ptr<metrics::Registry> own_metrics_;
  sequencer::LocalSequencer sequencer_;
  PublicationHub hub_;
  PublicationHub cosigned_hub_;
  AppendMeter meter_;
  Publisher publisher_;
  Housekeeper housekeeper_;
  ScrubLoop scrub_;
  AppendLoop loop_;
};

}  // namespace graven::engine
