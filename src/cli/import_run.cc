#include "cli/import_run.h"

#include "base/clock.h"
#include "base/status_macros.h"
#include "cli/event_pump.h"
#include "fmt/format.h"

namespace graven::cli {
using console::CommandContext;
using console::CommandResult;
using console::CountText;
using console::DurationText;
using console::ExitCode;
using console::Json;
using console::ProgressLine;
using console::Unreachable;

namespace {

// Everything is durable, or named, when this returns OK.
absl::Status Pump(CommandContext& context, const import::ImportOptions& options,
                  const std::vector<std::string>& paths, EventPump& pump,
                  import::ImportCounts* imported) {
  ProgressLine progress(context.err(), "read", ProgressLine::Unit::kBytes, 0);
  import::ImportCallbacks callbacks;
  callbacks.on_event = [&pump](const import::ImportedEvent& event) {
    return pump.Push(event.bytes, fmt::format("{}:{}", event.path, event.position));
  };
  callbacks.on_refused = [&context](const import::Refusal& refusal) {
    context.PrintNotice(fmt::format("refused: {}: {} {}: {}", refusal.path, refusal.place,
                                    refusal.position, refusal.reason));
  };
  callbacks.on_unfinished = [&context](std::string_view path, uint64_t line) {
    context.PrintNotice(fmt::format(
        "left for the next import: {}, line {}: no newline behind it, so it is still being written",
        path, line));
  };
  callbacks.on_progress = [&progress](uint64_t done, uint64_t total) {
    progress.SetTotal(total);
    progress.Update(done);
  };
  return import::ImportFiles(options, paths, callbacks, imported);
}

// `stopped`: an error that ended the run follows on standard error.
CommandResult PrintCounts(CommandContext& context, const import::ImportCounts& imported,
                          const PumpCounts& counts, const std::vector<std::string>& passed_over,
                          double seconds, bool stopped) {
  const uint64_t refused = counts.refused + imported.refused;
  const bool any = counts.first_index <= counts.last_index;
  const ExitCode code = refused == 0 ? ExitCode::kDone : ExitCode::kNo;
  if (context.json()) {
    Json json = {{"log", context.log()},
                 {"appended", counts.appended},
                 {"duplicates", counts.duplicates},
                 {"refused", refused},
                 {"oversize_refused", imported.oversize_refused},
                 {"digested", imported.digested},
                 {"unfinished", imported.unfinished},
                 {"passed_over", passed_over},
                 {"seconds", seconds}};
    if (stopped) json["stopped"] = true;
    if (any) json["first_index"] = counts.first_index;
    if (any) json["last_index"] = counts.last_index;
    context.PrintJson(json);
    return code;
  }
  std::string line = fmt::format("{} appended", CountText(counts.appended));
  if (counts.duplicates > 0) {
    line += fmt::format(", {} were there already", CountText(counts.duplicates));
  }
  if (imported.digested > 0) {
    line += fmt::format(", {} of them digested because of their size", imported.digested);
  }
  if (refused > 0) line += fmt::format(", {} REFUSED", CountText(refused));
  if (!passed_over.empty()) {
    line += fmt::format(", {} files passed over by name", passed_over.size());
  }
  if (any) line += fmt::format(" (records {} to {})", counts.first_index, counts.last_index);
  const auto total = static_cast<double>(counts.appended + counts.duplicates);
  if (seconds > 0.05 && total > 100) {
    line += fmt::format(" in {}, {}/s", DurationText(seconds),
                        CountText(static_cast<uint64_t>(total / seconds)));
  }
  if (stopped) line += ", then stopped";
  context.out().Line(line);
  return code;
}

}  // namespace

CommandResult RunImport(CommandContext& context, const import::ImportOptions& options,
                        const std::vector<std::string>& paths,
                        const std::vector<std::string>& passed_over) {
  const int64_t started_ns = SystemClock().SteadyNs();
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  const auto on_refusal = options.bad_input == import::BadInput::kCount
                              ? EventPump::OnRefusal::kCount
                              : EventPump::OnRefusal::kStop;
  ASSIGN_OR_RETURN(const auto pump, EventPump::Open(context, *client, on_refusal));
  import::ImportCounts imported;
  absl::Status ended = Pump(context, options, paths, *pump, &imported);
  if (absl::IsNotFound(ended)) ended = Unreachable("import", ended);
  absl::StatusOr<PumpCounts> finished = PumpCounts();
  if (ended.ok()) {
    finished = pump->Finish();
    ended = finished.status();
  }
  const PumpCounts counts = ended.ok() ? *finished : pump->Stop();
  const double seconds = static_cast<double>(SystemClock().SteadyNs() - started_ns) / 1e9;
  const CommandResult printed =
      PrintCounts(context, imported, counts, passed_over, seconds, !ended.ok());
  return ended.ok() ? printed : ended;
}

}  // namespace graven::cli
