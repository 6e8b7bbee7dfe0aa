#include "server/stop_signals.h"

#include <pthread.h>
#include <unistd.h>

namespace graven::server {

StopSignals::StopSignals() {
  sigemptyset(&stops_);
  sigaddset(&stops_, SIGTERM);
  sigaddset(&stops_, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stops_, &before_);
  std::signal(SIGPIPE, SIG_IGN);
}

StopSignals::~StopSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

int StopSignals::Wait() {
  int number = 0;
  sigwait(&stops_, &number);
  // Everything acknowledged is on disk, so ending at once loses nothing that was promised.
  const auto end_at_once = [](int second) { _exit(128 + second); };
  std::signal(SIGTERM, end_at_once);
  std::signal(SIGINT, end_at_once);
  pthread_sigmask(SIG_UNBLOCK, &stops_, nullptr);
  return number;
}

}  // namespace graven::server
