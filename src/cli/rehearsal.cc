#include "cli/rehearsal.h"

#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): mkdtemp

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <optional>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "cli/child_process.h"
#include "cli/lying_door.h"
#include "client/client.h"
#include "fmt/format.h"
#include "http/client.h"
#include "io/durable_file.h"
#include "nlohmann/json.hpp"
#include "note/checkpoint.h"
#include "note/keys.h"
#include "witness/add_checkpoint.h"

namespace graven::cli {
namespace {

namespace files = std::filesystem;
using Json = nlohmann::json;

constexpr int kFirstEvents = 300;
constexpr int kArrivingEventsMax = 600;  // while somebody looks at the page before the attack
constexpr size_t kFlippedFileBytesMax = size_t{1} << 30;
constexpr size_t kReadyBytesMax = size_t{1} << 20;
constexpr const char* kWitnessName = "rehearsal.example/witness";

// Whether a server has the operator's own witnesses configured: an honest one has, and whoever
// attacks leaves them out.
enum class Witnessed { kYes, kNo };

// Whether a server's page stands at the address that the audience was given.
enum class Shown { kNo, kYes };

struct RunningServer {
  ChildProcess process;
  std::string address;
  std::string http;  // URL of its page, when it has one
};

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

// The lines of a short answer as one.
std::string OneLine(const std::string& text) {
  std::string line;
  for (const char c : text.substr(0, 400)) {
    const bool space = c == ' ' || c == '\n';
    if (!space || !line.ends_with(' ')) line += space ? ' ' : c;
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

// A key as part of a URL.
std::string InUrl(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '%' || c == '+' || c == '/' || c == '=') {
      safe += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      safe += c;
    }
  }
  return safe;
}

class Rehearsal {
 public:
  explicit Rehearsal(const RehearsalOptions& options) : options_(options) {}

  ~Rehearsal() {
    std::error_code ignored;
    if (!options_.keep && !work_.empty()) files::remove_all(work_, ignored);
  }

  absl::StatusOr<RehearsalReport> Run() {
    RETURN_IF_ERROR(SetStage());
    switch (options_.attack) {
      case Attack::kFlip:
        RETURN_IF_ERROR(Flip());
        break;
      case Attack::kFork:
        RETURN_IF_ERROR(Fork());
        break;
      case Attack::kRollback:
        RETURN_IF_ERROR(Rollback());
        break;
      case Attack::kWithhold:
        RETURN_IF_ERROR(Withhold());
        break;
    }
    if (options_.keep) report_.folder = work_;
    if (options_.look) RETURN_IF_ERROR(LetAudienceLook());
    return report_;
  }

 private:
  std::string Path(std::string_view name) const { return io::JoinPath(work_, name); }

  absl::Status SetStage() {
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
  absl::Status StartWitness() {
    const std::string ready = Path("witness.ready");
    ASSIGN_OR_RETURN(
        ChildProcess process,
        ChildProcess::Start(work_,
                            {"witness", "--data", Path("witness"), "--name", kWitnessName, "--log",
                             Path("log.vkey"), "--listen", "127.0.0.1:0", "--ready-file", ready}));
    ASSIGN_OR_RETURN(const Json json, WaitUntilReady(process, ready, "http"));
    witness_.emplace(std::move(process));
    witness_url_ = json["http"][0].get<std::string>();
    return io::WriteFileDurably(io::PosixFileSystem(), Path("policy"),
                                fmt::format("witness w {} {}\ngroup g any w\nquorum g\n",
                                            json.value("vkey", ""), witness_url_));
  }

  static absl::Status Copy(const std::string& from, const std::string& to) {
    std::error_code error;
    files::remove_all(to, error);
    files::copy(from, to, files::copy_options::recursive, error);
    return error ? absl::UnavailableError(
                       fmt::format("{} cannot be copied: {}", from, error.message()))
                 : absl::OkStatus();
  }

  absl::StatusOr<ChildOutput> Graven(const std::vector<std::string>& arguments,
                                     const std::string& input = {}) {
    return RunGraven(work_, arguments, input);
  }

  // What it says in its ready file, with at least one address of the kind `door`.
  // kFailedPrecondition: it does not start, and why.
  absl::StatusOr<Json> WaitUntilReady(ChildProcess& process, const std::string& ready,
                                      const char* door) {
    for (int i = 0; i < 6000 && process.IsRunning(); ++i) {
      const auto text = io::ReadWholeFile(io::PosixFileSystem(), ready, kReadyBytesMax);
      Json json = text.ok() ? Json::parse(*text, nullptr, false) : Json();
      if (json.is_object() && json.contains(door) && !json[door].empty()) return json;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    const auto words = io::ReadWholeFile(io::PosixFileSystem(), Path("child.err-server"), 1 << 20);
    return absl::FailedPreconditionError(
        words.ok() ? FirstLine(words->substr(words->size() < 400 ? 0 : words->size() - 400))
                   : std::string("the server does not start"));
  }

  // kFailedPrecondition: it does not start, and why.
  absl::StatusOr<RunningServer> Serve(const std::string& name,
                                      Witnessed witnessed = Witnessed::kYes,
                                      Shown shown = Shown::kNo) {
    const std::string ready = Path(name + ".ready");
    std::vector<std::string> arguments = {"serve",       "--data",       Path(name), "--listen",
                                          "127.0.0.1:0", "--ready-file", ready};
    // Before there is a witness there is no policy either.
    if (witnessed == Witnessed::kYes && witness_) {
      arguments.insert(arguments.end(), {"--policy", Path("policy")});
    }
    const bool has_page = options_.audience.has_value();
    if (has_page) {
      arguments.insert(arguments.end(),
                       {"--http", shown == Shown::kYes ? page_address_ : "127.0.0.1:0"});
    }
    // That of an earlier start must not be taken for this one's.
    std::error_code ignored;
    files::remove(ready, ignored);
    ASSIGN_OR_RETURN(ChildProcess process, ChildProcess::Start(work_, arguments));
    ASSIGN_OR_RETURN(const Json json, WaitUntilReady(process, ready, has_page ? "http" : "grpc"));
    RunningServer server{std::move(process), json["grpc"][0].get<std::string>(), {}};
    if (!has_page) return server;
    server.http = json["http"][0].get<std::string>();
    while (server.http.ends_with('/')) server.http.pop_back();
    if (shown == Shown::kYes) page_address_ = server.http.substr(server.http.find("://") + 3);
    return server;
  }

  // Until the audience says that it has seen enough: a green page, and events that arrive.
  absl::Status LetAudienceSee(const RunningServer& server) {
    if (!options_.audience) return absl::OkStatus();
    options_.audience->invite(
        fmt::format("{}/#/{}/live?pin={}", server.http, options_.log, InUrl(key_->Format())));
    for (int i = 0;; ++i) {
      ASSIGN_OR_RETURN(const bool begin, options_.audience->ready());
      if (begin) return absl::OkStatus();
      if (i >= kArrivingEventsMax) continue;
      RETURN_IF_ERROR(Append(server, 1, "invoice.review"));
      ++arrived_;
    }
  }

  // The attacked log, at the address that the audience knows.
  absl::Status LetAudienceLook() {
    const bool flip = options_.attack == Attack::kFlip;
    ASSIGN_OR_RETURN(RunningServer server,
                     Serve(attacked_, Witnessed::kNo, flip ? Shown::kNo : Shown::kYes));
    std::unique_ptr<LyingDoor> door;
    if (flip) {
      // The server itself found the damage and shows nothing; so what it shows is changed instead.
      RETURN_IF_ERROR(Append(server, 20, "invoice.approve"));
      ASSIGN_OR_RETURN(const std::string note, NewestNote(server.address, "published"));
      ASSIGN_OR_RETURN(const note::Checkpoint newest, note::OpenCheckpoint(note, *key_));
      const uint64_t index = newest.size.value - 10;
      ASSIGN_OR_RETURN(door, LyingDoor::Open(page_address_, server.http, options_.log, index));
      report_.done += fmt::format("; on the page, one bit of record {}", index);
    }
    options_.look(report_);
    return absl::OkStatus();
  }

  absl::Status Append(const RunningServer& server, int count, std::string_view action) {
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

  absl::StatusOr<std::string> NewestNote(const std::string& address, const std::string& level) {
    ASSIGN_OR_RETURN(const ChildOutput done, Graven({"checkpoint", "--server", address, "--log",
                                                     options_.log, "--level", level}));
    if (done.exit_code != 0) return absl::UnavailableError(FirstLine(done.err));
    return done.out;
  }

  absl::Status SaveCheckpoint(const RunningServer& server, const std::string& path) {
    ASSIGN_OR_RETURN(const std::string note, NewestNote(server.address, "published"));
    return io::WriteFileDurably(io::PosixFileSystem(), path, note);
  }

  // What the log has signed is cosigned before the attack begins.
  absl::Status LetWitnessSee(const RunningServer& server) {
    ASSIGN_OR_RETURN(const std::string signed_note, NewestNote(server.address, "published"));
    ASSIGN_OR_RETURN(const note::Checkpoint newest, note::OpenCheckpoint(signed_note, *key_));
    for (int i = 0; i < 300; ++i) {
      const auto cosigned = NewestNote(server.address, "cosigned");
      const auto seen = cosigned.ok() ? note::OpenCheckpoint(*cosigned, *key_)
                                      : absl::StatusOr<note::Checkpoint>(cosigned.status());
      if (seen.ok() && seen->size >= newest.size) return absl::OkStatus();
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return absl::UnavailableError("the witness does not cosign");
  }

  // A look before the attack: an honest log has no findings.
  absl::Status LetAllSee(const RunningServer& server) {
    RETURN_IF_ERROR(LetWitnessSee(server));
    ASSIGN_OR_RETURN(const ChildOutput done, Monitor(server.address, {}));
    if (done.exit_code == 0) return absl::OkStatus();
    return absl::FailedPreconditionError(
        fmt::format("the log is not in order before any attack: {}",
                    FirstLine(done.out.empty() ? done.err : done.out)));
  }

  absl::StatusOr<ChildOutput> Monitor(const std::string& address,
                                      const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {
        "monitor", "--key", Path("log.vkey"), "--data", Path("monitor"), "--once", "--server",
        address,   "--log", options_.log,     "--json", "--patience",    "0",      "--every",
        "0.1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Graven(arguments);
  }

  absl::Status AskMonitor(const std::string& address, const std::vector<std::string>& more = {}) {
    ASSIGN_OR_RETURN(const ChildOutput done, Monitor(address, more));
    Sighting sighting{.who = "monitor"};
    for (size_t begin = 0; begin < done.out.size();) {
      const size_t end = std::min(done.out.find('\n', begin), done.out.size());
      const Json line = Json::parse(done.out.substr(begin, end - begin), nullptr, false);
      begin = end + 1;
      if (!line.is_object() || !line.contains("finding")) continue;
      sighting.caught = true;
      if (!sighting.words.empty()) sighting.words += "; ";
      sighting.words += line.value("message", "");
      if (line.contains("evidence")) RETURN_IF_ERROR(CheckEvidence(line.value("evidence", "")));
    }
    if (!sighting.caught)
      sighting.words =
          done.exit_code == 0 ? "nothing: the log fits all that it saw" : FirstLine(done.err);
    report_.sightings.push_back(std::move(sighting));
    return absl::OkStatus();
  }

  // As somebody would who has only the file and the log's key.
  absl::Status CheckEvidence(const std::string& path) {
    ASSIGN_OR_RETURN(const ChildOutput done,
                     Graven({"verify", "--evidence", path, "--key", Path("log.vkey"), "--json"}));
    const Json judged = Json::parse(done.out, nullptr, false);
    if (!judged.is_object()) return absl::InternalError("verify --evidence gave no verdict");
    const std::string verdict = judged.value("verdict", "");
    if (report_.evidence.empty() || verdict == "FORK_PROVEN")
      report_.evidence = fmt::format("{}: {}", verdict, judged.value("because", ""));
    return absl::OkStatus();
  }

  std::string WitnessUrl(std::string_view path) const {
    return fmt::format("{}{}{}", witness_url_, witness_url_.ends_with('/') ? "" : "/", path);
  }

  // The checkpoint that the witness cosigned last, as it shows it to anybody.
  absl::StatusOr<note::Checkpoint> SeenByWitness() {
    ASSIGN_OR_RETURN(
        const http::FetchResponse shown,
        http::Fetch({.url = WitnessUrl(HexEncode(Sha256(key_->name())) + "/checkpoint")}));
    if (shown.status != 200) {
      return absl::UnavailableError(fmt::format("the witness answers {}", shown.status));
    }
    return note::OpenCheckpoint(shown.body, *key_);
  }

  // Holds what a log shows against what the witness remembers, or has the log ask for its
  // cosignature, which nobody who wants this witness can do without.
  absl::Status AskWitness(const std::string& address) {
    const auto note = NewestNote(address, "published");
    // A server that found the damage itself shows nothing.
    if (!note.ok()) return AskWitnessAlone();
    ASSIGN_OR_RETURN(const note::Checkpoint seen, SeenByWitness());
    ASSIGN_OR_RETURN(const note::Checkpoint shown, note::OpenCheckpoint(*note, *key_));
    Sighting sighting{.who = "witness"};
    if (seen.size > shown.size || (seen.size == shown.size && seen.root != shown.root)) {
      sighting.caught = true;
      sighting.words = fmt::format(
          "it has cosigned a tree of {} records, signed by the log's key; this log shows {} {}",
          seen.size.value, seen.size > shown.size ? "only" : "another of", shown.size.value);
    } else if (seen.size == shown.size) {
      sighting.words = fmt::format(
          "nothing: the {} records that the log shows are the tree that it cosigned; it sees no "
          "records",
          seen.size.value);
    } else {
      ASSIGN_OR_RETURN(sighting, AskToCosign(address, seen, shown, *note));
    }
    report_.sightings.push_back(std::move(sighting));
    return absl::OkStatus();
  }

  absl::StatusOr<Sighting> AskToCosign(const std::string& address, const note::Checkpoint& seen,
                                       const note::Checkpoint& shown, const std::string& note) {
    ASSIGN_OR_RETURN(const auto client, client::Client::Connect({.address = address}));
    ASSIGN_OR_RETURN(const v1::GetConsistencyProofResponse proof,
                     client->GetConsistencyProof(seen.size, shown.size, options_.log));
    witness::AddCheckpoint request{seen.size, {}, note};
    for (const std::string& hash : proof.hashes()) request.proof.push_back(Hash::FromBytes(hash));
    ASSIGN_OR_RETURN(const http::FetchResponse answer,
                     http::Fetch({.method = "POST",
                                  .url = WitnessUrl("add-checkpoint"),
                                  .headers = {{"Content-Type", "text/plain; charset=utf-8"}},
                                  .body = witness::FormatAddCheckpoint(request)}));
    if (answer.status == 200) {
      return Sighting{"witness", false,
                      fmt::format("nothing: it cosigned the tree of {} records, which continues "
                                  "the {} that it knew",
                                  shown.size.value, seen.size.value)};
    }
    return Sighting{"witness", true,
                    fmt::format("refuses to cosign: the signed tree of {} records does not "
                                "continue the one of {} that it cosigned ({})",
                                shown.size.value, seen.size.value, answer.status)};
  }

  // The witness alone, when there is no log to ask.
  absl::Status AskWitnessAlone() {
    ASSIGN_OR_RETURN(const note::Checkpoint seen, SeenByWitness());
    report_.sightings.push_back(
        {"witness", false,
         fmt::format("nothing: it shows the tree of {} records that the log signed, against which "
                     "what is stored now can be held; it sees no records",
                     seen.size.value)});
    return absl::OkStatus();
  }

  // An honest server asks its witnesses before it signs.
  absl::Status AskServer(const std::string& name) {
    ASSIGN_OR_RETURN(RunningServer server, Serve(name));
    ASSIGN_OR_RETURN(const ChildOutput done,
                     Graven({"status", "--server", server.address, "--json"}));
    const Json json = Json::parse(done.out, nullptr, false);
    if (!json.is_object()) return absl::UnavailableError(FirstLine(done.err));
    const bool stopped = json.value("state", "") != "SERVER_STATE_SERVING";
    report_.sightings.push_back({"server", stopped,
                                 stopped ? OneLine(json.value("state_reason", ""))
                                         : std::string("nothing: it goes on signing")});
    return absl::OkStatus();
  }

  absl::Status AskVerify(const std::string& name) {
    ASSIGN_OR_RETURN(const ChildOutput done,
                     Graven({"verify", "--data", Path(name), "--key", Path("log.vkey")}));
    const std::string said = OneLine(done.out.empty() ? done.err : done.out);
    report_.sightings.push_back(
        {"verify", done.exit_code == 1,
         done.exit_code == 0
             ? "nothing: the folder agrees with itself and with its key, and it is the key's owner "
               "who lies"
             : said});
    return absl::OkStatus();
  }

  // Asks a log that may not even start.
  absl::Status ServeAndAskMonitor(const std::string& name) {
    auto server = Serve(name);
    if (absl::IsFailedPrecondition(server.status())) {
      report_.sightings.push_back({"server", true, std::string(server.status().message())});
      return AskWitnessAlone();
    }
    RETURN_IF_ERROR(server.status());
    RETURN_IF_ERROR(AskMonitor(server->address));
    return AskWitness(server->address);
  }

  absl::Status Flip() {
    {
      ASSIGN_OR_RETURN(RunningServer server, Serve("log", Witnessed::kYes, Shown::kYes));
      RETURN_IF_ERROR(LetAudienceSee(server));
      RETURN_IF_ERROR(LetAllSee(server));
    }
    attacked_ = "shown";
    if (options_.audience) RETURN_IF_ERROR(Copy(Path("log"), Path(attacked_)));
    RETURN_IF_ERROR(FlipOneBit(Path("log")));
    RETURN_IF_ERROR(AskVerify("log"));
    return ServeAndAskMonitor("log");
  }

  // In the middle of what the largest file of records holds.
  absl::Status FlipOneBit(const std::string& folder) {
    std::string largest;
    std::string content;
    size_t used_most = 0;
    std::error_code error;
    for (const auto& entry : files::recursive_directory_iterator(folder, error)) {
      const std::string parent = entry.path().parent_path().filename().string();
      if (!entry.is_regular_file(error) || (parent != "journal" && parent != "segments")) continue;
      auto bytes =
          io::ReadWholeFile(io::PosixFileSystem(), entry.path().string(), kFlippedFileBytesMax);
      if (!bytes.ok()) continue;
      const size_t last = bytes->find_last_not_of('\0');
      const size_t used = last == bytes->npos ? 0 : last + 1;
      if (used <= used_most) continue;
      used_most = used;
      largest = entry.path().string();
      content = *std::move(bytes);
    }
    if (used_most == 0) return absl::NotFoundError("the folder holds no records");
    const size_t at = used_most / 2;
    const char flipped = static_cast<char>(content[at] ^ 1);
    ASSIGN_OR_RETURN(const auto file,
                     io::PosixFileSystem().Open(largest, io::OpenMode::kReadWrite));
    RETURN_IF_ERROR(file->WriteAt(at, std::string_view(&flipped, 1)));
    report_.done = fmt::format("flipped one bit at offset {} of {}", at,
                               files::relative(largest, folder, error).string());
    return absl::OkStatus();
  }

  absl::Status Fork() {
    RETURN_IF_ERROR(Copy(Path("log"), Path("other")));
    {
      ASSIGN_OR_RETURN(RunningServer server, Serve("log", Witnessed::kYes, Shown::kYes));
      RETURN_IF_ERROR(Append(server, 20, "invoice.reject"));
      RETURN_IF_ERROR(LetAudienceSee(server));
      RETURN_IF_ERROR(LetAllSee(server));
    }
    attacked_ = "other";
    ASSIGN_OR_RETURN(RunningServer other, Serve("other", Witnessed::kNo, Shown::kYes));
    // A longer history: a shorter one would be a rollback.
    RETURN_IF_ERROR(Append(other, 40 + arrived_, "invoice.approve"));
    report_.done =
        "signed two histories with the log's key: one for the monitor, another for the others";
    RETURN_IF_ERROR(AskMonitor(other.address));
    RETURN_IF_ERROR(AskWitness(other.address));
    other.process.Stop();
    return AskVerify("other");
  }

  absl::Status Rollback() {
    RETURN_IF_ERROR(Copy(Path("log"), Path("before")));
    {
      ASSIGN_OR_RETURN(RunningServer server, Serve("log", Witnessed::kYes, Shown::kYes));
      RETURN_IF_ERROR(Append(server, 20, "secret.leak"));
      RETURN_IF_ERROR(LetAudienceSee(server));
      RETURN_IF_ERROR(LetAllSee(server));
    }
    RETURN_IF_ERROR(Copy(Path("before"), Path("log")));
    attacked_ = "log";
    ASSIGN_OR_RETURN(RunningServer server, Serve("log", Witnessed::kNo, Shown::kYes));
    report_.done = fmt::format("put back the data folder, guard and all, as it was {} events ago",
                               20 + arrived_);
    RETURN_IF_ERROR(AskMonitor(server.address));
    RETURN_IF_ERROR(AskWitness(server.address));
    server.process.Stop();
    RETURN_IF_ERROR(AskServer("log"));
    return AskVerify("log");
  }

  absl::Status Withhold() {
    RETURN_IF_ERROR(Copy(Path("log"), Path("before")));
    {
      ASSIGN_OR_RETURN(RunningServer server, Serve("before"));
      RETURN_IF_ERROR(LetAllSee(server));
    }
    {
      ASSIGN_OR_RETURN(RunningServer server, Serve("log", Witnessed::kYes, Shown::kYes));
      RETURN_IF_ERROR(Append(server, 20, "secret.leak"));
      RETURN_IF_ERROR(LetAudienceSee(server));
      RETURN_IF_ERROR(LetWitnessSee(server));
      RETURN_IF_ERROR(SaveCheckpoint(server, Path("clients.note")));
    }
    attacked_ = "before";
    ASSIGN_OR_RETURN(RunningServer server, Serve("before", Witnessed::kNo, Shown::kYes));
    report_.done = fmt::format(
        "signed {} events more, gave the checkpoint to a client, and shows the others none of them",
        20 + arrived_);
    RETURN_IF_ERROR(AskMonitor(server.address, {"--checkpoint", Path("clients.note")}));
    RETURN_IF_ERROR(AskWitness(server.address));
    server.process.Stop();
    return AskVerify("before");
  }

  const RehearsalOptions& options_;
  std::string work_;
  std::optional<note::VerifierKey> key_;
  std::string witness_url_;
  std::optional<ChildProcess> witness_;
  std::string attacked_;  // folder that the page shows in the end
  std::string page_address_ = "127.0.0.1:0";
  int arrived_ = 0;  // events while the audience looked
  RehearsalReport report_;
};

}  // namespace

bool RehearsalReport::caught() const {
  return std::any_of(sightings.begin(), sightings.end(),
                     [](const Sighting& sighting) { return sighting.caught; });
}

absl::StatusOr<RehearsalReport> Rehearse(const RehearsalOptions& options) {
  return Rehearsal(options).Run();
}

}  // namespace graven::cli
