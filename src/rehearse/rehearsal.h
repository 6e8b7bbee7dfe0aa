#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rehearse/interruption.h"

// Attacks on a throw-away copy of a log, with all who watch it looking on. Every part is this
// program as a process of its own: the server that is made to lie, verify, witness and monitor.
namespace graven::rehearse {

enum class Attack { kFlip, kFork, kRollback, kWithhold };

struct RehearsalReport;

// Somebody who has the page open in a browser: he sees it green, says when the attack may begin,
// and sees it red, at one and the same address.
struct RehearsalAudience {
  // The honest log's page is served at `url`, which pins the log's key.
  std::function<void(const std::string& url)> invite;
  // Waits a second at most. True: begin. An error ends the rehearsal before any attack.
  std::function<absl::StatusOr<bool>()> ready;
  // Called with the whole report while the attacked log's page is served at the invitation's
  // address; returns when nobody looks any more.
  std::function<void(const RehearsalReport&)> look;
};

struct RehearsalOptions {
  Attack attack = Attack::kFlip;
  std::string data;   // folder to copy; empty: a small new log
  std::string guard;  // where the guard of `data` lies; empty: in it
  std::string log = "default";
  bool keep = false;  // the work folder stays
  std::optional<RehearsalAudience> audience;
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
  // Not OK: everything was judged, but the audience could not be shown it, and why.
  absl::Status page;

  bool caught() const;
};

// Blocks for some seconds. The folder of `options` is only read, and must have no server. Once
// `interruption` has come it returns soon, and nothing is left: no process, no folder. Of this
// process's main thread, see child_process.h.
// kFailedPrecondition: the folder has a server, or not its guard. kCancelled: interrupted before
// all was judged. kUnavailable and others: the stage could not be set.
absl::StatusOr<RehearsalReport> Rehearse(const RehearsalOptions& options,
                                         Interruption& interruption);

}  // namespace graven::rehearse
