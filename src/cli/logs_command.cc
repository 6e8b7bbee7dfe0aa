#include <memory>

#include "CLI/CLI.hpp"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "cli/commands.h"
#include "console/record_text.h"
#include "console/table.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"

namespace graven::cli {
using console::FieldList;
using console::Table;

namespace {

using google::protobuf::util::TimeUtil;

std::string StateText(const v1::Log& log) {
  return log.state() == v1::LOG_STATE_READ_ONLY ? "READ-ONLY" : "active";
}

// As the contract has it, but hashes as hex, as everywhere else in the output.
Json LogJson(const v1::Log& log) {
  Json json = {{"name", log.name()},
               {"origin", log.origin()},
               {"vkey", log.vkey()},
               {"published_size", log.published_size()},
               {"durable_size", log.durable_size()},
               {"created_at", TimeUtil::ToString(log.created_at())},
               {"duplicate_window", log.duplicate_window()},
               {"genesis_hash", HexEncode(log.genesis_hash())},
               {"state", log.state() == v1::LOG_STATE_READ_ONLY ? "READ_ONLY" : "ACTIVE"},
               {"state_reason", log.state_reason()}};
  if (log.has_last_received_at()) {
    json["last_received_at"] = TimeUtil::ToString(log.last_received_at());
  }
  return json;
}

void WriteLog(const v1::Log& log, Terminal& out) {
  const bool active = log.state() != v1::LOG_STATE_READ_ONLY;
  FieldList fields;
  fields.Add("name", SafeText(log.name()), Colour::kBold);
  fields.Add("origin", SafeText(log.origin()));
  fields.Add("key", SafeText(log.vkey()));
  fields.Add("records", fmt::format("{} published, {} durable", CountText(log.published_size()),
                                    CountText(log.durable_size())));
  fields.Add("created", TimeUtil::ToString(log.created_at()));
  if (log.has_last_received_at()) {
    fields.Add("last record", TimeUtil::ToString(log.last_received_at()));
  }
  fields.Add("window", fmt::format("duplicates are found among the last {} records",
                                   CountText(log.duplicate_window())));
  fields.Add("genesis", HexEncode(log.genesis_hash()));
  fields.Add("state", StateText(log), active ? Colour::kGreen : Colour::kRed);
  if (!log.state_reason().empty()) fields.Add("reason", SafeText(log.state_reason()));
  fields.WriteTo(out);
}

CommandResult PrintLog(CommandContext& context, const v1::Log& log) {
  if (context.json()) {
    context.PrintJson(LogJson(log));
  } else {
    WriteLog(log, context.out());
  }
  return ExitCode::kDone;
}

CommandResult Create(CommandContext& context, const v1::CreateLogRequest& request) {
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  ASSIGN_OR_RETURN(const v1::Log log, client->CreateLog(request));
  return PrintLog(context, log);
}

CommandResult List(CommandContext& context) {
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  ASSIGN_OR_RETURN(const std::vector<v1::Log> logs, client->ListLogs());
  if (context.json()) {
    Json list = Json::array();
    for (const v1::Log& log : logs) list.push_back(LogJson(log));
    context.PrintJson(list);
    return ExitCode::kDone;
  }
  using Align = Table::Align;
  Table table({{"LOG"}, {"RECORDS", Align::kRight}, {"LAST RECORD"}, {"STATE"}, {"ORIGIN"}});
  for (const v1::Log& log : logs) {
    const bool active = log.state() != v1::LOG_STATE_READ_ONLY;
    table.AddRow({{SafeText(log.name())},
                  {CountText(log.published_size())},
                  {log.has_last_received_at() ? TimeUtil::ToString(log.last_received_at()) : "-"},
                  {StateText(log), active ? Colour::kGreen : Colour::kRed},
                  {SafeText(log.origin())}});
  }
  table.WriteTo(context.out());
  return ExitCode::kDone;
}

CommandResult Show(CommandContext& context, const std::string& name) {
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  ASSIGN_OR_RETURN(const v1::Log log, client->GetLog(name));
  return PrintLog(context, log);
}

void AddCreate(CLI::App& logs, CommandContext& context) {
  CLI::App* command = logs.add_subcommand("create", "Creates a log");
  command->footer(
      "An origin is the log's permanent name, in every checkpoint and receipt. Use a name that "
      "you\n"
      "own; without one the log is graven.local/<random>/NAME.\n"
      "\n"
      "Example:\n  graven logs create invoices --origin example.org/audit/invoices");
  auto request = std::make_shared<v1::CreateLogRequest>();
  command
      ->add_option_function<std::string>(
          "name", [request](const std::string& name) { request->set_name(name); },
          "1 to 63 of a-z, 0-9 and '-', the first no '-'")
      ->required();
  command
      ->add_option_function<std::string>(
          "--origin", [request](const std::string& origin) { request->set_origin(origin); },
          "Permanent name; no white space, no '+'")
      ->type_name("ORIGIN");
  command
      ->add_option_function<uint64_t>(
          "--duplicate-window",
          [request](const uint64_t& window) { request->set_duplicate_window(window); },
          "A duplicate is found among this many records [4000000]")
      ->type_name("RECORDS")
      ->check(CLI::NonNegativeNumber);
  context.AddJson(*command);
  context.AddServer(*command);
  context.OnRun(*command, [&context, request] { return Create(context, *request); });
}

}  // namespace

void AddLogsCommand(CLI::App& app, CommandContext& context) {
  CLI::App* logs = app.add_subcommand("logs", "Creates, lists and shows the logs of a server");
  logs->require_subcommand(1);
  logs->footer("Example:\n  graven logs list");
  AddCreate(*logs, context);

  CLI::App* list = logs->add_subcommand("list", "All logs");
  list->footer("Example:\n  graven logs list --json");
  context.AddJson(*list);
  context.AddServer(*list);
  context.OnRun(*list, [&context] { return List(context); });

  CLI::App* show = logs->add_subcommand("show", "One log: origin, key, size, state");
  show->footer("Example:\n  graven logs show default");
  auto name = std::make_shared<std::string>("default");
  show->add_option("name", *name, "Name of the log")->envname("GRAVEN_LOG")->capture_default_str();
  context.AddJson(*show);
  context.AddServer(*show);
  context.OnRun(*show, [&context, name] { return Show(context, *name); });
}

}  // namespace graven::cli
