#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

// Attacks on a throw-away copy of a log, with all who watch it looking on. Every part is this
// program as a process of its own: the server that is made to lie, verify, witness and monitor.
namespace graven::rehearse {

enum class Attack { kFlip, kFork, kRollback, kWithhold };

// Somebody who has the page open in a browser: he sees it green, says when the attack may begin,
// and sees it red, at one and the same address.
struct RehearsalAudience {
  // The honest log's page is served at `url`, which pins the log's key.
  std::function<void(const std::string& url)> invite;
  // Waits a second at most. True: begin. An error ends the rehearsal before any attack.
  std::function<absl::StatusOr<bool>()> ready;
};

struct RehearsalReport;

struct RehearsalOptions {
  Attack attack = Attack::kFlip;
  std::string data;  // folder to copy; empty: a small new log
  std::string log = "default";
  bool keep = false;  // the work folder stays

  // Both or none. `look` is called with the whole report while the attacked log's page is served at
  // the invitation's address; it returns when nobody looks any more.
  std::optional<RehearsalAudience> audience;
  std::function<void(const RehearsalReport&)> look;
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

}  // namespace graven::rehearse
