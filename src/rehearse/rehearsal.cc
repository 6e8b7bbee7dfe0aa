#include "rehearse/rehearsal.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "http/url.h"
#include "io/durable_file.h"
#include "note/checkpoint.h"
#include "rehearse/lying_door.h"
#include "rehearse/onlookers.h"
#include "rehearse/record_place.h"
#include "rehearse/stage.h"

namespace graven::rehearse {
namespace {

constexpr int kArrivingEventsMax = 600;  // while somebody looks at the page before the attack

class Rehearsal {
 public:
  explicit Rehearsal(const RehearsalOptions& options) : options_(options) {}

  absl::StatusOr<RehearsalReport> Run(Interruption& interruption) {
    ASSIGN_OR_RETURN(stage_, Stage::Set({.data = options_.data,
                                         .guard = options_.guard,
                                         .log = options_.log,
                                         .keep = options_.keep,
                                         .pages = options_.audience.has_value()},
                                        interruption));
    onlookers_.emplace(*stage_, report_);
    if (options_.keep) report_.folder = stage_->folder();
    RETURN_IF_ERROR(Begin());
    // What was judged is not lost with the page.
    if (options_.audience) report_.page = LetAudienceLook();
    return report_;
  }

 private:
  absl::Status Begin() {
    switch (options_.attack) {
      case Attack::kFlip:
        return Flip();
      case Attack::kFork:
        return Fork();
      case Attack::kRollback:
        return Rollback();
      case Attack::kWithhold:
        return Withhold();
    }
    return absl::InvalidArgumentError("no such attack");
  }

  // Until the audience says that it has seen enough: a green page, and events that arrive.
  absl::Status LetAudienceSee(const RunningServer& server) {
    if (!options_.audience) return absl::OkStatus();
    options_.audience->invite(fmt::format("{}/#/{}/live?pin={}", server.http, options_.log,
                                          http::UrlEncode(stage_->key().Format())));
    for (int i = 0;; ++i) {
      ASSIGN_OR_RETURN(const bool begin, options_.audience->ready());
      if (begin) return absl::OkStatus();
      if (i >= kArrivingEventsMax) continue;
      RETURN_IF_ERROR(stage_->Append(server, 1, "invoice.review"));
      ++arrived_;
    }
  }

  // The attacked log, at the address that the audience knows.
  absl::Status LetAudienceLook() {
    const bool flip = options_.attack == Attack::kFlip;
    ASSIGN_OR_RETURN(RunningServer server,
                     stage_->Serve(attacked_, Witnessed::kNo, flip ? Shown::kNo : Shown::kYes));
    std::unique_ptr<LyingDoor> door;
    if (flip) {
      // The server itself found the damage and shows nothing; so what it shows is changed instead.
      RETURN_IF_ERROR(stage_->Append(server, 20, "invoice.approve"));
      ASSIGN_OR_RETURN(const std::string note, stage_->NewestNote(server.address, "published"));
      ASSIGN_OR_RETURN(const note::Checkpoint newest, note::OpenCheckpoint(note, stage_->key()));
      const uint64_t index = newest.size.value - 10;
      ASSIGN_OR_RETURN(door,
                       LyingDoor::Open(stage_->page_address(), server.http, options_.log, index));
      report_.done += fmt::format("; on the page, one bit of record {}", index);
    }
    options_.audience->look(report_);
    return absl::OkStatus();
  }

  absl::Status SaveCheckpoint(const RunningServer& server, const std::string& path) {
    ASSIGN_OR_RETURN(const std::string note, stage_->NewestNote(server.address, "published"));
    return io::WriteFileDurably(io::PosixFileSystem(), path, note);
  }

  absl::Status Flip() {
    LogIndex index;
    std::string record;
    {
      ASSIGN_OR_RETURN(RunningServer server, stage_->Serve("log", Witnessed::kYes, Shown::kYes));
      RETURN_IF_ERROR(LetAudienceSee(server));
      RETURN_IF_ERROR(onlookers_->LetAllSee(server));
      ASSIGN_OR_RETURN(const std::string note, stage_->NewestNote(server.address, "published"));
      ASSIGN_OR_RETURN(const note::Checkpoint newest, note::OpenCheckpoint(note, stage_->key()));
      if (newest.size.value == 0) return absl::NotFoundError("the log holds no record to change");
      index.value = newest.size.value / 2;
      ASSIGN_OR_RETURN(record, stage_->Record(server.address, index));
    }
    attacked_ = "shown";
    const std::string log = stage_->Path("log");
    if (options_.audience) RETURN_IF_ERROR(stage_->Copy(log, stage_->Path(attacked_)));
    io::FileSystem& fs = io::PosixFileSystem();
    ASSIGN_OR_RETURN(const RecordPlace place, FindRecord(fs, log, options_.log, index, record));
    RETURN_IF_ERROR(FlipBit(fs, log, place));
    report_.done = fmt::format("flipped a bit of {}, at offset {} of {}", place.what, place.offset,
                               place.file);
    RETURN_IF_ERROR(onlookers_->AskVerify("log"));
    // One that does not even start says nothing about a changed bit: no answer, and no verdict.
    ASSIGN_OR_RETURN(RunningServer server, stage_->Serve("log"));
    RETURN_IF_ERROR(onlookers_->AskStorage(server.address));
    RETURN_IF_ERROR(onlookers_->AskMonitor(server.address));
    return onlookers_->AskWitness(server.address);
  }

  absl::Status Fork() {
    RETURN_IF_ERROR(stage_->Copy(stage_->Path("log"), stage_->Path("other")));
    {
      ASSIGN_OR_RETURN(RunningServer server, stage_->Serve("log", Witnessed::kYes, Shown::kYes));
      RETURN_IF_ERROR(stage_->Append(server, 20, "invoice.reject"));
      RETURN_IF_ERROR(LetAudienceSee(server));
      RETURN_IF_ERROR(onlookers_->LetAllSee(server));
    }
    attacked_ = "other";
    ASSIGN_OR_RETURN(RunningServer other, stage_->Serve("other", Witnessed::kNo, Shown::kYes));
    // A longer history: a shorter one would be a rollback.
    RETURN_IF_ERROR(stage_->Append(other, 40 + arrived_, "invoice.approve"));
    report_.done =
        "signed two histories with the log's key: one for the monitor, another for the others";
    RETURN_IF_ERROR(onlookers_->AskMonitor(other.address));
    RETURN_IF_ERROR(onlookers_->AskWitness(other.address));
    other.process.Stop();
    return onlookers_->AskVerify("other");
  }

  absl::Status Rollback() {
    RETURN_IF_ERROR(stage_->Copy(stage_->Path("log"), stage_->Path("before")));
    {
      ASSIGN_OR_RETURN(RunningServer server, stage_->Serve("log", Witnessed::kYes, Shown::kYes));
      RETURN_IF_ERROR(stage_->Append(server, 20, "secret.leak"));
      RETURN_IF_ERROR(LetAudienceSee(server));
      RETURN_IF_ERROR(onlookers_->LetAllSee(server));
    }
    RETURN_IF_ERROR(stage_->Copy(stage_->Path("before"), stage_->Path("log")));
    attacked_ = "log";
    ASSIGN_OR_RETURN(RunningServer server, stage_->Serve("log", Witnessed::kNo, Shown::kYes));
    report_.done = fmt::format("put back the data folder, guard and all, as it was {} events ago",
                               20 + arrived_);
    RETURN_IF_ERROR(onlookers_->AskMonitor(server.address));
    RETURN_IF_ERROR(onlookers_->AskWitness(server.address));
    server.process.Stop();
    RETURN_IF_ERROR(onlookers_->AskServer("log"));
    return onlookers_->AskVerify("log");
  }

  absl::Status Withhold() {
    RETURN_IF_ERROR(stage_->Copy(stage_->Path("log"), stage_->Path("before")));
    {
      ASSIGN_OR_RETURN(RunningServer server, stage_->Serve("before"));
      RETURN_IF_ERROR(onlookers_->LetAllSee(server));
    }
    {
      ASSIGN_OR_RETURN(RunningServer server, stage_->Serve("log", Witnessed::kYes, Shown::kYes));
      RETURN_IF_ERROR(stage_->Append(server, 20, "secret.leak"));
      RETURN_IF_ERROR(LetAudienceSee(server));
      RETURN_IF_ERROR(onlookers_->LetWitnessSee(server));
      RETURN_IF_ERROR(SaveCheckpoint(server, stage_->Path("clients.note")));
    }
    attacked_ = "before";
    ASSIGN_OR_RETURN(RunningServer server, stage_->Serve("before", Witnessed::kNo, Shown::kYes));
    report_.done = fmt::format(
        "signed {} events more, gave the checkpoint to a client, and shows the others none of them",
        20 + arrived_);
    RETURN_IF_ERROR(
        onlookers_->AskMonitor(server.address, {"--checkpoint", stage_->Path("clients.note")}));
    RETURN_IF_ERROR(onlookers_->AskWitness(server.address));
    server.process.Stop();
    return onlookers_->AskVerify("before");
  }

  const RehearsalOptions& options_;
  std::unique_ptr<Stage> stage_;
  std::optional<Onlookers> onlookers_;
  std::string attacked_;  // folder that the page shows in the end
  int arrived_ = 0;       // events while the audience looked
  RehearsalReport report_;
};

}  // namespace

bool RehearsalReport::caught() const {
  return std::any_of(sightings.begin(), sightings.end(),
                     [](const Sighting& sighting) { return sighting.caught; });
}

absl::StatusOr<RehearsalReport> Rehearse(const RehearsalOptions& options,
                                         Interruption& interruption) {
  return Rehearsal(options).Run(interruption);
}

}  // namespace graven::rehearse
