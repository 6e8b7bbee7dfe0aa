#include "rehearse/onlookers.h"

#include <algorithm>
#include <utility>

#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "client/client.h"
#include "fmt/format.h"
#include "http/client.h"
#include "nlohmann/json.hpp"
#include "witness/add_checkpoint.h"

namespace graven::rehearse {
namespace {

using Json = nlohmann::json;

}  // namespace

absl::Status Onlookers::LetWitnessSee(const RunningServer& server) {
  ASSIGN_OR_RETURN(const std::string signed_note, stage_.NewestNote(server.address, "published"));
  ASSIGN_OR_RETURN(const note::Checkpoint newest, note::OpenCheckpoint(signed_note, stage_.key()));
  for (int i = 0; i < 300; ++i) {
    const auto cosigned = stage_.NewestNote(server.address, "cosigned");
    const auto seen = cosigned.ok() ? note::OpenCheckpoint(*cosigned, stage_.key())
                                    : absl::StatusOr<note::Checkpoint>(cosigned.status());
    if (seen.ok() && seen->size >= newest.size) return absl::OkStatus();
    RETURN_IF_ERROR(stage_.interruption().Sleep(50));
  }
  return absl::UnavailableError("the witness does not cosign");
}

absl::Status Onlookers::LetAllSee(const RunningServer& server) {
  RETURN_IF_ERROR(LetWitnessSee(server));
  ASSIGN_OR_RETURN(const ChildOutput done, Monitor(server.address, {}));
  if (done.exit_code == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("the log is not in order before any attack: {}",
                  FirstLine(done.out.empty() ? done.err : done.out)));
}

absl::StatusOr<ChildOutput> Onlookers::Monitor(const std::string& address,
                                               const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {
      "monitor", "--key", stage_.key_file(), "--data", stage_.Path("monitor"), "--once", "--server",
      address,   "--log", stage_.log(),      "--json", "--patience",           "0",      "--every",
      "0.1"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return stage_.Graven(arguments);
}

absl::Status Onlookers::AskMonitor(const std::string& address,
                                   const std::vector<std::string>& more) {
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
absl::Status Onlookers::CheckEvidence(const std::string& path) {
  ASSIGN_OR_RETURN(const ChildOutput done, stage_.Graven({"verify", "--evidence", path, "--key",
                                                          stage_.key_file(), "--json"}));
  const Json judged = Json::parse(done.out, nullptr, false);
  if (!judged.is_object()) return absl::InternalError("verify --evidence gave no verdict");
  const std::string verdict = judged.value("verdict", "");
  if (report_.evidence.empty() || verdict == "FORK_PROVEN")
    report_.evidence = fmt::format("{}: {}", verdict, judged.value("because", ""));
  return absl::OkStatus();
}

// The checkpoint that the witness cosigned last, as it shows it to anybody.
absl::StatusOr<note::Checkpoint> Onlookers::SeenByWitness() {
  ASSIGN_OR_RETURN(const http::FetchResponse shown,
                   http::Fetch({.url = stage_.WitnessUrl(HexEncode(Sha256(stage_.key().name())) +
                                                         "/checkpoint")}));
  if (shown.status != 200) {
    return absl::UnavailableError(fmt::format("the witness answers {}", shown.status));
  }
  return note::OpenCheckpoint(shown.body, stage_.key());
}

absl::Status Onlookers::AskWitness(const std::string& address) {
  const auto note = stage_.NewestNote(address, "published");
  // A server that found the damage itself shows nothing.
  if (!note.ok()) return AskWitnessAlone();
  ASSIGN_OR_RETURN(const note::Checkpoint seen, SeenByWitness());
  ASSIGN_OR_RETURN(const note::Checkpoint shown, note::OpenCheckpoint(*note, stage_.key()));
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

absl::StatusOr<Sighting> Onlookers::AskToCosign(const std::string& address,
                                                const note::Checkpoint& seen,
                                                const note::Checkpoint& shown,
                                                const std::string& note) {
  ASSIGN_OR_RETURN(const auto client, client::Client::Connect({.address = address}));
  ASSIGN_OR_RETURN(const v1::GetConsistencyProofResponse proof,
                   client->GetConsistencyProof(seen.size, shown.size, stage_.log()));
  witness::AddCheckpoint request{seen.size, {}, note};
  for (const std::string& hash : proof.hashes()) request.proof.push_back(Hash::FromBytes(hash));
  ASSIGN_OR_RETURN(const http::FetchResponse answer,
                   http::Fetch({.method = "POST",
                                .url = stage_.WitnessUrl("add-checkpoint"),
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
absl::Status Onlookers::AskWitnessAlone() {
  ASSIGN_OR_RETURN(const note::Checkpoint seen, SeenByWitness());
  report_.sightings.push_back(
      {"witness", false,
       fmt::format("nothing: it shows the tree of {} records that the log signed, against which "
                   "what is stored now can be held; it sees no records",
                   seen.size.value)});
  return absl::OkStatus();
}

absl::Status Onlookers::AskServer(const std::string& name) {
  ASSIGN_OR_RETURN(RunningServer server, stage_.Serve(name));
  ASSIGN_OR_RETURN(const ChildOutput done,
                   stage_.Graven({"status", "--server", server.address, "--json"}));
  const Json json = Json::parse(done.out, nullptr, false);
  if (!json.is_object()) return absl::UnavailableError(FirstLine(done.err));
  const bool stopped = json.value("state", "") != "SERVER_STATE_SERVING";
  report_.sightings.push_back({"server", stopped,
                               stopped ? OneLine(json.value("state_reason", ""))
                                       : std::string("nothing: it goes on signing")});
  return absl::OkStatus();
}

absl::Status Onlookers::AskVerify(const std::string& name) {
  ASSIGN_OR_RETURN(const ChildOutput done,
                   stage_.Graven({"verify", "--data", stage_.Path(name), "--log", stage_.log(),
                                  "--key", stage_.key_file(), "--json"}));
  const Json json = Json::parse(done.out, nullptr, false);
  const bool judged = json.is_object() && json.contains("logs") && json["logs"].size() == 1;
  const Json log = judged ? json["logs"][0] : Json::object();
  const std::string verdict = log.value("verdict", "");
  if (verdict == "OK") {
    report_.sightings.push_back(
        {"verify", false,
         "nothing: the folder agrees with itself and with its key, and it is the key's owner who "
         "lies"});
    return absl::OkStatus();
  }
  if (verdict != "BAD" || log.value("code", "") != "DATA_LOSS")
    return absl::UnavailableError(
        fmt::format("verify gives no verdict: {}", OneLine(done.out + done.err)));
  std::string words = log.value("reason", "");
  if (log.contains("first_bad_index"))
    words = fmt::format("the first bad record is {}: {}", log["first_bad_index"].get<uint64_t>(),
                        words);
  report_.sightings.push_back({"verify", true, OneLine(words)});
  return absl::OkStatus();
}

absl::Status Onlookers::AskStorage(const std::string& address) {
  ASSIGN_OR_RETURN(const ChildOutput done,
                   stage_.Graven({"logs", "show", stage_.log(), "--server", address, "--json"}));
  const Json json = Json::parse(done.out, nullptr, false);
  if (!json.is_object()) return absl::UnavailableError(FirstLine(done.err));
  const bool damaged = json.value("state", "") == "READ_ONLY";
  report_.sightings.push_back(
      {"server", damaged,
       damaged ? OneLine(json.value("state_reason", ""))
               : std::string("nothing yet: what is sealed it reads again when its scrubber comes "
                             "to it")});
  return absl::OkStatus();
}

}  // namespace graven::rehearse
