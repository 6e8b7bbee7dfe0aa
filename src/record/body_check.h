#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "record/record.h"
#include "record/rules.h"

namespace graven::record {

// One rule that a body breaks. `field` is a path ("targets[3].id"), "" for the body itself; `rule`
// the stable id of the row ("event.action.required", "wire.group"); `description` says limit and
// size in words and never repeats the stranger's text.
struct Violation {
  std::string field;
  std::string rule;
  std::string description;
};

// How many violations of one body are listed.
inline constexpr size_t kViolationsMax = 16;

// What the append path needs to know of a body. Views into its bytes.
struct EventFacts {
  std::string_view event_id;  // "" when the client sent none
  bool names_trace = false;
  bool names_producer = false;
  std::string_view precondition_hash_hex;  // Entry.hash; "" when there is none
};

// Walks the wire bytes of a body once and holds them against the table of rules. True: every stock
// parser reads it, and `facts` is set. False: `violations` (not null) has got between 1 and
// kViolationsMax more entries, and `facts` is unspecified.
// Thread-safe. Allocates nothing for a good body whose maps have at most 32 keys each.
bool CheckBody(BodyKind kind, std::string_view bytes, const RuleContext& context, EventFacts* facts,
               std::vector<Violation>* violations);

}  // namespace graven::record
