#include "rehearse/child_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <optional>
#include <string_view>

#include "base/status_macros.h"
#include "io/durable_file.h"

namespace graven::rehearse {
namespace {

constexpr uint64_t kOutputBytesMax = 16 << 20;
constexpr int kNotStarted = 127;
constexpr int kLookAtChildMs = 5;
constexpr int kStopPatienceMs = 30'000;

// An open file of ours; closed in what is started.
class OpenedFile {
 public:
  OpenedFile(const std::string& path, int flags) : fd_(Open(path, flags | O_CLOEXEC)) {}
  OpenedFile(const OpenedFile&) = delete;
  OpenedFile& operator=(const OpenedFile&) = delete;
  ~OpenedFile() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  // Above the three that it will stand for: ours may be closed.
  static int Open(const std::string& path, int flags) {
    const int fd = open(path.c_str(), flags, 0600);
    if (fd < 0 || fd > 2) return fd;
    const int above = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    close(fd);
    return above;
  }

  const int fd_;
};

// What runs between fork and exec: nothing here may take a lock or memory.
[[noreturn]] void BecomeGraven(pid_t parent, const int (&files)[3], char* const* argv,
                               char* const* environment) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Gone already, before the kernel was asked to tell.
  if (getppid() != parent) _exit(kNotStarted);
  for (int fd = 0; fd < 3; ++fd) dup2(files[fd], fd);
  // Who started it has blocked and ignored what it needs.
  signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execve("/proc/self/exe", argv, environment);
  _exit(kNotStarted);
}

absl::StatusOr<pid_t> Spawn(const std::string& folder, const std::string& name,
                            const std::vector<std::string>& arguments, const std::string& input) {
  const std::string input_path = io::JoinPath(folder, name + ".in");
  RETURN_IF_ERROR(io::WriteFileDurably(io::PosixFileSystem(), input_path, input, 0600));
  const int write = O_WRONLY | O_CREAT | O_TRUNC;
  const OpenedFile in(input_path, O_RDONLY);
  const OpenedFile out(io::JoinPath(folder, name + ".out"), write);
  const OpenedFile err(io::JoinPath(folder, name + ".err"), write);
  const int files[] = {in.get(), out.get(), err.get()};
  for (const int fd : files)
    if (fd < 0) return absl::ErrnoToStatus(errno, "graven cannot be started: its files");
  std::vector<char*> argv{const_cast<char*>("graven")};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> environment;
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (!std::string_view(*entry).starts_with("GRAVEN_")) environment.push_back(*entry);
  environment.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) BecomeGraven(parent, files, argv.data(), environment.data());
  if (pid < 0) return absl::ErrnoToStatus(errno, "graven cannot be started");
  return pid;
}

// Nothing while it runs.
std::optional<int> ExitCodeNow(pid_t pid) {
  int status = 0;
  const pid_t ended = waitpid(pid, &status, WNOHANG);
  if (ended == 0) return std::nullopt;
  if (ended < 0)
    return kNotStarted;  // somebody else has reaped it: of how it ended nothing is known
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int KillAndWait(pid_t pid) {
  kill(pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace

absl::StatusOr<ChildOutput> RunGraven(const std::string& folder, Interruption& interruption,
                                      const std::vector<std::string>& arguments,
                                      const std::string& input) {
  RETURN_IF_ERROR(interruption.Sleep(0));
  const std::string name = "command";
  ASSIGN_OR_RETURN(const pid_t pid, Spawn(folder, name, arguments, input));
  std::optional<int> exit_code = ExitCodeNow(pid);
  for (; !exit_code; exit_code = ExitCodeNow(pid)) {
    const absl::Status slept = interruption.Sleep(kLookAtChildMs);
    if (slept.ok()) continue;
    KillAndWait(pid);
    return slept;
  }
  if (*exit_code == kNotStarted) return absl::UnavailableError("graven cannot be started");
  const auto read = [&folder, &name](const char* suffix) {
    return io::ReadWholeFile(io::PosixFileSystem(), io::JoinPath(folder, name + suffix),
                             kOutputBytesMax);
  };
  ChildOutput output{.exit_code = *exit_code};
  ASSIGN_OR_RETURN(output.out, read(".out"));
  ASSIGN_OR_RETURN(output.err, read(".err"));
  return output;
}

absl::StatusOr<ChildProcess> ChildProcess::Start(const std::string& folder, const std::string& name,
                                                 Interruption& interruption,
                                                 const std::vector<std::string>& arguments) {
  RETURN_IF_ERROR(interruption.Sleep(0));
  ASSIGN_OR_RETURN(const pid_t pid, Spawn(folder, name, arguments, ""));
  return ChildProcess(pid, interruption);
}

bool ChildProcess::IsRunning() {
  if (pid_ == 0) return false;
  if (!ExitCodeNow(pid_)) return true;
  pid_ = 0;
  return false;
}

void ChildProcess::Stop() {
  if (pid_ == 0) return;
  kill(pid_, SIGTERM);
  for (int waited_ms = 0; IsRunning(); waited_ms += kLookAtChildMs) {
    if (waited_ms < kStopPatienceMs && interruption_->Sleep(kLookAtChildMs).ok()) continue;
    KillAndWait(pid_);
    break;
  }
  pid_ = 0;
}

}  // namespace graven::rehearse
