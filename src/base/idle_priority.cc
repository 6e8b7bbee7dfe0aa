#include "base/idle_priority.h"

#include <sched.h>

#include <thread>

namespace graven {
namespace {

bool SetPolicy(pid_t thread_id, int policy) {
  sched_param param{};
  return sched_setscheduler(thread_id, policy, &param) == 0;
}

}  // namespace

bool MayRaiseAgain() {
  bool raised = false;
  std::thread([&] { raised = SetPolicy(0, SCHED_IDLE) && SetPolicy(0, SCHED_OTHER); }).join();
  return raised;
}

void LowerToIdle(pid_t thread_id) { SetPolicy(thread_id, SCHED_IDLE); }

void RaiseAgain(pid_t thread_id) { SetPolicy(thread_id, SCHED_OTHER); }

}  // namespace graven
