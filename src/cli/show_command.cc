#include <memory>

#include "CLI/CLI.hpp"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "cli/commands.h"
#include "console/record_text.h"

namespace graven::cli {
using console::ReadRecord;
using console::ReadRecordBytes;
using console::RecordJson;
using console::WriteRecord;

namespace {

CommandResult Show(CommandContext& context, const std::string& index_text,
                   const std::string& event_id) {
  if (index_text.empty() == event_id.empty()) {
    return UsageError("name one record: an index, or --id EVENT-ID");
  }
  const auto index = ParseDecimal(index_text.empty() ? "0" : index_text);
  if (!index.has_value())
    return UsageError("an index is a number, from 0; an event id goes after --id");
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  ASSIGN_OR_RETURN(const v1::GetRecordResponse response, event_id.empty()
                                                             ? client->GetRecord(LogIndex(*index))
                                                             : client->GetRecordById(event_id));
  const std::string& bytes = response.record().record();
  ASSIGN_OR_RETURN(const ReadRecord record,
                   ReadRecordBytes(bytes, response.record().record_hash()));
  if (context.json()) {
    context.PrintJson(RecordJson(record, bytes));
  } else {
    WriteRecord(record, context.log(), context.out());
  }
  return ExitCode::kDone;
}

}  // namespace

void AddShowCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("show", "Shows one record, by index or event id");
  command->footer(
      "Exit code 1: there is no such record.\n"
      "\n"
      "Example:\n"
      "  graven show 42\n"
      "  graven show --id 0192d3c4-5a6b-7c8d-9e0f-112233445566 --json");
  auto index = std::make_shared<std::string>();
  auto event_id = std::make_shared<std::string>();
  command->add_option("index", *index, "Position of the record, from 0")->type_name("INDEX");
  command->add_option("--id", *event_id, "The newest record of this event id")->type_name("ID");
  context.AddJson(*command);
  context.AddServer(*command);
  context.AddLog(*command);
  context.OnRun(*command, [&context, index, event_id] { return Show(context, *index, *event_id); });
}

}  // namespace graven::cli
