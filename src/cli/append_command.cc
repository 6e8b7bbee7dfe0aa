#include <memory>

#include "CLI/CLI.hpp"
#include "base/absl_views.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "cli/commands.h"
#include "cli/import_run.h"
#include "console/record_text.h"
#include "fmt/format.h"
#include "google/protobuf/util/json_util.h"
#include "io/durable_file.h"
#include "record/time_text.h"

namespace graven::cli {
using console::FieldList;
using console::LevelText;

namespace {

struct AppendFlags {
  std::string input;  // JSON Lines; empty: one event from the flags
  bool count_refused = false;

  v1::Event event;
  std::vector<std::string> targets;
  std::vector<std::string> labels;
  std::string occurred_at;
  std::string outcome;
  std::string details;
  std::string expected_last_hash;
  std::string wait = "durable";
  std::string receipt_file;
};

absl::Status ReadJson(std::string_view text, google::protobuf::Message* message) {
  const auto status =
      google::protobuf::util::JsonStringToMessage({text.data(), text.size()}, message);
  if (status.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("not what it should be as JSON: {}",
                  std::string_view(status.message().data(), status.message().size())));
}

// The parts of an event that are not one flag, one field.
absl::Status CompleteEvent(const AppendFlags& flags, v1::Event* event) {
  for (const std::string& text : flags.targets) {
    v1::Target* target = event->add_targets();
    const size_t colon = text.find(':');
    if (colon != text.npos) target->set_type(text.substr(0, colon));
    target->set_id(colon == text.npos ? text : text.substr(colon + 1));
  }
  for (const std::string& text : flags.labels) {
    const size_t equals = text.find('=');
    if (equals == text.npos) return UsageError("--label: KEY=VALUE");
    v1::Label* label = event->add_labels();
    label->set_key(text.substr(0, equals));
    label->set_value(text.substr(equals + 1));
  }
  if (flags.outcome == "success") event->set_outcome(v1::OUTCOME_SUCCESS);
  if (flags.outcome == "failure") event->set_outcome(v1::OUTCOME_FAILURE);
  if (flags.outcome == "denied") event->set_outcome(v1::OUTCOME_DENIED);
  record::TimePoint time = record::FromNs(SystemClock().WallNs());
  if (!flags.occurred_at.empty()) {
    const auto parsed = record::ParseRfc3339(flags.occurred_at);
    if (!parsed.has_value()) return UsageError("--at: RFC 3339, for instance 2026-11-25T12:00:00Z");
    time = *parsed;
  }
  event->mutable_occurred_at()->set_seconds(time.seconds);
  event->mutable_occurred_at()->set_nanos(time.nanos);
  if (!flags.details.empty()) {
    const absl::Status read = ReadJson(flags.details, event->mutable_details_struct());
    if (!read.ok()) return UsageError(fmt::format("--details: {}", ToStd(read.message())));
  }
  return absl::OkStatus();
}

absl::Status WriteReceiptFile(const std::string& path, const v1::Receipt& receipt) {
  if (receipt.tlog_proof().empty()) {
    return absl::DeadlineExceededError(
        fmt::format("the event is durable as record {}, but its checkpoint was not signed in time "
                    "for a receipt "
                    "file; `graven receipt get` gets it",
                    receipt.index()));
  }
  const absl::Status written =
      io::WriteFileDurably(io::PosixFileSystem(), path, receipt.tlog_proof());
  return written.ok() ? written : Unreachable("--receipt", written);
}

void PrintReceipt(CommandContext& context, const v1::Receipt& receipt, v1::ReceiptLevel level) {
  if (context.json()) {
    Json json = {{"log", receipt.log()},
                 {"index", receipt.index()},
                 {"event_id", receipt.event_id()},
                 {"record_hash", HexEncode(receipt.record_hash())},
                 {"received_at", record::FormatRfc3339({receipt.received_at().seconds(),
                                                        receipt.received_at().nanos()})},
                 {"duplicate", receipt.duplicate()},
                 {"level", LevelText(level)}};
    context.PrintJson(json);
    return;
  }
  FieldList fields;
  fields.Add("record",
             fmt::format("{} of {}{}", receipt.index(), SafeText(receipt.log()),
                         receipt.duplicate() ? ", was there already" : ""),
             Colour::kBold);
  fields.Add("event id", SafeText(receipt.event_id()));
  fields.Add("record hash", HexEncode(receipt.record_hash()));
  fields.Add("level", LevelText(level), Colour::kGreen);
  fields.WriteTo(context.out());
}

CommandResult AppendOne(CommandContext& context, const AppendFlags& flags) {
  v1::Event event = flags.event;
  if (event.actor().id().empty() || event.action().empty()) {
    return UsageError("an event needs --actor and --action (or give a FILE of JSON Lines)");
  }
  RETURN_IF_ERROR(CompleteEvent(flags, &event));
  client::AppendOptions options;
  if (!flags.expected_last_hash.empty()) {
    options.expected_last_hash = HashFromHex(flags.expected_last_hash);
    if (!options.expected_last_hash) return UsageError("--expect-last: 64 lower-case hex digits");
  }
  if (flags.wait != "durable" || !flags.receipt_file.empty()) {
    options.level =
        flags.wait == "cosigned" ? v1::RECEIPT_LEVEL_COSIGNED : v1::RECEIPT_LEVEL_PUBLISHED;
    options.wait_timeout = absl::Seconds(5);
  }
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  ASSIGN_OR_RETURN(const v1::AppendResponse response, client->Append(event, options));
  if (response.receipts_size() != 1) return absl::DataLossError("the server sent no receipt");
  const v1::Receipt& receipt = response.receipts(0);
  PrintReceipt(context, receipt, response.level());
  if (!flags.receipt_file.empty()) RETURN_IF_ERROR(WriteReceiptFile(flags.receipt_file, receipt));
  return ExitCode::kDone;
}

// Events of a file say everything themselves; the flags of one event would be dropped in silence.
absl::Status CheckFlagsBesideFile(const CLI::App& command, const std::string& file) {
  for (const CLI::Option* option : command.parse_order()) {
    const std::string& name = option->get_name();
    const bool of_one_event = option->get_group() == "Event" || name == "--wait" ||
                              name == "--receipt" || name == "--expect-last";
    if (of_one_event) {
      return UsageError(
          fmt::format("{} is for one event, not for those of a FILE ({})", name, file));
    }
  }
  return absl::OkStatus();
}

CommandResult AppendLines(CommandContext& context, const AppendFlags& flags) {
  import::ImportOptions options;
  options.format = import::Format::kJsonLines;
  if (flags.count_refused) options.bad_input = import::BadInput::kCount;
  return RunImport(context, options, {flags.input});
}

// A flag that is one text field of the event.
template <typename Set>
void AddText(CLI::App& command, const char* flag, const char* about, Set set) {
  command.add_option_function<std::string>(flag, set, about)->type_name("TEXT")->group("Event");
}

void AddEventFlags(CLI::App& command, AppendFlags* flags) {
  v1::Event* event = &flags->event;
  AddText(command, "--actor", "Who: stable name of the account (required)",
          [event](const std::string& v) { event->mutable_actor()->set_id(v); });
  AddText(command, "--actor-type", "\"user\", \"service\"",
          [event](const std::string& v) { event->mutable_actor()->set_type(v); });
  AddText(command, "--actor-name", "Name for people",
          [event](const std::string& v) { event->mutable_actor()->set_name(v); });
  AddText(command, "--action", "What was done, for instance invoice.approve (required)",
          [event](const std::string& v) { event->set_action(v); });
  AddText(command, "--reason", "Why it ended so",
          [event](const std::string& v) { event->set_outcome_reason(v); });
  AddText(command, "--id", "Event id; the same id again is a duplicate and not a second record",
          [event](const std::string& v) { event->set_event_id(v); });
  AddText(command, "--service", "The service that saw it",
          [event](const std::string& v) { event->mutable_source()->set_service(v); });
  AddText(command, "--ip", "Address of the caller",
          [event](const std::string& v) { event->mutable_source()->set_ip(v); });
  AddText(command, "--user-agent", "What the caller says it is",
          [event](const std::string& v) { event->mutable_source()->set_user_agent(v); });
  AddText(command, "--trace-id", "W3C trace id",
          [event](const std::string& v) { event->set_trace_id(v); });
  AddText(command, "--span-id", "W3C span id",
          [event](const std::string& v) { event->set_span_id(v); });
  AddText(command, "--request-id", "The request that caused it",
          [event](const std::string& v) { event->set_request_id(v); });
  AddText(command, "--session-id", "The session it belongs to",
          [event](const std::string& v) { event->set_session_id(v); });
  AddText(command, "--correlation-id", "Whatever else ties events together",
          [event](const std::string& v) { event->set_correlation_id(v); });
  command.add_option("--target", flags->targets, "What it was done to; may be repeated")
      ->type_name("TYPE:ID")
      ->take_all()
      ->group("Event");
  command.add_option("--label", flags->labels, "To find it by; may be repeated")
      ->type_name("KEY=VALUE")
      ->take_all()
      ->group("Event");
  command.add_option("--outcome", flags->outcome, "How it ended")
      ->check(CLI::IsMember({"success", "failure", "denied"}))
      ->group("Event");
  command.add_option("--at", flags->occurred_at, "When it happened, RFC 3339 [now]")
      ->type_name("TIME")
      ->group("Event");
  command.add_option("--details", flags->details, "Anything else, a JSON object")
      ->type_name("JSON")
      ->group("Event");
}

}  // namespace

void AddAppendCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command =
      app.add_subcommand("append", "Appends one event from flags, or many from JSON Lines");
  command->footer(
      "FILE holds one event a line, a graven.v1.Event as JSON. Give each an event_id: then a run "
      "that\n"
      "broke off can be started again, and what is there already is not appended twice.\n"
      "Exit code 1: the server refused an event.\n"
      "Events travel many at a time: some behind a refused one may have been appended when it "
      "stops.\n"
      "The counts include them.\n"
      "\n"
      "Example:\n"
      "  graven append --actor alice --action invoice.approve --target invoice:42 --outcome "
      "success\n"
      "  graven append events.jsonl\n"
      "  producer | graven append -");
  auto flags = std::make_shared<AppendFlags>();
  command->add_option("file", flags->input, "JSON Lines, or - for standard input")
      ->type_name("FILE");
  command->add_flag("--count-refused", flags->count_refused,
                    "With FILE: go on after a refused event, and count it");
  AddEventFlags(*command, flags.get());
  command
      ->add_option("--wait", flags->wait,
                   "Until durable, published or cosigned; 5 s at most, and the\n"
                   "answer says how far it came")
      ->check(CLI::IsMember({"durable", "published", "cosigned"}))
      ->capture_default_str();
  command->add_option("--receipt", flags->receipt_file, "Write the receipt to this file")
      ->type_name("FILE");
  command
      ->add_option("--expect-last", flags->expected_last_hash,
                   "Append only if the last record has this hash")
      ->type_name("HEX");
  context.AddJson(*command);
  context.AddServer(*command);
  context.AddLog(*command);
  context.OnRun(*command, [&context, command, flags]() -> CommandResult {
    if (flags->input.empty()) {
      if (flags->count_refused) return UsageError("--count-refused goes with a FILE");
      return AppendOne(context, *flags);
    }
    RETURN_IF_ERROR(CheckFlagsBesideFile(*command, flags->input));
    return AppendLines(context, *flags);
  });
}

}  // namespace graven::cli
