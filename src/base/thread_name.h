#pragma once

#include <pthread.h>

#include <thread>

namespace graven {

// Names a thread for top, perf and debuggers; at most 15 characters. Best effort.
inline void NameThread(std::thread& thread, const char* name) {
  (void)pthread_setname_np(thread.native_handle(), name);
}

}  // namespace graven
