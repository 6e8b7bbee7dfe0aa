#include "note/policy.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.h"

// Whatever parses keeps its limits, is met by all of its witnesses, and more cosignatures never
// make it worse.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using graven::note::Policy;
  const auto policy = Policy::Parse({reinterpret_cast<const char*>(data), size});
  if (!policy.ok()) return 0;
  const size_t count = policy->witnesses().size();
  GRAVEN_CHECK(count <= graven::note::kPolicyWitnessesMax);
  GRAVEN_CHECK(policy->IsMetBy(std::vector<bool>(count, true)));
  GRAVEN_CHECK(policy->IsMetBy(std::vector<bool>(count, false)) != policy->wants_witnesses());
  bool met = false;
  std::vector<bool> cosigned(count);
  for (size_t i = 0; i < count; ++i) {
    cosigned[i] = true;
    const bool now = policy->IsMetBy(cosigned);
    GRAVEN_CHECK(now || !met);
    met = now;
  }
  return 0;
}
