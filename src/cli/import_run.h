#pragma once

#include <string>
#include <vector>

#include "console/command_context.h"
#include "import/importer.h"

namespace graven::cli {

// Reads files, turns what is in them into events, appends those, and prints what became of them:
// what `import` does, and `append` with a file. Every event has an id that depends only on what was
// read, so that a run that broke off can be started again.
// `passed_over`: files of a folder that were left out by their names, for the counts.
// An exit code of kNo: something was refused; each was named on standard error.
console::CommandResult RunImport(console::CommandContext& context,
                                 const import::ImportOptions& options,
                                 const std::vector<std::string>& paths,
                                 const std::vector<std::string>& passed_over = {});

}  // namespace graven::cli
