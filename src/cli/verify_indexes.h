#pragma once

#include <string>

#include "cli/command_context.h"

namespace graven::cli {

// The search index of the logs of a stopped server's folder (`log`: of one), made again from the
// records and compared byte by byte. Prints the manifest's hash of each log. kNo: a file is not
// what the records make, or the records themselves do not hold.
CommandResult VerifyIndexes(CommandContext& context, const std::string& folder,
                            const std::string& log);

}  // namespace graven::cli
