#include "cli/verify_output.h"

#include "base/absl_views.h"
#include "base/encoding.h"
#include "base/text_safety.h"
#include "cli/table.h"
#include "fmt/format.h"
#include "record/time_text.h"

namespace graven::cli {
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

}  // namespace

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
}

CommandResult PrintVerdict(CommandContext& context, const ShownVerdict& verdict) {
  if (context.json()) {
    context.PrintJson(VerdictJson(verdict));
  } else {
    WriteVerdict(verdict, context.out());
  }
  return verdict.status.ok() ? ExitCode::kDone : ExitCode::kNo;
}

}  // namespace graven::cli
