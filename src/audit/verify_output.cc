#include "audit/verify_output.h"

#include <algorithm>

#include "base/absl_views.h"
#include "base/encoding.h"
#include "base/text_safety.h"
#include "console/table.h"
#include "fmt/format.h"
#include "record/time_text.h"

namespace graven::audit {
using console::Colour;
using console::CommandContext;
using console::CommandResult;
using console::CountText;
using console::ExitCode;
using console::FieldList;
using console::Json;
using console::Terminal;

namespace {

std::string NameOf(const ShownVerdict& verdict) {
  if (verdict.log.empty()) return verdict.origin.empty() ? "records" : SafeText(verdict.origin);
  return SafeText(verdict.log);
}

std::string Headline(const ShownVerdict& verdict) {
  if (!verdict.status.ok()) return fmt::format("BAD  {}", NameOf(verdict));
  return fmt::format("OK   {}: {} records", NameOf(verdict), CountText(verdict.records));
}

void WriteGood(const ShownVerdict& verdict, Terminal& terminal) {
  FieldList fields;
  if (!verdict.origin.empty()) fields.Add("  origin", SafeText(verdict.origin));
  if (verdict.first > 0) {
    fields.Add("  part", fmt::format("records {} to {}; what is before was not checked",
                                     verdict.first, verdict.first + verdict.records - 1));
  }
  fields.Add("  checked",
             verdict.root ? "hashes, chain, tree, order of time" : "hashes, chain, order of time");
  if (verdict.root) fields.Add("  root", HexEncode(*verdict.root));
  if (verdict.signed_records) {
    fields.Add("  signed", fmt::format("{} records", CountText(*verdict.signed_records)));
  }
  if (verdict.last_hash && verdict.records > 0) {
    fields.Add("  last record", fmt::format("{}, {}", HexEncode(*verdict.last_hash),
                                            record::FormatRfc3339Ns(verdict.last_received_at_ns)));
  }
  if (verdict.trust == verify::Trust::kKeyPinned) {
    fields.Add("  key", "pinned: signed by the key that you gave", Colour::kGreen);
  } else {
    fields.Add("  key",
               fmt::format("self-consistent, key not pinned: give {} to rule out another history",
                           verdict.of_export ? "--key and --checkpoint" : "--key"),
               Colour::kYellow);
  }
  fields.WriteTo(terminal);
}

void WriteBad(const ShownVerdict& verdict, Terminal& terminal) {
  FieldList fields;
  if (!verdict.origin.empty()) fields.Add("  origin", SafeText(verdict.origin));
  if (verdict.first_bad) {
    fields.Add("  first bad", fmt::format("record {}", verdict.first_bad->value), Colour::kRed);
  }
  if (!verdict.bad_file.empty()) {
    std::string place = SafeText(verdict.bad_file);
    if (verdict.bad_offset) place += fmt::format(", byte {}", *verdict.bad_offset);
    fields.Add("  file", place);
  }
  fields.Add("  what", SafeText(ToStd(verdict.status.message())), Colour::kRed);
  if (verdict.records > 0) {
    fields.Add("  before it", fmt::format("{} records in order", CountText(verdict.records)));
  }
  fields.WriteTo(terminal);
}

constexpr size_t kFindingsShown = 20;

// A section of its own: what never came to the log says nothing about what is in it.
void WriteProducers(const verify::ProducerReport& report, Terminal& terminal) {
  if (report.streams == 0 && report.untracked == 0) return;
  const uint64_t total = report.total();
  std::string text = fmt::format("{} numbered events in {} epochs, by the producers' own word: {}",
                                 CountText(report.events), CountText(report.streams),
                                 total == 0 ? "none missing" : CountText(total) + " findings");
  if (report.untracked > 0) text += fmt::format("; {} not followed", CountText(report.untracked));
  FieldList fields;
  fields.Add("  complete", text, total == 0 ? Colour::kGreen : Colour::kYellow);
  for (size_t i = 0; i < std::min(report.findings.size(), kFindingsShown); ++i) {
    fields.Add("", ProducerFindingLine(report.findings[i]), Colour::kYellow);
  }
  if (total > kFindingsShown) fields.Add("", fmt::format("and {} more", total - kFindingsShown));
  fields.WriteTo(terminal);
}

Json ProducersJson(const verify::ProducerReport& report) {
  Json json = {{"events", report.events},
               {"epochs", report.streams},
               {"not_followed", report.untracked},
               {"findings_count", report.total()},
               {"findings", Json::array()}};
  for (const verify::ProducerFinding& finding : report.findings) {
    json["findings"].push_back(ProducerFindingJson(finding));
  }
  return json;
}

}  // namespace

std::string ProducerFindingLine(const verify::ProducerFinding& finding) {
  return fmt::format("{}: producer {} of {}, epoch {}, numbers {} to {}, at record {}",
                     ProducerFindingText(finding.kind), SafeText(finding.producer),
                     SafeText(finding.written_by), finding.epoch, finding.first_sequence,
                     finding.last_sequence, finding.index.value);
}

Json ProducerFindingJson(const verify::ProducerFinding& finding) {
  return {{"kind", ProducerFindingText(finding.kind)},
          {"written_by", finding.written_by},
          {"producer", finding.producer},
          {"epoch", finding.epoch},
          {"first_sequence", finding.first_sequence},
          {"last_sequence", finding.last_sequence},
          {"index", finding.index.value}};
}

Json VerdictJson(const ShownVerdict& verdict) {
  const bool good = verdict.status.ok();
  Json json = {{"verdict", good ? "OK" : "BAD"}};
  if (!verdict.log.empty()) json["log"] = verdict.log;
  if (!verdict.origin.empty()) json["origin"] = verdict.origin;
  if (good) {
    const bool pinned = verdict.trust == verify::Trust::kKeyPinned;
    json["trust"] = pinned ? "KEY_PINNED" : "SELF_CONSISTENT";
  }
  json["first_index"] = verdict.first;
  json["records"] = verdict.records;
  if (verdict.signed_records) json["signed_records"] = *verdict.signed_records;
  if (verdict.root) json["root_hash"] = HexEncode(*verdict.root);
  if (verdict.last_hash) json["last_hash"] = HexEncode(*verdict.last_hash);
  json["completeness"] = ProducersJson(verdict.producers);
  if (good) return json;
  json["code"] = absl::StatusCodeToString(verdict.status.code());
  json["reason"] = ToStd(verdict.status.message());
  if (verdict.first_bad) json["first_bad_index"] = verdict.first_bad->value;
  if (!verdict.bad_file.empty()) json["file"] = verdict.bad_file;
  if (verdict.bad_offset) json["offset"] = *verdict.bad_offset;
  return json;
}

void WriteVerdict(const ShownVerdict& verdict, Terminal& terminal) {
  const bool good = verdict.status.ok();
  terminal.Line(terminal.Paint(good ? Colour::kGreen : Colour::kRed, Headline(verdict)));
  if (good) {
    WriteGood(verdict, terminal);
  } else {
    WriteBad(verdict, terminal);
  }
  WriteProducers(verdict.producers, terminal);
}

CommandResult PrintVerdict(CommandContext& context, const ShownVerdict& verdict,
                           bool complete_required) {
  if (context.json()) {
    context.PrintJson(VerdictJson(verdict));
  } else {
    WriteVerdict(verdict, context.out());
  }
  const bool complete = verdict.producers.total() == 0 || !complete_required;
  return verdict.status.ok() && complete ? ExitCode::kDone : ExitCode::kNo;
}

}  // namespace graven::audit
