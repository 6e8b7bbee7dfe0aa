#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"

// This program, started again, for what is only true of a process of its own.
namespace graven::rehearse {

struct ChildOutput {
  int exit_code = 0;
  std::string out;
  std::string err;
};

// Runs `graven ARGUMENTS` with `input` and waits. Output goes through files in `folder`, of which
// the first 16 MiB are read. Variables of the environment that begin with GRAVEN_ are not passed.
absl::StatusOr<ChildOutput> RunGraven(const std::string& folder,
                                      const std::vector<std::string>& arguments,
                                      const std::string& input = {});

// One that goes on running; ended with the object.
class ChildProcess {
 public:
  static absl::StatusOr<ChildProcess> Start(const std::string& folder,
                                            const std::vector<std::string>& arguments);
  ChildProcess(ChildProcess&& other) noexcept : pid_(other.pid_) { other.pid_ = 0; }
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess();

  bool IsRunning();
  // SIGTERM, and waits. Returns the exit code.
  int Stop();

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}

  pid_t pid_;
};

}  // namespace graven::rehearse
