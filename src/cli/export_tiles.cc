#include "cli/export_tiles.h"

#include <memory>
#include <span>

#include "base/absl_views.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "client/tail_stream.h"
#include "console/record_text.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "note/checkpoint.h"
#include "store/checkpoints_file.h"
#include "store/data_folder.h"
#include "store/log_meta.h"
#include "tiles/tile_folder.h"
#include "verify/folder_checker.h"

namespace graven::cli {
using console::BytesText;
using console::CheckFailed;
using console::CommandContext;
using console::CommandResult;
using console::CountText;
using console::ExitCode;
using console::ProgressLine;
using console::Unreachable;

namespace {

// What is to be exported: the log as its newest checkpoint has it.
struct Target {
  note::VerifierKey key;
  std::string note;
  note::Checkpoint checkpoint;
};

absl::StatusOr<note::VerifierKey> KeyOf(const std::string& own_vkey, const TilesRun& run) {
  if (run.key) return *run.key;
  return note::VerifierKey::Parse(own_vkey);
}

// The checkpoint that `note` is. kFailedPrecondition: the policy's witnesses have not cosigned it.
absl::StatusOr<Target> MakeTarget(const note::VerifierKey& key, std::string note,
                                  const TilesRun& run) {
  Target target{key, std::move(note), {}};
  const note::Policy policy = run.policy.value_or(note::Policy());
  auto opened = note::OpenCosigned(target.note, std::span(&key, 1), policy);
  if (!opened.ok()) return CheckFailed("the log's checkpoint", opened.status());
  note::CosignedCheckpoint cosigned = *std::move(opened);
  if (!cosigned.meets_quorum) {
    return absl::FailedPreconditionError(fmt::format(
        "the checkpoint of {} records is cosigned by {} of the policy's {} witnesses, "
        "which is no quorum; nothing was exported",
        cosigned.checkpoint.size.value, cosigned.cosigners.size(), policy.witnesses().size()));
  }
  target.checkpoint = std::move(cosigned.checkpoint);
  return target;
}

absl::StatusOr<std::unique_ptr<tiles::TileFolder>> OpenFolder(const TilesRun& run,
                                                              const Target& target) {
  auto folder = tiles::TileFolder::Open(io::PosixFileSystem(), run.folder, target.key);
  if (absl::IsDataLoss(folder.status())) {
    return absl::DataLossError(
        fmt::format("{}; nothing was changed. An export into a new folder makes all of it anew",
                    ToStd(folder.status().message())));
  }
  if (!folder.ok()) return Unreachable("--tiles", folder.status());
  if (target.checkpoint.size < (*folder)->published()) {
    return absl::DataLossError(fmt::format(
        "{} holds a signed tree of {} records, and the log shows one of {}: it was rolled back, or "
        "this is an old copy of it. Nothing was changed",
        run.folder, (*folder)->published().value, target.checkpoint.size.value));
  }
  return folder;
}

CommandResult Finish(CommandContext& context, const TilesRun& run, const Target& target,
                     uint64_t published_before, tiles::TileFolder& folder) {
  RETURN_IF_ERROR(folder.Finish(target.note));
  const tiles::TileCounts& counts = folder.counts();
  const uint64_t size = target.checkpoint.size.value;
  if (context.json()) {
    context.PrintJson({{"tiles", run.folder},
                       {"log", context.log()},
                       {"origin", target.checkpoint.origin},
                       {"size", size},
                       {"root_hash", HexEncode(target.checkpoint.root)},
                       {"new_records", size - published_before},
                       {"files_written", counts.files_written},
                       {"bytes_written", counts.bytes_written},
                       {"files_removed", counts.files_removed}});
  } else {
    context.out().Line(fmt::format(
        "{}: {} records, {} of them new; {} files written ({}), {} removed", SafeText(run.folder),
        CountText(size), CountText(size - published_before), CountText(counts.files_written),
        BytesText(counts.bytes_written), CountText(counts.files_removed)));
  }
  return ExitCode::kDone;
}

absl::Status AppendFromServer(CommandContext& context, client::Client& client, const Target& target,
                              tiles::TileFolder& folder) {
  const uint64_t first = folder.next().value;
  const uint64_t size = target.checkpoint.size.value;
  if (first == size) return absl::OkStatus();
  v1::TailRequest request;
  request.set_log(context.log());
  request.set_from_index(first);
  request.set_limit(size - first);
  request.set_stop_at_end(true);
  const auto stream = client.Tail(std::move(request));
  ProgressLine progress(context.err(), "exported", ProgressLine::Unit::kEvents, size - first);
  while (folder.next().value < size) {
    ASSIGN_OR_RETURN(const auto batch, stream->Next());
    if (!batch.has_value()) break;
    for (const v1::RecordView& view : batch->records()) {
      RETURN_IF_ERROR(folder.Append(view.record()));
    }
    progress.Update(folder.next().value - first);
  }
  if (folder.next().value == size) return absl::OkStatus();
  return absl::DataLossError(
      fmt::format("the server ended at record {}, before {}", folder.next().value, size));
}

CommandResult ExportFromServer(CommandContext& context, const TilesRun& run) {
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  ASSIGN_OR_RETURN(const v1::Log log, client->GetLog());
  ASSIGN_OR_RETURN(const v1::GetCheckpointResponse answer, client->GetCheckpoint());
  ASSIGN_OR_RETURN(const note::VerifierKey key, KeyOf(log.vkey(), run));
  ASSIGN_OR_RETURN(const Target target, MakeTarget(key, answer.checkpoint(), run));
  ASSIGN_OR_RETURN(const auto folder, OpenFolder(run, target));
  const uint64_t before = folder->published().value;
  RETURN_IF_ERROR(AppendFromServer(context, *client, target, *folder));
  return Finish(context, run, target, before, *folder);
}

absl::StatusOr<Target> TargetOfData(const CommandContext& context, const TilesRun& run) {
  io::FileSystem& fs = io::PosixFileSystem();
  const store::DataPaths paths(run.data);
  absl::Status there = store::CheckDataFolder(fs, paths);
  if (!there.ok()) return Unreachable(run.data, there);
  RETURN_IF_ERROR(store::CheckLogName(context.log()));
  const auto meta = store::ReadLogMeta(fs, paths.Meta(context.log()));
  if (!meta.ok()) return Unreachable(run.data, meta.status());
  ASSIGN_OR_RETURN(const note::VerifierKey key, KeyOf(meta->vkey, run));
  absl::StatusOr<Target> newest = absl::FailedPreconditionError(
      "the folder keeps no checkpoint of this log yet; a server that is started and stopped signs "
      "and keeps one");
  const absl::Status read = store::CheckpointsFile::ForEach(
      fs, paths.Checkpoints(context.log()), [&](std::string_view note) -> absl::Status {
        absl::StatusOr<Target> target = MakeTarget(key, std::string(note), run);
        // An earlier one that met the quorum stands until there is a later one.
        if (target.ok() || !newest.ok()) newest = std::move(target);
        return absl::OkStatus();
      });
  if (!read.ok() && !absl::IsNotFound(read)) return read;
  return newest;
}

// The records of a data folder as its check meets them, so that nothing is exported that `verify`
// would not call good.
CommandResult ExportFromData(CommandContext& context, const TilesRun& run) {
  ASSIGN_OR_RETURN(const Target target, TargetOfData(context, run));
  ASSIGN_OR_RETURN(const auto folder, OpenFolder(run, target));
  const uint64_t before = folder->published().value;
  absl::Status appended;
  verify::FolderOptions options;
  options.folder = run.data;
  options.log = context.log();
  if (run.key) options.keys.push_back(*run.key);
  options.on_record = [&](LogIndex index, std::string_view record) {
    if (!appended.ok() || index != folder->next()) return;
    if (index.value < target.checkpoint.size.value) appended = folder->Append(record);
  };
  absl::StatusOr<verify::FolderVerdict> verdict;
  {
    ProgressLine progress(context.err(), "checked", ProgressLine::Unit::kBytes, 0);
    options.on_progress = [&progress](uint64_t done, uint64_t total) {
      progress.SetTotal(total);
      progress.Update(done);
    };
    verdict = verify::CheckFolder(io::PosixFileSystem(), options);
  }
  if (!verdict.ok()) return Unreachable(run.data, verdict.status());
  for (const auto& log : verdict->logs) {
    if (log.status.ok()) continue;
    return absl::Status(log.status.code(), fmt::format("{}: {}; no checkpoint was put in place",
                                                       run.data, ToStd(log.status.message())));
  }
  RETURN_IF_ERROR(appended);
  return Finish(context, run, target, before, *folder);
}

}  // namespace

CommandResult ExportTiles(CommandContext& context, const TilesRun& run) {
  return run.data.empty() ? ExportFromServer(context, run) : ExportFromData(context, run);
}

}  // namespace graven::cli
