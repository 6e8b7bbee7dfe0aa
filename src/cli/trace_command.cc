#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "cli/commands.h"
#include "cli/record_text.h"
#include "cli/search_records.h"
#include "fmt/format.h"
#include "query/record_view.h"

namespace graven::cli {
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
  std::string span;
  std::string parent_span;
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

// The steps in the order of a tree: below each span those that it caused. Spans that nobody began,
// and records without a span, stand at the top.
class Tree {
 public:
  explicit Tree(const std::vector<Step>& steps) : steps_(steps) {
    std::set<std::string> spans;
    for (const Step& step : steps) {
      if (!step.span.empty()) spans.insert(step.span);
    }
    for (size_t i = 0; i < steps.size(); ++i) {
      const Step& step = steps[i];
      // Several records of one span stand together, where its first one stands.
      if (!step.span.empty() && !by_span_[step.span].empty()) {
        by_span_[step.span].push_back(i);
        continue;
      }
      if (!step.span.empty()) by_span_[step.span].push_back(i);
      const bool has_parent = step.parent_span != step.span && spans.contains(step.parent_span);
      (has_parent ? below_[step.parent_span] : roots_).push_back(i);
    }
  }

  struct Line {
    size_t step;
    size_t depth;
  };
  std::vector<Line> Lines() {
    for (const size_t root : roots_) Add(root, 0);
    // Spans that name each other as parents have no root: they are shown all the same.
    for (size_t i = 0; i < steps_.size(); ++i) {
      if (!shown_.contains(i)) Add(i, 0);
    }
    return std::move(lines_);
  }

 private:
  void Add(size_t first, size_t depth) {
    if (shown_.contains(first)) return;
    const Step& step = steps_[first];
    const std::vector<size_t> same =
        step.span.empty() ? std::vector<size_t>{first} : by_span_[step.span];
    for (const size_t i : same) {
      if (shown_.insert(i).second) lines_.push_back({i, depth});
    }
    if (step.span.empty()) return;
    const std::vector<size_t> children = below_[step.span];
    for (const size_t child : children) Add(child, depth + 1);
  }

  const std::vector<Step>& steps_;
  std::map<std::string, std::vector<size_t>> by_span_;
  std::map<std::string, std::vector<size_t>> below_;
  std::vector<size_t> roots_;
  std::set<size_t> shown_;
  std::vector<Line> lines_;
};

absl::Status Print(CommandContext& context, const std::vector<Step>& steps) {
  Terminal& out = context.out();
  for (const Tree::Line& line : Tree(steps).Lines()) {
    const Step& step = steps[line.step];
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
                     steps.push_back({std::string(found.bytes), view.index, view.occurred_at,
                                      std::string(view.span), std::string(view.parent_span),
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
      ->capture_default_str();
  context.AddJson(*command);
  context.AddServer(*command);
  context.AddLog(*command);
  context.OnRun(*command, [&context, flags] { return Trace(context, *flags); });
}

}  // namespace graven::cli
