#pragma once

#include <csignal>

#include "absl/status/statusor.h"

// SIGTERM, SIGINT, SIGHUP and SIGQUIT while a rehearsal runs. They end nothing by themselves: every
// wait of the rehearsal looks for them and returns, so that its processes and its folder, which
// holds keys, are gone before this program is. One thread, and no other before it: those that are
// started later leave the signals to it.
namespace graven::rehearse {

class Interruption {
 public:
  // SIGPIPE is ignored as well: who reads the report may go before the rehearsal has tidied up.
  Interruption();
  // The signals are as they were.
  ~Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  // Whether one has come; from then on true.
  bool Came();
  // Waits so long, or until one has come: kCancelled. A negative time: for ever.
  absl::Status Sleep(int milliseconds);
  // Waits so long, until one has come (kCancelled), or until `fd` can be read (true).
  absl::StatusOr<bool> WaitToRead(int fd, int milliseconds);

 private:
  sigset_t stops_;
  sigset_t before_;
  void (*pipe_before_)(int);
  // Ignored, as a supervisor may hand it on, it would take the exit codes of children with it.
  void (*child_before_)(int);
  int signals_;
  bool came_ = false;
};

}  // namespace graven::rehearse
