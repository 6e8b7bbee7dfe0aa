#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/absl_views.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "cli/commands.h"
#include "cli/key_flag.h"
#include "cli/policy_flag.h"
#include "cli/record_text.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "note/policy.h"
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

// Whether the witnesses that the reader asked for are there: COSIGNED, NOT_COSIGNED or NOT_ASKED.
std::string_view CosignedText(const verify::ReceiptVerdict& verdict, const note::Policy& policy) {
  if (!policy.wants_witnesses()) return "NOT_ASKED";
  return verdict.level == verify::ReceiptLevel::kCosigned ? "COSIGNED" : "NOT_COSIGNED";
}

CommandResult PrintVerdict(CommandContext& context, const verify::ReceiptVerdict& verdict,
                           std::span<const note::VerifierKey> keys, const note::Policy& policy) {
  const auto key = std::ranges::find(keys, verdict.checkpoint.origin, &note::VerifierKey::name);
  ASSIGN_OR_RETURN(const ReadRecord record,
                   ReadRecordBytes(verdict.record, verdict.record_hash.view()));
  const bool cosigned = verdict.level == verify::ReceiptLevel::kCosigned;
  const ExitCode code = policy.wants_witnesses() && !cosigned ? ExitCode::kNo : ExitCode::kDone;
  if (context.json()) {
    Json cosigners = Json::array();
    for (const note::Cosigner& cosigner : verdict.cosigners) {
      cosigners.push_back({{"name", cosigner.name}, {"time_s", cosigner.time_s}});
    }
    context.PrintJson({{"verdict", cosigned ? "COSIGNED" : "PUBLISHED"},
                       {"published", "PUBLISHED"},
                       {"cosigned", CosignedText(verdict, policy)},
                       {"cosigners", cosigners},
                       {"origin", verdict.checkpoint.origin},
                       {"index", verdict.index.value},
                       {"record_hash", HexEncode(verdict.record_hash)},
                       {"tree_size", verdict.checkpoint.size.value},
                       {"root_hash", HexEncode(verdict.checkpoint.root)},
                       {"key", key == keys.end() ? "" : key->Format()},
                       {"unknown_signers", verdict.unknown_signers},
                       {"time_stamp_token", verdict.has_time_stamp_token ? "NOT_CHECKED" : "NONE"},
                       {"record", RecordJson(record, verdict.record)}});
    return code;
  }
  Terminal& out = context.out();
  out.Line(out.Paint(
      Colour::kGreen,
      fmt::format("PUBLISHED: the log's key signed a tree of {} records that has this one at {}.",
                  CountText(verdict.checkpoint.size.value), verdict.index.value)));
  if (policy.wants_witnesses()) {
    const size_t count = verdict.cosigners.size();
    const std::string who = fmt::format("{} of the policy's {} witnesses cosigned it", count,
                                        policy.witnesses().size());
    out.Line(cosigned ? out.Paint(Colour::kGreen, fmt::format("COSIGNED: {}.", who))
                      : out.Paint(Colour::kRed,
                                  fmt::format("NOT COSIGNED: {}, and that is no quorum.", who)));
    for (const note::Cosigner& cosigner : verdict.cosigners) {
      out.Line(fmt::format("  {}", SafeText(cosigner.name)));
    }
  }
  if (verdict.has_time_stamp_token) out.Line("It holds a time stamp token, which was not checked.");
  WriteRecord(record, verdict.checkpoint.origin, out);
  return code;
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

struct VerifyFlags {
  std::string path;
  std::string policy;
  KeyFlag key;
};

CommandResult Verify(CommandContext& context, const VerifyFlags& flags) {
  ASSIGN_OR_RETURN(const auto key, flags.key.Read());
  ASSIGN_OR_RETURN(const auto asked, ReadPolicy(flags.policy));
  const note::Policy policy = asked.value_or(note::Policy());
  // A key that was typed is the one that counts, whatever logs the policy names.
  const std::vector<note::VerifierKey> keys =
      key.has_value() ? std::vector<note::VerifierKey>{*key} : policy.LogKeys();
  if (keys.empty()) {
    return UsageError(
        "a receipt is checked with the log's public key: --key VKEY, or a log line in --policy");
  }
  const auto file = io::ReadWholeFile(io::PosixFileSystem(), flags.path, note::kTlogProofBytesMax);
  if (!file.ok()) return Unreachable(flags.path, file.status());
  const auto verdict = verify::CheckReceipt(*file, keys, policy);
  if (!verdict.ok()) return PrintRefusal(context, verdict.status());
  return PrintVerdict(context, *verdict, keys, policy);
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
      "Needs the file and the log's public key, nothing else. With a policy (C2SP tlog-policy) it\n"
      "must have been cosigned by the policy's quorum of witnesses too. Exit code 1: it does not\n"
      "verify, or not up to that level.\n"
      "\n"
      "Example:\n"
      "  graven receipt verify 42.receipt --key \"$(graven keys show --data ./audit)\"\n"
      "  graven receipt verify 42.receipt --policy policy.txt");
  auto flags = std::make_shared<VerifyFlags>();
  verify->add_option("file", flags->path, "The receipt")->required()->type_name("FILE");
  flags->key.AddTo(*verify);
  verify
      ->add_option("--policy", flags->policy,
                   "Policy file: log keys, and the witnesses whose quorum must have cosigned")
      ->type_name("FILE");
  context.AddJson(*verify);
  context.OnRun(*verify, [&context, flags] { return Verify(context, *flags); });
}

}  // namespace graven::cli
