#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rehearse/interruption.h"

// This program, started again, for what is only true of a process of its own. The kernel ends what
// is started here together with the thread that started it, however that one ends: it is the main
// thread's work.
namespace graven::rehearse {

struct ChildOutput {
  int exit_code = 0;
  std::string out;
  std::string err;
};

// Runs `graven ARGUMENTS` with `input` and waits. Output goes through files in `folder`, of which
// the first 16 MiB are read. Variables of the environment that begin with GRAVEN_ are not passed.
// kCancelled: interrupted; it has been ended.
absl::StatusOr<ChildOutput> RunGraven(const std::string& folder, Interruption& interruption,
                                      const std::vector<std::string>& arguments,
                                      const std::string& input = {});

// One that goes on running; ended with the object.
class ChildProcess {
 public:
  // What it says goes to <folder>/<name>.out and .err.
  static absl::StatusOr<ChildProcess> Start(const std::string& folder, const std::string& name,
                                            Interruption& interruption,
                                            const std::vector<std::string>& arguments);
  ChildProcess(ChildProcess&& other) noexcept
      : pid_(other.pid_), interruption_(other.interruption_) {
    other.pid_ = 0;
  }
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess() { Stop(); }

  bool IsRunning();
  // SIGTERM, and waits; SIGKILL when it takes half a minute, or once we are interrupted.
  void Stop();

 private:
  ChildProcess(pid_t pid, Interruption& interruption) : pid_(pid), interruption_(&interruption) {}

  pid_t pid_;
  Interruption* interruption_;
};

}  // namespace graven::rehearse
