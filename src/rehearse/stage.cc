#include "rehearse/stage.h"

#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): mkdtemp

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "nlohmann/json.hpp"

namespace graven::rehearse {
namespace {

namespace files = std::filesystem;
using Json = nlohmann::json;

constexpr int kFirstEvents = 300;
constexpr size_t kReadyBytesMax = size_t{1} << 20;
// Where child_process.h puts what the servers say.
constexpr const char* kServerWords = "child.err-server";
constexpr const char* kWitnessName = "rehearsal.example/witness";

// What it says in its ready file, with at least one address of the kind `door`.
// kFailedPrecondition: it does not start, and why.
absl::StatusOr<Json> WaitUntilReady(ChildProcess& process, const std::string& errors,
                                    const std::string& ready, const char* door) {
  for (int i = 0; i < 6000 && process.IsRunning(); ++i) {
    const auto text = io::ReadWholeFile(io::PosixFileSystem(), ready, kReadyBytesMax);
    Json json = text.ok() ? Json::parse(*text, nullptr, false) : Json();
    if (json.is_object() && json.contains(door) && !json[door].empty()) return json;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const auto words = io::ReadWholeFile(io::PosixFileSystem(), errors, 1 << 20);
  return absl::FailedPreconditionError(
      words.ok() ? FirstLine(words->substr(words->size() < 400 ? 0 : words->size() - 400))
                 : std::string("the server does not start"));
}

}  // namespace

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

absl::StatusOr<std::unique_ptr<Stage>> Stage::Set(StageOptions options) {
  std::unique_ptr<Stage> stage(new Stage(std::move(options)));
  RETURN_IF_ERROR(stage->SetUp());
  return stage;
}

Stage::~Stage() {
  std::error_code ignored;
  if (!options_.keep && !work_.empty()) files::remove_all(work_, ignored);
}

std::string Stage::Path(std::string_view name) const { return io::JoinPath(work_, name); }

std::string Stage::WitnessUrl(std::string_view path) const {
  return fmt::format("{}{}{}", witness_url_, witness_url_.ends_with('/') ? "" : "/", path);
}

absl::Status Stage::SetUp() {
  std::error_code error;
  std::string pattern = (files::temp_directory_path(error) / "graven-rehearse-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr)
    return absl::ErrnoToStatus(errno, "no folder for the rehearsal");
  work_ = pattern;
  if (options_.data.empty()) {
    ASSIGN_OR_RETURN(RunningServer server, Serve("log"));
    RETURN_IF_ERROR(Append(server, kFirstEvents, "invoice.approve"));
  } else {
    // A copy of a folder that is being written would be torn.
    const auto lock = io::PosixFileSystem().Lock(io::JoinPath(options_.data, "lock"));
    RETURN_IF_ERROR(lock.status());
    RETURN_IF_ERROR(Copy(options_.data, Path("log")));
  }
  ASSIGN_OR_RETURN(const ChildOutput key,
                   Graven({"keys", "show", "--data", Path("log"), "--log", options_.log}));
  if (key.exit_code != 0) return absl::NotFoundError(FirstLine(key.err));
  RETURN_IF_ERROR(io::WriteFileDurably(io::PosixFileSystem(), Path("log.vkey"), key.out));
  ASSIGN_OR_RETURN(key_, note::VerifierKey::Parse(FirstLine(key.out)));
  return StartWitness();
}

// One that knows this log and nothing of the others, and a policy that asks for it.
absl::Status Stage::StartWitness() {
  const std::string ready = Path("witness.ready");
  ASSIGN_OR_RETURN(ChildProcess process,
                   ChildProcess::Start(work_, {"witness", "--data", Path("witness"), "--name",
                                               kWitnessName, "--log", Path("log.vkey"), "--listen",
                                               "127.0.0.1:0", "--ready-file", ready}));
  ASSIGN_OR_RETURN(const Json json, WaitUntilReady(process, Path(kServerWords), ready, "http"));
  witness_.emplace(std::move(process));
  witness_url_ = json["http"][0].get<std::string>();
  return io::WriteFileDurably(io::PosixFileSystem(), Path("policy"),
                              fmt::format("witness w {} {}\ngroup g any w\nquorum g\n",
                                          json.value("vkey", ""), witness_url_));
}

absl::Status Stage::Copy(const std::string& from, const std::string& to) const {
  std::error_code error;
  files::remove_all(to, error);
  files::copy(from, to, files::copy_options::recursive, error);
  return error
             ? absl::UnavailableError(fmt::format("{} cannot be copied: {}", from, error.message()))
             : absl::OkStatus();
}

absl::StatusOr<ChildOutput> Stage::Graven(const std::vector<std::string>& arguments,
                                          const std::string& input) const {
  return RunGraven(work_, arguments, input);
}

absl::StatusOr<RunningServer> Stage::Serve(const std::string& name, Witnessed witnessed,
                                           Shown shown) {
  const std::string ready = Path(name + ".ready");
  std::vector<std::string> arguments = {"serve",       "--data",       Path(name), "--listen",
                                        "127.0.0.1:0", "--ready-file", ready};
  // Before there is a witness there is no policy either.
  if (witnessed == Witnessed::kYes && witness_) {
    arguments.insert(arguments.end(), {"--policy", Path("policy")});
  }
  const bool has_page = options_.pages;
  if (has_page) {
    arguments.insert(arguments.end(),
                     {"--http", shown == Shown::kYes ? page_address_ : "127.0.0.1:0"});
  }
  // That of an earlier start must not be taken for this one's.
  std::error_code ignored;
  files::remove(ready, ignored);
  ASSIGN_OR_RETURN(ChildProcess process, ChildProcess::Start(work_, arguments));
  ASSIGN_OR_RETURN(const Json json,
                   WaitUntilReady(process, Path(kServerWords), ready, has_page ? "http" : "grpc"));
  RunningServer server{std::move(process), json["grpc"][0].get<std::string>(), {}};
  if (!has_page) return server;
  server.http = json["http"][0].get<std::string>();
  while (server.http.ends_with('/')) server.http.pop_back();
  if (shown == Shown::kYes) page_address_ = server.http.substr(server.http.find("://") + 3);
  return server;
}

absl::Status Stage::Append(const RunningServer& server, int count, std::string_view action) const {
  std::string lines;
  // A line that comes again is the same event; these are all new ones.
  for (int i = 0; i < count; ++i)
    lines += fmt::format(R"({{"actor":{{"id":"user-{}"}},"action":"{}","request_id":"{}-{}",)"
                         R"("occurred_at":"2026-01-02T03:04:05Z"}})"
                         "\n",
                         i % 7, action, SystemClock().WallNs(), i);
  ASSIGN_OR_RETURN(
      const ChildOutput done,
      Graven({"append", "--server", server.address, "--log", options_.log, "-"}, lines));
  if (done.exit_code != 0) return absl::UnavailableError(FirstLine(done.err));
  // Published a moment after it is durable.
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  return absl::OkStatus();
}

absl::StatusOr<std::string> Stage::NewestNote(const std::string& address,
                                              const std::string& level) const {
  ASSIGN_OR_RETURN(const ChildOutput done, Graven({"checkpoint", "--server", address, "--log",
                                                   options_.log, "--level", level}));
  if (done.exit_code != 0) return absl::UnavailableError(FirstLine(done.err));
  return done.out;
}

}  // namespace graven::rehearse
