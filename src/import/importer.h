#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "record/rules.h"

// Other formats into events: files in, serialised graven.v1.Event bytes out, in the order of the
// files given and of their lines or elements. Every event carries an id of its own that depends
// only on what was read, so that importing the same thing again gives duplicates and not copies,
// and a log file that has grown gives only its new lines as new:
//
//   cloudtrail  eventID
//   k8s-audit   auditID "/" stage
//   dpkg        hash of (host, first line of the file, line, how often that very line came before)
//   jsonl       event_id, or hash of (first line of the file, line, how often it came before)
//
// A file is known by its first line and not by its name: appending, renaming (dpkg.log.1) and
// compressing (.gz, read as it is) do not change what was imported. The original stands in
// details_struct under "original"; integers beyond 2^53 and numbers of more than 17 digits stand
// there as text, because a Struct's numbers are doubles.
//
// A last line of a dpkg log without its newline is still being written: it is left for the next
// import, and counted. (In a gzip file, which does not grow, it is taken. A line of JSON shows by
// itself whether it is whole.)
//
// A line of jsonl may also be one of `graven export`: the event is then taken from the bytes of its
// "record", with the id that it had there, whoever gave it.
//
// Thread: one at a time. Every event that comes out passes record::CheckBody. Nothing is skipped in
// silence: what cannot be an event is counted and told with its file, its place and the reason.

namespace graven::import {

enum class Format { kCloudTrail, kK8sAudit, kDpkg, kJsonLines };

// "cloudtrail", "k8s-audit", "dpkg", "jsonl".
std::optional<Format> ParseFormat(std::string_view name);
std::string_view FormatName(Format format);

// Whether this machine knows the IANA name, which is what `time_zone` below may be.
bool IsTimeZone(const std::string& name);

// What to do with an event that is larger (or nests deeper) than a record may be.
enum class Oversize {
  kRefuse,  // count it as refused and go on
  kDigest,  // put {sha256, bytes} of the original in its place, count it, and label the event
};

// What to do with a line or element that cannot be an event at all.
enum class BadInput {
  kStop,   // end with kInvalidArgument
  kCount,  // count it as refused and go on
};

struct ImportOptions {
  Format format = Format::kJsonLines;
  Oversize oversize = Oversize::kRefuse;
  BadInput bad_input = BadInput::kStop;
  // dpkg writes local time without a zone. An IANA name; "" is the machine's own zone. In the hour
  // that a clock set back repeats, a line takes the earlier of its two times, unless that is before
  // the line above it. In the hour that it skips, the zone before the change counts.
  std::string time_zone;
  // The machine that a dpkg log is of, part of its ids; "" is this one.
  std::string host;
  record::RuleContext rules;
};

// One event. The views live until the sink returns.
struct ImportedEvent {
  std::string_view event_id;
  std::string_view bytes;  // a serialised graven.v1.Event
  std::string_view path;   // as given; "-" is the standard input
  uint64_t position = 0;   // line or element, from 1
  bool digested = false;
};

struct Refusal {
  std::string_view path;
  uint64_t position = 0;
  std::string_view place;   // "line" or "element"
  std::string_view reason;  // a stranger's text may stand in it: SafeText before showing
};

struct ImportCounts {
  uint64_t events = 0;  // handed out, those digested included
  uint64_t digested = 0;
  uint64_t refused = 0;  // those oversize included
  uint64_t oversize_refused = 0;
  uint64_t unfinished = 0;  // last lines that were left for the next import
};

struct ImportCallbacks {
  // Takes an event; an error ends the import and is what ImportFiles returns. Required.
  std::function<absl::Status(const ImportedEvent&)> on_event;
  // Told of each event that is refused, but not of the one that ends the import: that is the error
  // which comes back. Optional.
  std::function<void(const Refusal&)> on_refused;
  // Told of a last line that was left for the next import. Optional.
  std::function<void(std::string_view path, uint64_t position)> on_unfinished;
  // Bytes of the files read so far and in all (as they lie on the disk; 0 if unknown). Optional;
  // called at least once a file and about every MiB.
  std::function<void(uint64_t bytes_done, uint64_t bytes_total)> on_progress;
};

// Reads `paths` in order. `counts` (not null) is kept up to date throughout, also when an error
// ends it. kInvalidArgument: a bad line or element with BadInput::kStop, named in the message; an
// unknown time zone. kNotFound: no such file. kUnavailable: a file could not be read.
absl::Status ImportFiles(const ImportOptions& options, std::span<const std::string> paths,
                         const ImportCallbacks& callbacks, ImportCounts* counts);

// The same for text in memory, as if it were the content of the file `path`.
absl::Status ImportText(const ImportOptions& options, std::string_view path, std::string_view text,
                        const ImportCallbacks& callbacks, ImportCounts* counts);

}  // namespace graven::import
