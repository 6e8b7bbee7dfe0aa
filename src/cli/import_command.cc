#include <algorithm>
#include <filesystem>
#include <memory>

#include "CLI/CLI.hpp"
#include "cli/commands.h"
#include "cli/import_run.h"
#include "fmt/format.h"

namespace graven::cli {
namespace {

struct ImportFlags {
  std::string format;
  std::string oversize = "refuse";
  std::string bad_input = "stop";
  std::string time_zone;
  std::string host;
  std::vector<std::string> paths;
};

// Whether a file of a folder is of the format, by its name; a file that was named is always.
bool LooksLike(std::string name, import::Format format) {
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  switch (format) {
    case import::Format::kCloudTrail:
      return name.ends_with(".json");
    case import::Format::kK8sAudit:
      return name.ends_with(".log") || name.ends_with(".json") || name.ends_with(".jsonl");
    case import::Format::kDpkg:
      return name.starts_with("dpkg.log");
    case import::Format::kJsonLines:
      return name.ends_with(".jsonl") || name.ends_with(".ndjson");
  }
  return false;
}

// A folder stands for those files in it that look like the format, by name. What is passed over is
// said.
std::vector<std::string> FilesOf(CommandContext& context, const std::vector<std::string>& paths,
                                 import::Format format, std::vector<std::string>* passed_over) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) {
      files.push_back(path);
      continue;
    }
    std::vector<std::string> inside;
    for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
      if (!entry.is_regular_file(error)) continue;
      const std::string file = entry.path().string();
      if (LooksLike(entry.path().filename().string(), format)) {
        inside.push_back(file);
      } else {
        context.PrintNotice("passed over: " + file);
        passed_over->push_back(file);
      }
    }
    std::sort(inside.begin(), inside.end());
    files.insert(files.end(), inside.begin(), inside.end());
  }
  return files;
}

CommandResult Import(CommandContext& context, const ImportFlags& flags) {
  if (!flags.time_zone.empty() && !import::IsTimeZone(flags.time_zone)) {
    return UsageError(
        fmt::format("--time-zone: {} is no time zone of this machine (for instance "
                    "Europe/Berlin)",
                    flags.time_zone));
  }
  import::ImportOptions options;
  options.format = *import::ParseFormat(flags.format);  // checked by the flag
  options.oversize =
      flags.oversize == "digest" ? import::Oversize::kDigest : import::Oversize::kRefuse;
  options.bad_input =
      flags.bad_input == "count" ? import::BadInput::kCount : import::BadInput::kStop;
  options.time_zone = flags.time_zone;
  options.host = flags.host;
  std::vector<std::string> passed_over;
  const std::vector<std::string> files =
      FilesOf(context, flags.paths, options.format, &passed_over);
  return RunImport(context, options, files, passed_over);
}

}  // namespace

void AddImportCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command =
      app.add_subcommand("import", "Turns other formats into events, and appends them");
  command->footer(
      "Importing the same again appends nothing: each event's id comes from what was read. The\n"
      "original stands in the event's details. Files may be gzipped; a folder stands for those "
      "of its\n"
      "files whose names look like the format; others are named and counted. A last line of a "
      "dpkg\n"
      "log without its newline is left for the next import.\n"
      "Exit code 1: something was refused, and named.\n"
      "\n"
      "Example:\n"
      "  graven import --format dpkg /var/log/dpkg.log\n"
      "  graven import --format cloudtrail --oversize digest ./trail/");
  auto flags = std::make_shared<ImportFlags>();
  command->add_option("--format", flags->format, "Of the files")
      ->required()
      ->check(CLI::IsMember({"cloudtrail", "k8s-audit", "dpkg", "jsonl"}));
  command
      ->add_option("--oversize", flags->oversize,
                   "An event too large: refuse and count it, or keep a digest of the original")
      ->check(CLI::IsMember({"refuse", "digest"}))
      ->capture_default_str();
  command
      ->add_option("--bad-input", flags->bad_input,
                   "What is no event: stop there, or refuse, count and go on")
      ->check(CLI::IsMember({"stop", "count"}))
      ->capture_default_str();
  command->add_option("--time-zone", flags->time_zone, "Of local times [this machine's]")
      ->type_name("ZONE");
  command->add_option("--host", flags->host, "The machine that a dpkg log is of [this one]")
      ->type_name("NAME");
  command->add_option("paths", flags->paths, "Files and folders, or - for standard input")
      ->required()
      ->type_name("PATH");
  context.AddJson(*command);
  context.AddServer(*command);
  context.AddLog(*command);
  context.OnRun(*command, [&context, flags] { return Import(context, *flags); });
}

}  // namespace graven::cli
