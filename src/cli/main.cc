#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "cli/commands.h"

int main(int argc, char** argv) {
  // Debian builds Abseil with its lock-order detector on, which costs more than the locks.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  try {
    graven::cli::CommandContext context;
    return graven::cli::RunProgram(std::vector<std::string>(argv + 1, argv + argc), context);
  } catch (const std::exception& error) {
    // Nothing of ours throws; a library did, most likely for want of memory.
    std::fprintf(stderr, "graven: %s\n", error.what());
    return static_cast<int>(graven::cli::ExitCode::kNo);
  }
}
