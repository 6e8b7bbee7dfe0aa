#include "rehearse/stage.h"

#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): mkdtemp

#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/clock.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "nlohmann/json.hpp"
#include "store/data_folder.h"

namespace graven::rehearse {
namespace {

namespace files = std::filesystem;
using Json = nlohmann::json;

constexpr int kFirstEvents = 300;
constexpr size_t kReadyBytesMax = size_t{1} << 20;
constexpr int kLookMs = 10;
constexpr int kReadyPatienceMs = 60'000;
constexpr int kPublishPatienceMs = 10'000;
constexpr const char* kWitnessName = "rehearsal.example/witness";

// The last line that a server which did not start has written: why.
std::string LastLine(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

}  // namespace

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string OneLine(const std::string& text) {
  std::string line;
  for (const char c : text.substr(0, 400)) {
    const bool space = c == ' ' || c == '\n';
    if (!space || !line.ends_with(' ')) line += space ? ' ' : c;
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

absl::StatusOr<std::unique_ptr<Stage>> Stage::Set(StageOptions options,
                                                  Interruption& interruption) {
  std::unique_ptr<Stage> stage(new Stage(std::move(options), interruption));
  RETURN_IF_ERROR(stage->SetUp());
  return stage;
}

Stage::~Stage() {
  witness_.reset();  // it writes into the folder
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
    RETURN_IF_ERROR(CopyData());
  }
  ASSIGN_OR_RETURN(const ChildOutput key,
                   Graven({"keys", "show", "--data", Path("log"), "--log", options_.log}));
  if (key.exit_code != 0) return absl::NotFoundError(FirstLine(key.err));
  RETURN_IF_ERROR(io::WriteFileDurably(io::PosixFileSystem(), Path("log.vkey"), key.out));
  ASSIGN_OR_RETURN(key_, note::VerifierKey::Parse(FirstLine(key.out)));
  return StartWitness();
}

absl::Status Stage::CopyData() const {
  RETURN_IF_ERROR(store::CheckDataFolder(io::PosixFileSystem(), store::DataPaths(options_.data)));
  // A copy of a folder that is being written would be torn.
  ASSIGN_OR_RETURN(const auto lock,
                   io::PosixFileSystem().Lock(io::JoinPath(options_.data, "lock")));
  RETURN_IF_ERROR(Copy(options_.data, Path("log")));
  const std::string guard = io::JoinPath(Path("log"), "guard");
  if (!options_.guard.empty()) return Copy(options_.guard, guard);
  std::error_code error;
  if (files::exists(guard, error)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("{} holds no guard: it lies elsewhere, say where with --guard", options_.data));
}

// One that knows this log and nothing of the others, and a policy that asks for it.
absl::Status Stage::StartWitness() {
  const std::string ready = Path("witness.ready");
  ASSIGN_OR_RETURN(
      ChildProcess process,
      ChildProcess::Start(work_, "witness-process", interruption_,
                          {"witness", "--data", Path("witness"), "--name", kWitnessName, "--log",
                           Path("log.vkey"), "--listen", "127.0.0.1:0", "--ready-file", ready}));
  ASSIGN_OR_RETURN(const std::string said, WaitUntilReady(process, "witness-process", ready));
  const Json json = Json::parse(said, nullptr, false);
  if (!json.is_object() || !json.contains("http") || json["http"].empty())
    return absl::FailedPreconditionError("the witness does not say where it listens");
  witness_.emplace(std::move(process));
  witness_url_ = json["http"][0].get<std::string>();
  return io::WriteFileDurably(io::PosixFileSystem(), Path("policy"),
                              fmt::format("witness w {} {}\ngroup g any w\nquorum g\n",
                                          json.value("vkey", ""), witness_url_));
}

absl::StatusOr<std::string> Stage::WaitUntilReady(ChildProcess& process, const std::string& name,
                                                  const std::string& ready) const {
  for (int waited_ms = 0; process.IsRunning() && waited_ms < kReadyPatienceMs;
       waited_ms += kLookMs) {
    auto text = io::ReadWholeFile(io::PosixFileSystem(), ready, kReadyBytesMax);
    if (text.ok() && !text->empty()) return text;
    RETURN_IF_ERROR(interruption_.Sleep(kLookMs));
  }
  const auto words = io::ReadWholeFile(io::PosixFileSystem(), Path(name + ".err"), kReadyBytesMax);
  const std::string last = words.ok() ? LastLine(*words) : std::string();
  return absl::FailedPreconditionError(last.empty() ? "it does not start" : last);
}

absl::Status Stage::Copy(const std::string& from, const std::string& to) const {
  std::error_code error;
  files::remove_all(to, error);
  absl::Status copied = CopyEntry(from, to);
  if (copied.ok() || absl::IsCancelled(copied)) return copied;
  return absl::UnavailableError(
      fmt::format("{} cannot be copied: {}", from, std::string(copied.message())));
}

// File by file, so that an interruption need not wait for all of a large folder.
absl::Status Stage::CopyEntry(const files::path& from, const files::path& to) const {
  RETURN_IF_ERROR(interruption_.Sleep(0));
  std::error_code error;
  if (!files::is_directory(from, error)) {
    if (files::copy_file(from, to, error); !error) return absl::OkStatus();
    return absl::UnavailableError(fmt::format("{}: {}", from.string(), error.message()));
  }
  files::create_directory(to, from, error);  // with its permissions
  files::directory_iterator entries(from, error);
  for (; !error && entries != files::directory_iterator(); entries.increment(error))
    RETURN_IF_ERROR(CopyEntry(entries->path(), to / entries->path().filename()));
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(fmt::format("{}: {}", from.string(), error.message()));
}

absl::StatusOr<ChildOutput> Stage::Graven(const std::vector<std::string>& arguments,
                                          const std::string& input) const {
  return RunGraven(work_, interruption_, arguments, input);
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
  ASSIGN_OR_RETURN(ChildProcess process,
                   ChildProcess::Start(work_, "server", interruption_, arguments));
  ASSIGN_OR_RETURN(const std::string said, WaitUntilReady(process, "server", ready));
  const Json json = Json::parse(said, nullptr, false);
  for (const char* const door : {"grpc", "http"}) {
    const bool needed = has_page || door == std::string_view("grpc");
    if (needed && (!json.is_object() || !json.contains(door) || json[door].empty()))
      return absl::FailedPreconditionError("the server does not say where it listens");
  }
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
  for (int waited_ms = 0; waited_ms < kPublishPatienceMs; waited_ms += kLookMs) {
    ASSIGN_OR_RETURN(const ChildOutput shown,
                     Graven({"logs", "show", options_.log, "--server", server.address, "--json"}));
    const Json log = Json::parse(shown.out, nullptr, false);
    if (log.is_object() && log.contains("durable_size") && log.contains("published_size") &&
        log["durable_size"] == log["published_size"])
      return absl::OkStatus();
    RETURN_IF_ERROR(interruption_.Sleep(kLookMs));
  }
  return absl::UnavailableError("what was appended is not published");
}

absl::StatusOr<std::string> Stage::Record(const std::string& address, LogIndex index) const {
  ASSIGN_OR_RETURN(const ChildOutput done,
                   Graven({"show", fmt::format("{}", index.value), "--server", address, "--log",
                           options_.log, "--json"}));
  const Json json = Json::parse(done.out, nullptr, false);
  const bool shown = json.is_object() && json.contains("record") && json["record"].is_string();
  const auto record = shown ? Base64Decode(json["record"].get<std::string>()) : std::nullopt;
  if (!record) return absl::UnavailableError(FirstLine(done.err));
  return *record;
}

absl::StatusOr<std::string> Stage::NewestNote(const std::string& address,
                                              const std::string& level) const {
  ASSIGN_OR_RETURN(const ChildOutput done, Graven({"checkpoint", "--server", address, "--log",
                                                   options_.log, "--level", level}));
  if (done.exit_code != 0) return absl::UnavailableError(FirstLine(done.err));
  return done.out;
}

}  // namespace graven::rehearse
