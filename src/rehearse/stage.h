#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/log_index.h"
#include "note/keys.h"
#include "rehearse/child_process.h"

// Where a rehearsal takes place: a throw-away folder with copies of one log, the servers that show
// them, and a witness that knows the log. One thread.
namespace graven::rehearse {

// Whether a server has the operator's own witnesses configured: an honest one has, and whoever
// attacks leaves them out.
enum class Witnessed { kYes, kNo };

// Whether a server's page stands at the address that the audience was given.
enum class Shown { kNo, kYes };

struct RunningServer {
  ChildProcess process;
  std::string address;
  std::string http;  // URL of its page, when it has one
};

struct StageOptions {
  std::string data;   // folder to copy; empty: a small new log
  std::string guard;  // where its guard lies; empty: in it
  std::string log;
  bool keep = false;   // the folder stays
  bool pages = false;  // servers have an HTTP port too
};

class Stage {
 public:
  // Makes the folder, for this user alone (0700), below the one for temporary files. The log stands
  // in the folder `log` of it, with no server. `interruption` outlives the stage; every call that
  // waits returns kCancelled once it has come. kFailedPrecondition: the folder to copy has a
  // server, or its guard lies elsewhere. kNotFound: no such log. kUnavailable and others.
  static absl::StatusOr<std::unique_ptr<Stage>> Set(StageOptions options,
                                                    Interruption& interruption);
  // Ends the witness, and removes the folder unless it is to be kept.
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  Interruption& interruption() const { return interruption_; }
  const std::string& folder() const { return work_; }
  const std::string& log() const { return options_.log; }
  bool has_pages() const { return options_.pages; }
  // The log's public key, and where it lies.
  const note::VerifierKey& key() const { return *key_; }
  std::string key_file() const { return Path("log.vkey"); }
  // HOST:PORT of the page that is shown, once it has been.
  const std::string& page_address() const { return page_address_; }

  std::string Path(std::string_view name) const;
  std::string WitnessUrl(std::string_view path) const;

  // `to` becomes what `from` is: a file or a folder.
  absl::Status Copy(const std::string& from, const std::string& to) const;
  // Runs `graven ARGUMENTS` to its end.
  absl::StatusOr<ChildOutput> Graven(const std::vector<std::string>& arguments,
                                     const std::string& input = {}) const;
  // Starts a server on the copy of that name. kFailedPrecondition: it does not start, and why.
  absl::StatusOr<RunningServer> Serve(const std::string& name,
                                      Witnessed witnessed = Witnessed::kYes,
                                      Shown shown = Shown::kNo);
  // `count` new events; all that the log has is published on return.
  absl::Status Append(const RunningServer& server, int count, std::string_view action) const;
  // The exact bytes of a record.
  absl::StatusOr<std::string> Record(const std::string& address, LogIndex index) const;
  // The newest checkpoint of a level, as `graven checkpoint` prints it.
  absl::StatusOr<std::string> NewestNote(const std::string& address,
                                         const std::string& level) const;

 private:
  Stage(StageOptions options, Interruption& interruption)
      : options_(std::move(options)), interruption_(interruption) {}

  absl::Status SetUp();
  absl::Status CopyData() const;
  absl::Status StartWitness();
  // What it wrote into its ready file. kFailedPrecondition: it does not start, and why.
  absl::StatusOr<std::string> WaitUntilReady(ChildProcess& process, const std::string& name,
                                             const std::string& ready) const;
  absl::Status CopyEntry(const std::filesystem::path& from, const std::filesystem::path& to) const;

  const StageOptions options_;
  Interruption& interruption_;
  std::string work_;
  std::optional<note::VerifierKey> key_;
  std::string witness_url_;
  std::optional<ChildProcess> witness_;
  std::string page_address_ = "127.0.0.1:0";
};

// The first line of a text.
std::string FirstLine(const std::string& text);
// The lines of a short answer as one.
std::string OneLine(const std::string& text);

}  // namespace graven::rehearse
