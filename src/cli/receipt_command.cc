#include <memory>

#include "base/encoding.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "cli/commands.h"
#include "cli/key_flag.h"
#include "cli/record_text.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "note/tlog_proof.h"
#include "verify/receipt.h"

namespace graven::cli {
namespace {

struct GetFlags {
  std::string index;
  std::string event_id;
  std::string output = "-";
};

CommandResult Get(CommandContext& context, const GetFlags& flags) {
  if (flags.index.empty() == flags.event_id.empty()) {
    return UsageError("name one record: an index, or --id EVENT-ID");
  }
  const auto index = ParseDecimal(flags.index.empty() ? "0" : flags.index);
  if (!index.has_value()) return UsageError("an index is a number, from 0");
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  ASSIGN_OR_RETURN(const v1::GetRecordResponse response,
                   flags.event_id.empty()
                       ? client->GetRecord(LogIndex(*index), /*want_receipt=*/true)
                       : client->GetRecordById(flags.event_id, /*want_receipt=*/true));
  const std::string& receipt = response.tlog_proof();
  if (receipt.empty()) return absl::DataLossError("the server sent no receipt");
  if (context.json()) {
    ASSIGN_OR_RETURN(const ReadRecord record,
                     ReadRecordBytes(response.record().record(), response.record().record_hash()));
    context.PrintJson({{"log", context.log()},
                       {"index", record.header.index.value},
                       {"event_id", record.summary.event_id},
                       {"record_hash", HexEncode(record.hash)},
                       {"receipt", receipt}});
  }
  if (flags.output != "-") {
    const absl::Status written = io::WriteFileDurably(io::PosixFileSystem(), flags.output, receipt);
    if (!written.ok()) return Unreachable("--output", written);
  } else if (!context.json()) {
    context.PrintNote(receipt);
  }
  return ExitCode::kDone;
}

CommandResult PrintVerdict(CommandContext& context, const verify::ReceiptVerdict& verdict,
                           const note::VerifierKey& key) {
  ASSIGN_OR_RETURN(const ReadRecord record,
                   ReadRecordBytes(verdict.record, verdict.record_hash.view()));
  if (context.json()) {
    context.PrintJson({{"verdict", "PUBLISHED"},
                       {"origin", verdict.checkpoint.origin},
                       {"index", verdict.index.value},
                       {"record_hash", HexEncode(verdict.record_hash)},
                       {"tree_size", verdict.checkpoint.size.value},
                       {"root_hash", HexEncode(verdict.checkpoint.root)},
                       {"key", key.Format()},
                       {"unknown_signers", verdict.unknown_signers},
                       {"time_stamp_token", verdict.has_time_stamp_token ? "NOT_CHECKED" : "NONE"},
                       {"record", RecordJson(record, verdict.record)}});
    return ExitCode::kDone;
  }
  Terminal& out = context.out();
  out.Line(out.Paint(
      Colour::kGreen,
      fmt::format("PUBLISHED: the log's key signed a tree of {} records that has this one at {}.",
                  CountText(verdict.checkpoint.size.value), verdict.index.value)));
  if (verdict.has_time_stamp_token) out.Line("It holds a time stamp token, which was not checked.");
  WriteRecord(record, verdict.checkpoint.origin, out);
  return ExitCode::kDone;
}

CommandResult PrintRefusal(CommandContext& context, const absl::Status& reason) {
  if (context.json()) {
    context.PrintJson(
        {{"verdict", "INVALID"},
         {"reason", std::string_view(reason.message().data(), reason.message().size())}});
  } else {
    const std::string text(reason.message());
    context.out().Line(context.out().Paint(Colour::kRed, "INVALID: " + SafeText(text)));
  }
  return ExitCode::kNo;
}

CommandResult Verify(CommandContext& context, const std::string& path, const KeyFlag& key_flag) {
  ASSIGN_OR_RETURN(const auto key, key_flag.Read());
  if (!key.has_value()) {
    return UsageError("a receipt is checked with the log's public key: --key VKEY");
  }
  const auto file = io::ReadWholeFile(io::PosixFileSystem(), path, note::kTlogProofBytesMax);
  if (!file.ok()) return Unreachable(path, file.status());
  const auto verdict = verify::CheckReceipt(*file, *key);
  if (!verdict.ok()) return PrintRefusal(context, verdict.status());
  return PrintVerdict(context, *verdict, *key);
}

void AddGet(CLI::App& receipt, CommandContext& context) {
  CLI::App* command = receipt.add_subcommand("get", "Gets the receipt of a record, any time later");
  command->footer(
      "The receipt is one file with the record in it (C2SP tlog-proof).\n"
      "\n"
      "Example:\n"
      "  graven receipt get 42 --output 42.receipt");
  auto flags = std::make_shared<GetFlags>();
  command->add_option("index", flags->index, "Position of the record, from 0")->type_name("INDEX");
  command->add_option("--id", flags->event_id, "The newest record of this event id")
      ->type_name("ID");
  command->add_option("--output", flags->output, "File, or - for standard output")
      ->type_name("FILE")
      ->capture_default_str();
  context.AddJson(*command);
  context.AddServer(*command);
  context.AddLog(*command);
  context.OnRun(*command, [&context, flags] { return Get(context, *flags); });
}

}  // namespace

void AddReceiptCommand(CLI::App& app, CommandContext& context) {
  CLI::App* receipt = app.add_subcommand("receipt", "Gets receipts, and verifies them offline");
  receipt->require_subcommand(1);
  receipt->footer("Example:\n  graven receipt get 0 --output first.receipt");
  AddGet(*receipt, context);

  CLI::App* verify = receipt->add_subcommand("verify", "Verifies a receipt, offline");
  verify->footer(
      "Needs the file and the log's public key, nothing else. Exit code 1: it does not verify.\n"
      "\n"
      "Example:\n"
      "  graven receipt verify 42.receipt --key \"$(graven keys show --data ./audit)\"");
  auto path = std::make_shared<std::string>();
  auto key = std::make_shared<KeyFlag>();
  verify->add_option("file", *path, "The receipt")->required()->type_name("FILE");
  key->AddTo(*verify);
  context.AddJson(*verify);
  context.OnRun(*verify, [&context, path, key] { return Verify(context, *path, *key); });
}

}  // namespace graven::cli
