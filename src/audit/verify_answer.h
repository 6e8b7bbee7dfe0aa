#pragma once

#include <optional>
#include <string>

#include "console/command_context.h"
#include "note/keys.h"

namespace graven::audit {

// `graven verify --answer FILE`: reads all records of the tree that the statement names from the
// server, searches them here, and compares. `key`: the log's; `answer_key`: of the one who stated
// it.
console::CommandResult VerifyAnswer(console::CommandContext& context, const std::string& path,
                                    const std::optional<note::VerifierKey>& key,
                                    const std::optional<note::VerifierKey>& answer_key);

}  // namespace graven::audit
