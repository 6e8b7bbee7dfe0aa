#include "rehearse/interruption.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/status_macros.h"

namespace graven::rehearse {

Interruption::Interruption()
    : pipe_before_(std::signal(SIGPIPE, SIG_IGN)), child_before_(std::signal(SIGCHLD, SIG_DFL)) {
  sigemptyset(&stops_);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) sigaddset(&stops_, signal);
  pthread_sigmask(SIG_BLOCK, &stops_, &before_);
  signals_ = signalfd(-1, &stops_, SFD_CLOEXEC);
  GRAVEN_CHECK(signals_ >= 0);
}

Interruption::~Interruption() {
  // What came while the rehearsal tidied up has been obeyed.
  const timespec now{};
  while (sigtimedwait(&stops_, nullptr, &now) > 0) {
  }
  close(signals_);
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  std::signal(SIGPIPE, pipe_before_);
  std::signal(SIGCHLD, child_before_);
}

bool Interruption::Came() { return !Sleep(0).ok(); }

absl::Status Interruption::Sleep(int milliseconds) { return WaitToRead(-1, milliseconds).status(); }

absl::StatusOr<bool> Interruption::WaitToRead(int fd, int milliseconds) {
  pollfd waits[] = {{signals_, POLLIN, 0}, {fd, POLLIN, 0}};
  if (!came_) {
    poll(waits, 2, milliseconds);
    // It stays in the queue: the next wait would see it too.
    came_ = waits[0].revents != 0;
  }
  if (came_) return absl::CancelledError("ended by a signal");
  return fd >= 0 && waits[1].revents != 0;
}

}  // namespace graven::rehearse
