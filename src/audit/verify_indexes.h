#pragma once

#include <string>

#include "console/command_context.h"

namespace graven::audit {

// The search index of the logs of a stopped server's folder (`log`: of one), made again from the
// records and compared byte by byte. Prints the manifest's hash of each log. kNo: a file is not
// what the records make, or the records themselves do not hold.
console::CommandResult VerifyIndexes(console::CommandContext& context, const std::string& folder,
                                     const std::string& log);

}  // namespace graven::audit
