#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "note/checkpoint.h"
#include "rehearse/rehearsal.h"
#include "rehearse/stage.h"

// Those who look on while a log is attacked: verify reads its folder, a monitor and a witness see
// it from outside, and an honest server asks its witnesses. Each looks before the attack and is
// asked after it; what it says goes into the report. One thread.
namespace graven::rehearse {

class Onlookers {
 public:
  // Both outlive it.
  Onlookers(Stage& stage, RehearsalReport& report) : stage_(stage), report_(report) {}

  // What the log has signed is cosigned on return: before the attack begins.
  absl::Status LetWitnessSee(const RunningServer& server);
  // A look before the attack by all: an honest log has no findings.
  absl::Status LetAllSee(const RunningServer& server);

  absl::Status AskMonitor(const std::string& address, const std::vector<std::string>& more = {});
  // Holds what a log shows against what the witness remembers, or has the log ask for its
  // cosignature, which nobody who wants this witness can do without.
  absl::Status AskWitness(const std::string& address);
  absl::Status AskVerify(const std::string& name);
  // An honest server asks its witnesses before it signs.
  absl::Status AskServer(const std::string& name);
  // Whether the server has noticed that what is stored is damaged.
  absl::Status AskStorage(const std::string& address);

 private:
  absl::StatusOr<ChildOutput> Monitor(const std::string& address,
                                      const std::vector<std::string>& more);
  absl::Status CheckEvidence(const std::string& path);
  absl::StatusOr<note::Checkpoint> SeenByWitness();
  absl::StatusOr<Sighting> AskToCosign(const std::string& address, const note::Checkpoint& seen,
                                       const note::Checkpoint& shown, const std::string& note);
  absl::Status AskWitnessAlone();

  Stage& stage_;
  RehearsalReport& report_;
};

}  // namespace graven::rehearse
