#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "json/message_types.h"
#include "record/rules.h"

namespace graven::server {

// Reads files of FileDescriptorSet (protoc --descriptor_set_out, with --include_imports) and makes
// every message type in them one that an event's Any may hold. kNotFound: a file cannot be read.
// kInvalidArgument: it is not a descriptor set, lacks an import, or has a type that cannot be
// checked (groups).
// `messages` gets the same types, to show them as JSON and read them from it.
absl::Status AddDescriptorSets(const std::vector<std::string>& files, record::SchemaSet* types,
                               json::MessageTypes* messages);

}  // namespace graven::server
