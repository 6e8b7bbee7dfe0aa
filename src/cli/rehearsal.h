#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

// Attacks on a throw-away copy of a log, with all who watch it looking on. Every part is this
// program as a process of its own: the server that is made to lie, verify, witness and monitor.
namespace graven::cli {

enum class Attack { kFlip, kFork, kRollback, kWithhold };

struct RehearsalOptions {
  Attack attack = Attack::kFlip;
  std::string data;  // folder to copy; empty: a small new log
  std::string log = "default";
  bool keep = false;  // the work folder stays
};

// What one of those who look on saw.
struct Sighting {
  std::string who;
  bool caught = false;
  std::string words;
};

struct RehearsalReport {
  std::string done;  // what the attacker did
  std::vector<Sighting> sightings;
  std::string evidence;  // its verdict when somebody else checks the file; empty: none
  std::string folder;    // what is left; empty unless it was to be kept

  bool caught() const;
};

// Blocks for some seconds. The folder of `options` is only read, and must have no server.
// kFailedPrecondition: it has one. kUnavailable and others: the stage could not be set.
absl::StatusOr<RehearsalReport> Rehearse(const RehearsalOptions& options);

}  // namespace graven::cli
