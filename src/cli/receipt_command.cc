#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/absl_views.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "cli/commands.h"
#include "console/key_flag.h"
#include "console/policy_flag.h"
#include "console/record_text.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "note/policy.h"
#include "note/time_stamp.h"
#include "note/tlog_proof.h"
#include "record/time_text.h"
#include "verify/receipt.h"

namespace graven::cli {
using console::KeyFlag;
using console::ReadPolicy;
using console::ReadRecord;
using console::ReadRecordBytes;
using console::RecordJson;
using console::WriteRecord;

namespace {

struct GetFlags {
  std::string index;
  std::string event_id;
  std::string output = "-";
  bool stamped = false;
};

CommandResult Get(CommandContext& context, const GetFlags& flags) {
  if (flags.index.empty() == flags.event_id.empty()) {
    return UsageError("name one record: an index, or --id EVENT-ID");
  }
  const auto index = ParseDecimal(flags.index.empty() ? "0" : flags.index);
  if (!index.has_value()) return UsageError("an index is a number, from 0");
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  v1::GetRecordRequest request;
  request.set_log(context.log());
  request.set_want_receipt(true);
  request.set_want_time_stamp(flags.stamped);
  if (flags.event_id.empty()) {
    request.set_index(*index);
  } else {
    request.set_event_id(flags.event_id);
  }
  ASSIGN_OR_RETURN(const v1::GetRecordResponse response, client->GetRecord(request));
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

std::string SecondsText(int64_t time_s) {
  return record::FormatRfc3339({.seconds = time_s, .nanos = 0});
}

// What became of the time stamp.
struct StampVerdict {
  std::string_view word;  // NONE, NOT_CHECKED, INVALID, CHECKED
  std::string reason;     // of INVALID
  note::TimeStamp stamp;  // of CHECKED
  bool asked = false;

  bool holds() const { return word == "CHECKED"; }
};

StampVerdict JudgeStamp(const verify::ReceiptVerdict& verdict, const std::string& trusted_pem) {
  StampVerdict judged;
  judged.asked = !trusted_pem.empty();
  judged.word = verdict.time_stamp_token.empty() ? "NONE" : "NOT_CHECKED";
  if (verdict.time_stamp_token.empty() || !judged.asked) return judged;
  auto stamp = note::CheckTimeStamp(verdict.time_stamp_token, verdict.checkpoint_text, trusted_pem);
  judged.word = stamp.ok() ? "CHECKED" : "INVALID";
  if (stamp.ok()) {
    judged.stamp = *std::move(stamp);
  } else {
    judged.reason = std::string(stamp.status().message());
  }
  return judged;
}

Json StampJson(const note::TimeStamp& stamp) {
  return {{"time", SecondsText(stamp.time_s)},
          {"authority", stamp.authority},
          {"policy", stamp.policy},
          {"serial", stamp.serial}};
}

void PrintStamp(const StampVerdict& judged, Terminal& out) {
  if (judged.holds()) {
    out.Line(out.Paint(Colour::kGreen, fmt::format("STAMPED: {} saw that tree at {}.",
                                                   SafeText(judged.stamp.authority),
                                                   SecondsText(judged.stamp.time_s))));
  } else if (judged.word == "INVALID") {
    out.Line(out.Paint(Colour::kRed, fmt::format("NOT STAMPED: its token does not hold: {}.",
                                                 SafeText(judged.reason))));
  } else if (judged.asked) {
    out.Line(out.Paint(Colour::kRed, "NOT STAMPED: it holds no time stamp token."));
  } else if (judged.word == "NOT_CHECKED") {
    out.Line("It holds a time stamp token, which was not checked: --tsa-ca FILE does.");
  }
}

CommandResult PrintVerdict(CommandContext& context, const verify::ReceiptVerdict& verdict,
                           std::span<const note::VerifierKey> keys, const note::Policy& policy,
                           const StampVerdict& stamped) {
  const auto key = std::ranges::find(keys, verdict.checkpoint.origin, &note::VerifierKey::name);
  ASSIGN_OR_RETURN(const ReadRecord record,
                   ReadRecordBytes(verdict.record, verdict.record_hash.view()));
  const bool cosigned = verdict.level == verify::ReceiptLevel::kCosigned;
  const bool lacks = (policy.wants_witnesses() && !cosigned) || (stamped.asked && !stamped.holds());
  const ExitCode code = lacks ? ExitCode::kNo : ExitCode::kDone;
  if (context.json()) {
    Json cosigners = Json::array();
    for (const note::Cosigner& cosigner : verdict.cosigners) {
      cosigners.push_back({{"name", cosigner.name}, {"time_s", cosigner.time_s}});
    }
    Json json = {{"verdict", cosigned ? "COSIGNED" : "PUBLISHED"},
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
                 {"time_stamp_token", stamped.word},
                 {"record", RecordJson(record, verdict.record)}};
    if (stamped.holds()) json["time_stamp"] = StampJson(stamped.stamp);
    if (!stamped.reason.empty()) json["time_stamp_reason"] = stamped.reason;
    context.PrintJson(json);
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
  PrintStamp(stamped, out);
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
  std::string tsa_ca;
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
  std::string trusted_pem;
  if (!flags.tsa_ca.empty()) {
    auto read =
        io::ReadWholeFile(io::PosixFileSystem(), flags.tsa_ca, note::kTrustedCertificatesBytesMax);
    if (!read.ok()) return Unreachable("--tsa-ca", read.status());
    trusted_pem = *std::move(read);
    const absl::Status checked = note::CheckTrustedCertificates(trusted_pem);
    if (!checked.ok()) return UsageError("--tsa-ca: " + std::string(checked.message()));
  }
  const auto file = io::ReadWholeFile(io::PosixFileSystem(), flags.path, note::kTlogProofBytesMax);
  if (!file.ok()) return Unreachable(flags.path, file.status());
  const auto verdict = verify::CheckReceipt(*file, keys, policy);
  if (!verdict.ok()) return PrintRefusal(context, verdict.status());
  return PrintVerdict(context, *verdict, keys, policy, JudgeStamp(*verdict, trusted_pem));
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
  command->add_flag("--stamped", flags->stamped,
                    "Under the newest checkpoint that a time stamp authority has stamped");
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
      "must have been cosigned by the policy's quorum of witnesses too; with the certificates of\n"
      "a time stamp authority it must hold a token that leads to them (RFC 3161), whose time is\n"
      "said. Exit code 1: it does not verify, or not up to that level.\n"
      "\n"
      "Example:\n"
      "  graven receipt verify 42.receipt --key \"$(graven keys show --data ./audit)\"\n"
      "  graven receipt verify 42.receipt --policy policy.txt --tsa-ca tsa-ca.pem");
  auto flags = std::make_shared<VerifyFlags>();
  verify->add_option("file", flags->path, "The receipt")->required()->type_name("FILE");
  flags->key.AddTo(*verify);
  verify
      ->add_option("--policy", flags->policy,
                   "Policy file: log keys, and the witnesses whose quorum must have cosigned")
      ->type_name("FILE");
  verify
      ->add_option("--tsa-ca", flags->tsa_ca,
                   "Certificates (PEM) that its time stamp token must lead to")
      ->type_name("FILE");
  context.AddJson(*verify);
  context.OnRun(*verify, [&context, flags] { return Verify(context, *flags); });
}

}  // namespace graven::cli
