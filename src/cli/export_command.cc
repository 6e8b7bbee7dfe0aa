#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "CLI/CLI.hpp"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "cli/commands.h"
#include "cli/export_tiles.h"
#include "client/tail_stream.h"
#include "console/key_flag.h"
#include "console/policy_flag.h"
#include "console/record_text.h"
#include "fmt/format.h"

namespace graven::cli {
using console::KeyFlag;
using console::ReadPolicy;
using console::ReadRecord;
using console::ReadRecordBytes;
using console::RecordJson;
using console::WasTyped;
using console::WriteRecord;

namespace {

struct ExportFlags {
  std::string format = "jsonl";
  std::string output = "-";
  uint64_t from = 0;
  CLI::Option* to_option = nullptr;
  uint64_t to = 0;
  std::string tiles;
  KeyFlag key;
  std::string policy;
  const CLI::App* command = nullptr;

  bool Typed(const char* flag) const { return WasTyped(*command, *command->get_option(flag)); }
};

// The file of --output: written beside its name, and put there by Keep, so that an export that
// fails leaves what was there before. What is no regular file (a pipe, a device) is written to as
// it is. A kill leaves the file beside, named FILE.PID.partial, which means nothing.
class OutputFile {
 public:
  static absl::StatusOr<std::unique_ptr<OutputFile>> Open(const std::string& path) {
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    const bool there = std::filesystem::exists(status);
    auto file = std::unique_ptr<OutputFile>(new OutputFile);
    if (there && !std::filesystem::is_regular_file(status)) {
      file->stream_ = std::fopen(path.c_str(), "wbe");
      if (file->stream_ == nullptr) return absl::ErrnoToStatus(errno, path);
      return file;
    }
    // Of a link the file that it leads to is replaced, not the link.
    file->path_ = there ? std::filesystem::canonical(path, error).string() : path;
    if (error && there) return absl::UnavailableError(fmt::format("{}: {}", path, error.message()));
    const std::string beside = fmt::format("{}.{}.partial", file->path_, getpid());
    file->stream_ = std::fopen(beside.c_str(), "wbe");
    if (file->stream_ == nullptr) return absl::ErrnoToStatus(errno, beside);
    file->beside_ = beside;
    if (there) std::filesystem::permissions(beside, status.permissions(), error);
    return file;
  }
  ~OutputFile() {
    if (stream_ != nullptr) std::fclose(stream_);
    if (!beside_.empty()) std::remove(beside_.c_str());
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  std::FILE* stream() { return stream_; }

  // On OK the file holds all that was written, on disk; on an error it is as before.
  absl::Status Keep() {
    if (std::fflush(stream_) != 0) return absl::ErrnoToStatus(errno, "write");
    if (beside_.empty()) return absl::OkStatus();
    if (fsync(fileno(stream_)) != 0) return absl::ErrnoToStatus(errno, beside_);
    if (std::rename(beside_.c_str(), path_.c_str()) != 0) return absl::ErrnoToStatus(errno, path_);
    beside_.clear();
    return absl::OkStatus();
  }

 private:
  OutputFile() = default;

  std::FILE* stream_ = nullptr;
  std::string path_;
  std::string beside_;  // empty: written in place
};

void WriteRecord(const ReadRecord& record, const std::string& bytes, bool raw, Terminal& out) {
  if (raw) {
    char length[kVarintBytesMax];
    out.Write({length, static_cast<size_t>(PutVarint(length, bytes.size()) - length)});
    out.Write(bytes);
  } else {
    out.Line(
        RecordJson(record, bytes)
            .dump(-1, ' ', /*ensure_ascii=*/out.is_terminal(), Json::error_handler_t::replace));
  }
}

// Writes [from, to) in order; `to` is not above the durable size: what is not published yet comes
// once it is.
absl::Status WriteRange(CommandContext& context, client::Client& client, const ExportFlags& flags,
                        uint64_t to, Terminal& out) {
  v1::TailRequest request;
  request.set_log(context.log());
  request.set_from_index(flags.from);
  request.set_limit(to - flags.from);
  request.set_stop_at_end(true);
  const auto stream = client.Tail(std::move(request));
  ProgressLine progress(context.err(), "exported", ProgressLine::Unit::kEvents, to - flags.from);
  uint64_t next = flags.from;
  while (next < to) {
    ASSIGN_OR_RETURN(const auto batch, stream->Next());
    if (!batch.has_value()) break;
    for (const v1::RecordView& view : batch->records()) {
      ASSIGN_OR_RETURN(const ReadRecord record, ReadRecordBytes(view.record(), view.record_hash()));
      if (record.header.index.value != next) {
        return absl::DataLossError(
            fmt::format("record {} came where {} was due", record.header.index.value, next));
      }
      ++next;
      WriteRecord(record, view.record(), flags.format == "records", out);
    }
    progress.Update(next - flags.from);
  }
  if (next < to) {
    return absl::DataLossError(fmt::format("the server ended at record {}, before {}", next, to));
  }
  return out.Finish();
}

CommandResult ExportTo(CommandContext& context, const ExportFlags& flags, Terminal& out) {
  if (flags.format == "records" && out.is_terminal()) {
    return UsageError("raw records are not for a terminal: use --output FILE");
  }
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  ASSIGN_OR_RETURN(const v1::Log log, client->GetLog());
  const uint64_t size = log.durable_size();
  const uint64_t to = flags.to_option->count() > 0 ? flags.to : size;
  // The same answer as that of the server to a tail, and the same exit code.
  if (flags.from > size || to > size) {
    return absl::NotFoundError(
        fmt::format("index {} is beyond the log's size {}", std::max(flags.from, to), size));
  }
  RETURN_IF_ERROR(WriteRange(context, *client, flags, to, out));
  if (context.err().is_terminal()) {
    context.err().Line(fmt::format("exported {} records", CountText(to - flags.from)));
  }
  return ExitCode::kDone;
}

// A folder of tiles is the whole log, in a form of its own.
CommandResult ExportAsTiles(CommandContext& context, const ExportFlags& flags) {
  for (const char* flag : {"--format", "--output", "--from", "--to"}) {
    if (flags.Typed(flag)) return UsageError(fmt::format("{} has no say in --tiles", flag));
  }
  if (flags.Typed("--data") && flags.Typed("--server")) {
    return UsageError("--data: one thing is exported at a time, --data or --server");
  }
  ASSIGN_OR_RETURN(const auto key, flags.key.Read());
  ASSIGN_OR_RETURN(const auto policy, ReadPolicy(flags.policy));
  const bool from_data = !context.data().empty() && !flags.Typed("--server");
  return ExportTiles(context, {flags.tiles, from_data ? context.data() : "", key, policy});
}

CommandResult Export(CommandContext& context, const ExportFlags& flags) {
  if (!flags.tiles.empty()) return ExportAsTiles(context, flags);
  for (const char* flag : {"--data", "--key", "--policy"}) {
    if (flags.Typed(flag)) return UsageError(fmt::format("{} goes with --tiles", flag));
  }
  if (context.json() && flags.format != "jsonl") {
    return UsageError("--json is --format jsonl, and not raw records");
  }
  if (flags.to_option->count() > 0 && flags.from > flags.to) {
    return UsageError(fmt::format("--from {} is behind --to {}", flags.from, flags.to));
  }
  if (flags.output == "-") return ExportTo(context, flags, context.out());
  const auto file = OutputFile::Open(flags.output);
  if (!file.ok()) return Unreachable("--output", file.status());
  Terminal out((*file)->stream());
  ASSIGN_OR_RETURN(const ExitCode code, ExportTo(context, flags, out));
  if (const absl::Status kept = (*file)->Keep(); !kept.ok()) return Unreachable("--output", kept);
  return code;
}

}  // namespace

void AddExportCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("export", "Writes records, a range or all");
  command->footer(
      "jsonl: one JSON object a line; its field \"record\" holds the exact bytes, base64.\n"
      "records: each record's exact bytes behind their length as a varint; graven verify reads "
      "both.\n"
      "--tiles: the log as files for any static web server (C2SP tlog-tiles), up to its newest "
      "checkpoint.\n"
      "A second run adds what is new. With --data the folder of a stopped server is read, and "
      "checked.\n"
      "Exit code 1: the records are not what the checkpoint says; it is not put in place.\n"
      "\n"
      "Example:\n"
      "  graven export --format records --output audit.records\n"
      "  graven export --from 1000 --to 2000 | jq -r .event.action\n"
      "  graven export --tiles /srv/www/audit");
  auto flags = std::make_shared<ExportFlags>();
  command->add_option("--format", flags->format, "jsonl or records")
      ->check(CLI::IsMember({"jsonl", "records"}))
      ->capture_default_str();
  command->add_option("--output", flags->output, "File, or - for standard output")
      ->type_name("FILE")
      ->capture_default_str();
  command->add_option("--from", flags->from, "First index")
      ->type_name("INDEX")
      ->check(CLI::NonNegativeNumber);
  flags->to_option = command->add_option("--to", flags->to, "The index after the last one [all]")
                         ->type_name("INDEX")
                         ->check(CLI::NonNegativeNumber);
  command->add_option("--tiles", flags->tiles, "Folder for checkpoint, tiles and entries")
      ->type_name("DIR");
  command
      ->add_option("--policy", flags->policy,
                   "With --tiles: only a checkpoint that this quorum of witnesses has cosigned "
                   "(C2SP tlog-policy)")
      ->type_name("FILE");
  flags->command = command;
  flags->key.AddTo(*command);
  context.AddData(*command);
  context.AddJson(*command);
  context.AddServer(*command);
  context.AddLog(*command);
  context.OnRun(*command, [&context, flags] { return Export(context, *flags); });
}

}  // namespace graven::cli
