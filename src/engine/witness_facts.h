#pragma once

#include <cstdint>
#include <string>

namespace graven::engine {

// How a witness answers, of all logs: what both doors say of it.
struct WitnessFacts {
  std::string name;  // as the policy has it
  uint64_t logs_cosigned = 0;
  uint64_t logs_failing = 0;
  std::string problem;  // of one of them; the witness's own words
};

}  // namespace graven::engine
