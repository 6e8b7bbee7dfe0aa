#pragma once

#include <string_view>

#include "record/record.h"
#include "record/rules.h"

namespace graven::record {

// Whether two bodies that CheckBody accepted say the same: equal bytes, or equal as messages. Maps
// are unordered, explicit proto3 defaults equal absence, unknown fields count (in order of their
// number), Entry.hash does not. The payload of an Any is compared as a message if its type is
// known, otherwise byte for byte. Costs nothing for equal bytes; allocates otherwise.
bool SameBody(BodyKind kind, std::string_view a, std::string_view b, const RuleContext& context);

}  // namespace graven::record
