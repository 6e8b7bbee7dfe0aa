#pragma once

#include <csignal>

namespace graven::server {

// SIGTERM and SIGINT as a call that returns. Blocks them in the calling thread and in those that it
// starts from then on; so it is made before any other. SIGPIPE is ignored.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Blocks until the first; returns its number. From then on the next one ends the process at once.
  int Wait();

 private:
  sigset_t stops_;
  sigset_t before_;
};

}  // namespace graven::server
