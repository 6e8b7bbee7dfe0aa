#include "rehearse/child_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>

#include "base/status_macros.h"
#include "io/durable_file.h"

namespace graven::rehearse {
namespace {

constexpr uint64_t kOutputBytesMax = 16 << 20;

std::string In(const std::string& folder) { return io::JoinPath(folder, "child.in"); }
std::string Out(const std::string& folder) { return io::JoinPath(folder, "child.out"); }
std::string Err(const std::string& folder) { return io::JoinPath(folder, "child.err"); }

absl::StatusOr<pid_t> Spawn(const std::string& folder, const std::vector<std::string>& arguments,
                            const std::string& suffix) {
  std::vector<char*> argv{const_cast<char*>("graven")};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> environment;
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (!std::string_view(*entry).starts_with("GRAVEN_")) environment.push_back(*entry);
  environment.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  const int write = O_WRONLY | O_CREAT | O_TRUNC;
  posix_spawn_file_actions_addopen(&files, 0, In(folder).c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, (Out(folder) + suffix).c_str(), write, 0600);
  posix_spawn_file_actions_addopen(&files, 2, (Err(folder) + suffix).c_str(), write, 0600);
  // Who started it may have blocked the signals that end it.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, "/proc/self/exe", &files, &attributes, argv.data(), environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) return absl::ErrnoToStatus(error, "graven cannot be started");
  return pid;
}

int WaitFor(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

absl::Status WriteInput(const std::string& folder, const std::string& input) {
  return io::WriteFileDurably(io::PosixFileSystem(), In(folder), input, 0600);
}

}  // namespace

absl::StatusOr<ChildOutput> RunGraven(const std::string& folder,
                                      const std::vector<std::string>& arguments,
                                      const std::string& input) {
  RETURN_IF_ERROR(WriteInput(folder, input));
  ASSIGN_OR_RETURN(const pid_t pid, Spawn(folder, arguments, ""));
  ChildOutput output;
  output.exit_code = WaitFor(pid);
  ASSIGN_OR_RETURN(output.out,
                   io::ReadWholeFile(io::PosixFileSystem(), Out(folder), kOutputBytesMax));
  ASSIGN_OR_RETURN(output.err,
                   io::ReadWholeFile(io::PosixFileSystem(), Err(folder), kOutputBytesMax));
  return output;
}

absl::StatusOr<ChildProcess> ChildProcess::Start(const std::string& folder,
                                                 const std::vector<std::string>& arguments) {
  RETURN_IF_ERROR(WriteInput(folder, ""));
  ASSIGN_OR_RETURN(const pid_t pid, Spawn(folder, arguments, "-server"));
  return ChildProcess(pid);
}

bool ChildProcess::IsRunning() {
  if (pid_ == 0) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == 0) return true;
  pid_ = 0;
  return false;
}

int ChildProcess::Stop() {
  if (pid_ == 0) return 0;
  kill(pid_, SIGTERM);
  const int code = WaitFor(pid_);
  pid_ = 0;
  return code;
}

ChildProcess::~ChildProcess() { Stop(); }

}  // namespace graven::rehearse
