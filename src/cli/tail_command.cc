#include <memory>

#include "CLI/CLI.hpp"
#include "base/status_macros.h"
#include "cli/commands.h"
#include "client/tail_stream.h"
#include "console/record_text.h"

namespace graven::cli {
using console::ReadRecord;
using console::ReadRecordBytes;
using console::RecordJson;
using console::RecordLine;

namespace {

struct TailFlags {
  CLI::Option* from_option = nullptr;
  uint64_t from = 0;
  bool now = false;
  uint64_t last = 10;
  bool follow = false;
  uint64_t limit = 0;
};

absl::StatusOr<v1::TailRequest> MakeRequest(client::Client& client, const std::string& log,
                                            const TailFlags& flags) {
  v1::TailRequest request;
  request.set_log(log);
  request.set_limit(flags.limit);
  request.set_stop_at_end(!flags.follow);
  if (flags.now) {
    request.set_from_now(true);
  } else if (flags.from_option->count() > 0) {
    request.set_from_index(flags.from);
  } else {
    ASSIGN_OR_RETURN(const v1::Log state, client.GetLog(log));
    const uint64_t size = state.durable_size();
    request.set_from_index(size > flags.last ? size - flags.last : 0);
  }
  return request;
}

absl::Status WriteBatch(CommandContext& context, const v1::TailResponse& batch) {
  for (const v1::RecordView& view : batch.records()) {
    ASSIGN_OR_RETURN(const ReadRecord record, ReadRecordBytes(view.record(), view.record_hash()));
    if (context.json()) {
      context.PrintJsonLine(RecordJson(record, view.record()));
    } else {
      context.out().Line(RecordLine(record, context.out()));
    }
  }
  return context.out().Finish();
}

CommandResult Tail(CommandContext& context, const TailFlags& flags) {
  if (flags.now && !flags.follow) {
    return UsageError("--now shows only what comes: it wants --follow");
  }
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  ASSIGN_OR_RETURN(v1::TailRequest request, MakeRequest(*client, context.log(), flags));
  const auto stream = client->Tail(std::move(request));
  while (true) {
    ASSIGN_OR_RETURN(const auto batch, stream->Next());
    if (!batch.has_value()) return ExitCode::kDone;
    RETURN_IF_ERROR(WriteBatch(context, *batch));
  }
}

}  // namespace

void AddTailCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("tail", "Shows the last records, and those that come");
  command->footer(
      "One line a record: when it happened (UTC), index, outcome, actor, action, target.\n"
      "\n"
      "Example:\n"
      "  graven tail --follow\n"
      "  graven tail --from 0 --json | jq .event.action");
  auto flags = std::make_shared<TailFlags>();
  flags->from_option = command->add_option("--from", flags->from, "Start at this index")
                           ->type_name("INDEX")
                           ->check(CLI::NonNegativeNumber);
  CLI::Option* now =
      command->add_flag("--now", flags->now, "Start after the newest record (with --follow)");
  command->add_option("-n,--last", flags->last, "Start this many records before the end")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str()
      ->excludes(flags->from_option)
      ->excludes(now);
  now->excludes(flags->from_option);
  command->add_flag("-f,--follow", flags->follow, "Go on with the records that come");
  command->add_option("--limit", flags->limit, "End after this many records")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber);
  context.AddJson(*command);
  context.AddServer(*command);
  context.AddLog(*command);
  context.OnRun(*command, [&context, flags] { return Tail(context, *flags); });
}

}  // namespace graven::cli
