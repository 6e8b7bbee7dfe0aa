#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "cli/commands.h"
#include "cli/search_records.h"
#include "cli/span_tree.h"
#include "console/record_text.h"
#include "fmt/format.h"
#include "query/record_view.h"

namespace graven::cli {
using console::ReadRecord;
using console::ReadRecordBytes;
using console::RecordJson;
using console::RecordLine;

namespace {

constexpr uint64_t kRecordsMax = 10'000;

struct TraceFlags {
  std::string id;
  uint64_t limit = kRecordsMax;
};

// One record of the trace, with what places it.
struct Step {
  std::string bytes;
  LogIndex index;
  record::TimePoint occurred_at;
  SpanNames spans;
  std::string service;
};

std::string Quoted(const std::string& id) {
  return Json(id).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string QueryFor(const std::string& id) {
  const std::string quoted = Quoted(id);
  return fmt::format("trace:{0} OR request:{0} OR session:{0} OR correlation:{0}", quoted);
}

// What happened first comes first; at the same time, what the log received first.
bool Before(const Step& a, const Step& b) {
  return a.occurred_at != b.occurred_at ? a.occurred_at < b.occurred_at : a.index < b.index;
}

absl::Status Print(CommandContext& context, const std::vector<Step>& steps) {
  Terminal& out = context.out();
  std::vector<SpanNames> spans;
  spans.reserve(steps.size());
  for (const Step& step : steps) spans.push_back(step.spans);
  for (const TreeLine& line : SpanTree(spans)) {
    const Step& step = steps[line.record];
    ASSIGN_OR_RETURN(const ReadRecord record, ReadRecordBytes(step.bytes, ""));
    if (context.json()) {
      Json json = RecordJson(record, step.bytes);
      json["depth"] = line.depth;
      context.PrintJsonLine(json);
      continue;
    }
    // Deeper than a terminal is wide says nothing any more.
    std::string indent(2 * std::min<size_t>(line.depth, 20), ' ');
    if (line.depth > 0) indent += out.speaks_utf8() ? "└ " : "- ";
    const std::string service =
        step.service.empty() ? "" : fmt::format("  [{}]", SafeText(step.service, 40));
    out.Line(indent + RecordLine(record, out) + out.Paint(Colour::kDim, service));
  }
  return out.Finish();
}

CommandResult Trace(CommandContext& context, const TraceFlags& flags) {
  if (flags.id.empty()) return UsageError("the id is empty");
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  v1::SearchRequest request;
  request.set_log(context.log());
  request.set_query(QueryFor(flags.id));
  request.set_order(v1::SEARCH_ORDER_OLDEST_FIRST);
  std::vector<Step> steps;
  ASSIGN_OR_RETURN(const SearchEnd end,
                   ForEachMatch(*client, request, flags.limit, [&](const FoundRecord& found) {
                     query::RecordView view;
                     RETURN_IF_ERROR(view.Read(found.bytes));
                     steps.push_back({std::string(found.bytes),
                                      view.index,
                                      view.occurred_at,
                                      {std::string(view.span), std::string(view.parent_span)},
                                      std::string(view.service)});
                     return absl::OkStatus();
                   }));
  std::sort(steps.begin(), steps.end(), &Before);
  RETURN_IF_ERROR(Print(context, steps));
  if (!end.next_cursor.empty()) {
    context.PrintNotice(
        fmt::format("shown are the first {} records; --limit 0 for all", CountText(flags.limit)));
  }
  if (!steps.empty()) return ExitCode::kDone;
  context.PrintNotice("no record has this id as trace, request, session or correlation id");
  return ExitCode::kNo;
}

}  // namespace

void AddTraceCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command =
      app.add_subcommand("trace", "Shows everything of one trace, request or session");
  command->footer(
      "All records whose trace, request, session or correlation id it is, whatever service wrote\n"
      "them, in the order of the time that they name; as a tree where spans say what caused what.\n"
      "\n"
      "Example:\n"
      "  graven trace 4bf92f3577b34da6a3ce929d0e0e4736");
  auto flags = std::make_shared<TraceFlags>();
  command->add_option("id", flags->id, "The id")->required()->type_name("ID");
  command->add_option("-n,--limit", flags->limit, "At most this many records; 0: all there are")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  context.AddJson(*command);
  context.AddServer(*command);
  context.AddLog(*command);
  context.OnRun(*command, [&context, flags] { return Trace(context, *flags); });
}

}  // namespace graven::cli
