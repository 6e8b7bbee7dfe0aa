#include "CLI/CLI.hpp"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "cli/commands.h"
#include "console/record_text.h"
#include "console/table.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"

namespace graven::cli {
using console::BytesText;
using console::FieldList;
using console::PlainJson;

namespace {

std::string StateText(v1::ServerState state) {
  switch (state) {
    case v1::SERVER_STATE_SERVING:
      return "serving";
    case v1::SERVER_STATE_STOPPING:
      return "stopping: takes no more events";
    case v1::SERVER_STATE_WRITES_STOPPED:
      return "WRITES STOPPED: takes no events until it was started again";
    case v1::SERVER_STATE_DISK_FULL:
      return "DISK FULL: takes no events until there is space";
    default:
      return "not known";
  }
}

void AddScrub(const v1::ScrubState& scrub, FieldList* fields) {
  const std::string last =
      scrub.has_last_round_ended_at()
          ? "last whole round ended " +
                google::protobuf::util::TimeUtil::ToString(scrub.last_round_ended_at())
          : "no whole round yet";
  fields->Add("scrubber",
              fmt::format("{} rounds, {}; now at {:.0f} %; {} records and {} since the start",
                          CountText(scrub.rounds()), last, scrub.progress() * 100,
                          CountText(scrub.records()), BytesText(scrub.bytes())));
  if (scrub.findings_count() == 0) return;
  fields->Add("DAMAGE",
              fmt::format("{} findings of the scrubber", CountText(scrub.findings_count())),
              Colour::kRed);
  for (const v1::ScrubFinding& finding : scrub.findings()) {
    std::string text = SafeText(finding.kind());
    if (!finding.log().empty()) text += fmt::format(", log {}", SafeText(finding.log()));
    if (finding.has_first_bad_index()) {
      text += fmt::format(", first bad record {}", finding.first_bad_index());
    }
    fields->Add("",
                fmt::format("{}: {}, offset {}: {}", text, SafeText(finding.file()),
                            finding.offset(), SafeText(finding.what())),
                Colour::kRed);
  }
}

void AddWitnesses(const v1::GetStatusResponse& status, FieldList* fields) {
  for (const v1::WitnessState& witness : status.witnesses()) {
    std::string text = fmt::format("{}: cosigns {} logs", SafeText(witness.name()),
                                   CountText(witness.logs_cosigned()));
    if (witness.logs_failing() > 0) {
      text += fmt::format(", not {}: {}", CountText(witness.logs_failing()),
                          SafeText(witness.problem()));
    }
    fields->Add("witness", text, witness.logs_failing() > 0 ? Colour::kYellow : Colour::kGreen);
  }
}

CommandResult PrintStatus(CommandContext& context) {
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  ASSIGN_OR_RETURN(const v1::GetStatusResponse status, client->GetStatus());
  const bool serving = status.state() == v1::SERVER_STATE_SERVING;
  const bool sound = status.scrub().findings_count() == 0;
  const ExitCode code = serving && sound ? ExitCode::kDone : ExitCode::kNo;
  if (context.json()) {
    context.PrintJson(PlainJson(status));
    return code;
  }
  FieldList fields;
  fields.Add("server", SafeText(context.server()));
  fields.Add("version", SafeText(status.version()));
  fields.Add("started", google::protobuf::util::TimeUtil::ToString(status.started_at()));
  fields.Add("state", StateText(status.state()), serving ? Colour::kGreen : Colour::kRed);
  if (!status.state_reason().empty()) fields.Add("reason", SafeText(status.state_reason()));
  fields.Add("logs", CountText(status.log_count()));
  fields.Add("events",
             fmt::format("{} appended, {} duplicates, {} requests refused",
                         CountText(status.events_appended()), CountText(status.events_duplicate()),
                         CountText(status.requests_refused())));
  fields.Add("batches",
             fmt::format("{} made durable, {} checkpoints signed", CountText(status.batches()),
                         CountText(status.checkpoints_signed())));
  fields.Add("queue", BytesText(status.queue_bytes()));
  fields.Add("journal", fmt::format("{} of {}", BytesText(status.journal_bytes_used()),
                                    BytesText(status.journal_bytes_max())));
  fields.Add("duplicates",
             fmt::format("table of {}, at most {}", BytesText(status.duplicate_table_bytes()),
                         BytesText(status.duplicate_table_bytes_max())));
  fields.Add("disk",
             fmt::format("{} free, appends refused below {}", BytesText(status.disk_free_bytes()),
                         BytesText(status.disk_reserve_bytes())));
  fields.Add("tailers", CountText(status.tailers()));
  AddWitnesses(status, &fields);
  AddScrub(status.scrub(), &fields);
  if (!status.recovery_report().empty()) {
    fields.Add("recovery", SafeText(status.recovery_report()), Colour::kYellow);
  }
  fields.WriteTo(context.out());
  return code;
}

}  // namespace

void AddStatusCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("status", "The state of a running server");
  command->footer(
      "Exit code 1: it runs, but takes no events, or its scrubber found damage.\n\nExample:\n  "
      "graven status --server "
      "127.0.0.1:7465");
  context.AddJson(*command);
  context.AddServer(*command);
  context.OnRun(*command, [&context] { return PrintStatus(context); });
}

}  // namespace graven::cli
