#include "rehearse/rehearsal.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "note/checkpoint.h"
#include "rehearse/lying_door.h"
#include "rehearse/onlookers.h"
#include "rehearse/stage.h"

namespace graven::rehearse {
namespace {

namespace files = std::filesystem;

constexpr int kArrivingEventsMax = 600;  // while somebody looks at the page before the attack
constexpr size_t kFlippedFileBytesMax = size_t{1} << 30;

// A key as part of a URL.
std::string InUrl(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '%' || c == '+' || c == '/' || c == '=') {
      safe += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      safe += c;
    }
  }
  return safe;
}

class Rehearsal {
 public:
  explicit Rehearsal(const RehearsalOptions& options) : options_(options) {}

  absl::StatusOr<RehearsalReport> Run() {
    ASSIGN_OR_RETURN(stage_, Stage::Set({.data = options_.data,
                                         .log = options_.log,
                                         .keep = options_.keep,
                                         .pages = options_.audience.has_value()}));
    onlookers_.emplace(*stage_, report_);
    switch (options_.attack) {
      case Attack::kFlip:
        RETURN_IF_ERROR(Flip());
        break;
      case Attack::kFork:
        RETURN_IF_ERROR(Fork());
        break;
      case Attack::kRollback:
        RETURN_IF_ERROR(Rollback());
        break;
      case Attack::kWithhold:
        RETURN_IF_ERROR(Withhold());
        break;
    }
    if (options_.keep) report_.folder = stage_->folder();
    if (options_.look) RETURN_IF_ERROR(LetAudienceLook());
    return report_;
  }

 private:
  // Until the audience says that it has seen enough: a green page, and events that arrive.
  absl::Status LetAudienceSee(const RunningServer& server) {
    if (!options_.audience) return absl::OkStatus();
    options_.audience->invite(fmt::format("{}/#/{}/live?pin={}", server.http, options_.log,
                                          InUrl(stage_->key().Format())));
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
    options_.look(report_);
    return absl::OkStatus();
  }

  absl::Status SaveCheckpoint(const RunningServer& server, const std::string& path) {
    ASSIGN_OR_RETURN(const std::string note, stage_->NewestNote(server.address, "published"));
    return io::WriteFileDurably(io::PosixFileSystem(), path, note);
  }

  absl::Status Flip() {
    {
      ASSIGN_OR_RETURN(RunningServer server, stage_->Serve("log", Witnessed::kYes, Shown::kYes));
      RETURN_IF_ERROR(LetAudienceSee(server));
      RETURN_IF_ERROR(onlookers_->LetAllSee(server));
    }
    attacked_ = "shown";
    if (options_.audience)
      RETURN_IF_ERROR(stage_->Copy(stage_->Path("log"), stage_->Path(attacked_)));
    RETURN_IF_ERROR(FlipOneBit(stage_->Path("log")));
    RETURN_IF_ERROR(onlookers_->AskVerify("log"));
    return onlookers_->ServeAndAskMonitor("log");
  }

  // In the middle of what the largest file of records holds.
  absl::Status FlipOneBit(const std::string& folder) {
    std::string largest;
    std::string content;
    size_t used_most = 0;
    std::error_code error;
    for (const auto& entry : files::recursive_directory_iterator(folder, error)) {
      const std::string parent = entry.path().parent_path().filename().string();
      if (!entry.is_regular_file(error) || (parent != "journal" && parent != "segments")) continue;
      auto bytes =
          io::ReadWholeFile(io::PosixFileSystem(), entry.path().string(), kFlippedFileBytesMax);
      if (!bytes.ok()) continue;
      const size_t last = bytes->find_last_not_of('\0');
      const size_t used = last == bytes->npos ? 0 : last + 1;
      if (used <= used_most) continue;
      used_most = used;
      largest = entry.path().string();
      content = *std::move(bytes);
    }
    if (used_most == 0) return absl::NotFoundError("the folder holds no records");
    const size_t at = used_most / 2;
    const char flipped = static_cast<char>(content[at] ^ 1);
    ASSIGN_OR_RETURN(const auto file,
                     io::PosixFileSystem().Open(largest, io::OpenMode::kReadWrite));
    RETURN_IF_ERROR(file->WriteAt(at, std::string_view(&flipped, 1)));
    report_.done = fmt::format("flipped one bit at offset {} of {}", at,
                               files::relative(largest, folder, error).string());
    return absl::OkStatus();
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

absl::StatusOr<RehearsalReport> Rehearse(const RehearsalOptions& options) {
  return Rehearsal(options).Run();
}

}  // namespace graven::rehearse
