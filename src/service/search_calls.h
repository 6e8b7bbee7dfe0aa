#pragma once

#include <memory>

#include "service/follow_calls.h"

namespace graven::service {

// Arms the first Search call (graven.v1), raw on the completion queue; before the loop starts. Its
// reading is done by the threads of search, in short jobs.
void ArmSearch(CallEnvironment& environment, FollowCalls& calls, GravenCalls& graven);

}  // namespace graven::service
