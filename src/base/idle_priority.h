#pragma once

#include <sys/types.h>

namespace graven {

// Threads that take what nobody else wants of the processors (SCHED_IDLE, sched(7)). Any thread may
// call these.

// A thread may always be lowered, but raised again only with CAP_SYS_NICE or where RLIMIT_NICE
// allows it (the unit in deploy/ does). Tried on a thread of its own: one that could not be raised
// again would stand still exactly when it is waited for.
bool MayRaiseAgain();

// Of the thread with that id (gettid(2)), 0 for the calling one.
void LowerToIdle(pid_t thread_id);
void RaiseAgain(pid_t thread_id);

}  // namespace graven
