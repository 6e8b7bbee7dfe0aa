#include "web/api_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "engine/error_details.h"
#include "engine/published_reads.h"
#include "json/event_json.h"
#include "json/object_text.h"
#include "scrub/scrubber.h"
#include "web/append_events.h"
#include "web/arguments.h"
#include "web/errors.h"

namespace graven::web {
namespace {

// A page of records ends before it is larger, but for one that is larger alone.
constexpr size_t kPageBytesMax = size_t{1} << 20;
constexpr uint64_t kLogsPageMax = 1000;
// Of the scrubber's findings, and of the words of one; the operational log has all.
constexpr size_t kFindingsShown = 20;
constexpr size_t kWordsBytesMax = 512;

http::Response JsonResponse(std::string body) {
  http::Response response;
  response.content_type = "application/json";
  response.body = std::move(body);
  response.body += '\n';
  response.compressible = true;
  return response;
}

std::string_view StateName(const ledger::LedgerStatus& status) {
  switch (status.write_state) {
    case ledger::WriteState::kActive:
      return "SERVER_STATE_SERVING";
    case ledger::WriteState::kDiskFull:
      return "SERVER_STATE_DISK_FULL";
    case ledger::WriteState::kReadOnly:
    case ledger::WriteState::kStopped:
      return "SERVER_STATE_WRITES_STOPPED";
  }
  return "SERVER_STATE_UNSPECIFIED";
}

std::string LogJson(const ledger::LogInfo& info) {
  json::ObjectText log;
  log.Text("name", info.name).Text("origin", info.origin).Text("vkey", info.vkey);
  log.Uint64("publishedSize", info.published_size.value);
  log.Uint64("durableSize", info.durable_size.value);
  log.TimeNs("createdAt", info.created_at_ns);
  log.Uint64("duplicateWindow", info.duplicate_window);
  log.Bytes("genesisHash", info.genesis_hash.view());
  log.Text("state", info.read_only ? "LOG_STATE_READ_ONLY" : "LOG_STATE_ACTIVE");
  log.Text("stateReason", info.read_only_reason);
  if (info.last_received_at_ns != 0) log.TimeNs("lastReceivedAt", info.last_received_at_ns);
  return log.Finish();
}

std::string FindingJson(const scrub::Finding& finding) {
  json::ObjectText shown;
  shown.Text("kind", scrub::KindText(finding.kind)).Text("log", finding.log);
  if (finding.first_bad) shown.Uint64("firstBadIndex", finding.first_bad->value);
  shown.Text("file", finding.file).Uint64("offset", finding.offset);
  shown.Text("what", SafeText(finding.what, kWordsBytesMax));
  shown.TimeNs("foundAt", finding.found_at_ns);
  return shown.Finish();
}

std::string ScrubJson(const scrub::State& status) {
  json::ObjectText scrub;
  scrub.Uint64("rounds", status.rounds);
  scrub.Raw("progress", fmt::format("{:.4f}", status.progress));
  if (status.last_round_ended_ns != 0) scrub.TimeNs("lastRoundEndedAt", status.last_round_ended_ns);
  scrub.Uint64("bytes", status.bytes).Uint64("records", status.records);
  scrub.Uint64("findingsCount", status.findings_count);
  json::ArrayText findings;
  const size_t shown = std::min(status.findings.size(), kFindingsShown);
  for (size_t i = 0; i < shown; ++i) findings.Raw(FindingJson(status.findings[i]));
  scrub.Raw("findings", findings.Finish());
  return scrub.Finish();
}

std::string WitnessesJson(const std::vector<engine::WitnessFacts>& witnesses) {
  json::ArrayText array;
  for (const engine::WitnessFacts& witness : witnesses) {
    json::ObjectText shown;
    shown.Text("name", witness.name).Uint64("logsCosigned", witness.logs_cosigned);
    shown.Uint64("logsFailing", witness.logs_failing);
    shown.Text("problem", SafeText(witness.problem, kWordsBytesMax));
    array.Raw(shown.Finish());
  }
  return array.Finish();
}

std::string GrpcJson(const GrpcFacts& grpc) {
  json::ObjectText shown;
  shown.Text("host", grpc.host).Small("port", grpc.port).Bool("tls", grpc.tls);
  shown.Bool("token", grpc.token).Bool("clientCertificate", grpc.client_certificate);
  return shown.Finish();
}

std::string HashesJson(const std::vector<Hash>& hashes) {
  json::ArrayText array;
  for (const Hash& hash : hashes) array.Bytes(hash.view());
  return array.Finish();
}

// Part of a path.
absl::StatusOr<uint64_t> IndexOf(std::string_view text) {
  const auto index = ParseDecimal(text);
  if (index && *index < kLogIndexLimit) return *index;
  return engine::InvalidField("index", "must be a decimal number below 2^63");
}

// The handlers. Each call's parameters are those of its pattern.
class Api {
 public:
  explicit Api(ApiParts parts)
      : parts_(std::move(parts)), reads_(parts_.ledger, parts_.hub, parts_.cosigned_hub) {}

  const ApiParts& parts() const { return parts_; }
  absl::StatusOr<http::Response> Status(const Call& call) const;
  absl::StatusOr<http::Response> Logs(const Call& call) const;
  absl::StatusOr<http::Response> Log(const Call& call) const;
  absl::StatusOr<http::Response> Records(const Call& call) const;
  absl::StatusOr<http::Response> Record(const Call& call) const;
  absl::StatusOr<http::Response> TlogProof(const Call& call) const;
  absl::StatusOr<http::Response> Inclusion(const Call& call) const;
  absl::StatusOr<http::Response> Consistency(const Call& call) const;

 private:
  const ApiParts parts_;
  const engine::PublishedReads reads_;
};

absl::StatusOr<http::Response> Api::Status(const Call& call) const {
  RETURN_IF_ERROR(Arguments::Take(call.query, {}).status());
  const ledger::LedgerStatus status = parts_.ledger.status();
  json::ObjectText body;
  body.Text("version", parts_.version).TimeNs("startedAt", parts_.started_at_ns);
  body.Text("state", StateName(status)).Text("stateReason", status.write_state_reason);
  body.Uint64("logCount", status.log_count);
  body.Uint64("queueBytes", parts_.sequencer.queued_bytes());
  body.Uint64("journalBytesUsed", status.journal_bytes_used);
  body.Uint64("journalBytesMax", status.journal_bytes_max);
  body.Uint64("diskFreeBytes", status.disk_free_bytes);
  body.Uint64("diskReserveBytes", status.disk_reserve_bytes);
  body.Uint64("duplicateTableBytes", status.duplicate_table_bytes);
  body.Uint64("duplicateTableBytesMax", status.duplicate_table_bytes_max);
  body.Uint64("eventsAppended", status.events_appended);
  body.Uint64("eventsDuplicate", status.events_duplicate);
  body.Uint64("requestsRefused", status.requests_refused);
  body.Uint64("batches", status.batches);
  body.Uint64("checkpointsSigned", status.checkpoints_signed);
  body.Text("recoveryReport", status.recovery_report);
  body.Raw("scrub", ScrubJson(parts_.scrub.status()));
  body.Raw("witnesses", WitnessesJson(parts_.witnesses ? parts_.witnesses()
                                                       : std::vector<engine::WitnessFacts>()));
  if (parts_.grpc) body.Raw("grpc", GrpcJson(*parts_.grpc));
  return JsonResponse(body.Finish());
}

absl::StatusOr<http::Response> Api::Logs(const Call& call) const {
  ASSIGN_OR_RETURN(const Arguments arguments,
                   Arguments::Take(call.query, {"page_size", "page_token"}));
  ASSIGN_OR_RETURN(const uint64_t asked, arguments.Number("page_size", 0));
  if (asked > kLogsPageMax) {
    return engine::InvalidField("page_size", fmt::format("is {}; at most {}", asked, kLogsPageMax));
  }
  const uint64_t page_size = asked == 0 ? kLogsPageMax : asked;
  // The token is the name of the last log of the page before.
  const std::string after = arguments.Text("page_token").value_or("");
  json::ArrayText logs;
  std::string last;
  std::string next;
  uint64_t count = 0;
  for (const ledger::LogRef log : parts_.ledger.Logs()) {
    if (log.name() <= after) continue;
    if (count == page_size || logs.bytes() > kPageBytesMax) {
      next = last;
      break;
    }
    logs.Raw(LogJson(parts_.ledger.Info(log)));
    last = log.name();
    ++count;
  }
  json::ObjectText body;
  body.Raw("logs", logs.Finish()).Text("nextPageToken", next);
  return JsonResponse(body.Finish());
}

absl::StatusOr<http::Response> Api::Log(const Call& call) const {
  RETURN_IF_ERROR(Arguments::Take(call.query, {}).status());
  ASSIGN_OR_RETURN(const ledger::LogRef log, reads_.FindLog(call.parameters[0]));
  return JsonResponse(LogJson(parts_.ledger.Info(log)));
}

// A record for who reads its bytes himself: as json::RecordJson, and nothing that is read from
// them.
std::string BytesJson(std::string_view record, const Hash& hash) {
  json::ObjectText one;
  one.Bytes("record", record).Bytes("recordHash", hash.view());
  one.Text("recordHashHex", HexEncode(hash));
  return one.Finish();
}

// Says whether `name` is true, and `otherwise` when it is not there.
absl::StatusOr<bool> Choice(const Arguments& arguments, std::string_view name, bool otherwise) {
  const std::string said = arguments.Text(name).value_or(otherwise ? "true" : "false");
  if (said != "true" && said != "false") {
    return engine::InvalidField(name, "must be true or false");
  }
  return said == "true";
}

absl::StatusOr<http::Response> Api::Records(const Call& call) const {
  ASSIGN_OR_RETURN(const Arguments arguments,
                   Arguments::Take(call.query, {"first", "count", "event_id", "parsed"}));
  ASSIGN_OR_RETURN(const bool parsed, Choice(arguments, "parsed", true));
  ASSIGN_OR_RETURN(const ledger::LogRef log, reads_.FindLog(call.parameters[0]));
  ASSIGN_OR_RETURN(uint64_t first, arguments.Number("first", 0));
  ASSIGN_OR_RETURN(uint64_t count, arguments.Number("count", engine::kReadCountDefault));
  if (const auto event_id = arguments.Text("event_id")) {
    if (arguments.Text("first") || arguments.Text("count")) {
      return engine::InvalidField("event_id", "goes without first and count");
    }
    ASSIGN_OR_RETURN(const LogIndex index, reads_.FindEvent(log, *event_id));
    first = index.value;
    count = 1;
  }
  if (count == 0) return engine::InvalidField("count", "must be at least 1");
  json::ArrayText records;
  uint64_t next = first;
  RETURN_IF_ERROR(
      reads_.Read(log, first, count, [&](LogIndex, std::string_view record, const Hash& hash) {
        const std::string one =
            parsed ? json::RecordJson(parts_.types, record, hash) : BytesJson(record, hash);
        if (next > first && records.bytes() + one.size() > kPageBytesMax) return false;
        records.Raw(one);
        ++next;
        return true;
      }));
  json::ObjectText body;
  body.Raw("records", records.Finish()).Uint64("nextIndex", next);
  body.Uint64("publishedSize", parts_.ledger.GetPublished(log)->size.value);
  return JsonResponse(body.Finish());
}

absl::StatusOr<http::Response> Api::Record(const Call& call) const {
  RETURN_IF_ERROR(Arguments::Take(call.query, {}).status());
  ASSIGN_OR_RETURN(const ledger::LogRef log, reads_.FindLog(call.parameters[0]));
  ASSIGN_OR_RETURN(const uint64_t index, IndexOf(call.parameters[1]));
  std::string body;
  RETURN_IF_ERROR(
      reads_.ReadOne(log, index, [&](LogIndex, std::string_view record, const Hash& hash) {
        body = json::RecordJson(parts_.types, record, hash);
        return true;
      }));
  return JsonResponse(std::move(body));
}

absl::StatusOr<http::Response> Api::TlogProof(const Call& call) const {
  ASSIGN_OR_RETURN(const Arguments arguments, Arguments::Take(call.query, {"stamped"}));
  ASSIGN_OR_RETURN(const bool stamped, Choice(arguments, "stamped", false));
  ASSIGN_OR_RETURN(const ledger::LogRef log, reads_.FindLog(call.parameters[0]));
  ASSIGN_OR_RETURN(const uint64_t index, IndexOf(call.parameters[1]));
  http::Response response;
  ASSIGN_OR_RETURN(response.body, reads_.Receipt(log, index, stamped));
  response.content_type = "text/plain; charset=utf-8";
  return response;
}

absl::StatusOr<http::Response> Api::Inclusion(const Call& call) const {
  ASSIGN_OR_RETURN(const Arguments arguments,
                   Arguments::Take(call.query, {"index", "tree_size", "record_hash"}));
  ASSIGN_OR_RETURN(const ledger::LogRef log, reads_.FindLog(call.parameters[0]));
  ASSIGN_OR_RETURN(const uint64_t index, arguments.RequiredNumber("index"));
  ASSIGN_OR_RETURN(const uint64_t tree_size, arguments.Number("tree_size", 0));
  ASSIGN_OR_RETURN(const auto record_hash, arguments.HashValue("record_hash"));
  ASSIGN_OR_RETURN(const ledger::ProofAnswer proof,
                   reads_.InclusionProof(log, index, TreeSize(tree_size)));
  if (record_hash && *record_hash != proof.leaf_hash) {
    return engine::WithReason(
        absl::AbortedError("the record at this index has another hash than record_hash"),
        engine::reason::kPreconditionFailed);
  }
  json::ObjectText body;
  body.Uint64("index", index).Uint64("treeSize", proof.tree_size.value);
  body.Bytes("leafHash", proof.leaf_hash.view()).Raw("hashes", HashesJson(proof.hashes));
  if (!proof.checkpoint.empty()) body.Text("checkpoint", proof.checkpoint);
  return JsonResponse(body.Finish());
}

absl::StatusOr<http::Response> Api::Consistency(const Call& call) const {
  ASSIGN_OR_RETURN(const Arguments arguments,
                   Arguments::Take(call.query, {"old_size", "new_size"}));
  ASSIGN_OR_RETURN(const ledger::LogRef log, reads_.FindLog(call.parameters[0]));
  ASSIGN_OR_RETURN(const uint64_t old_size, arguments.RequiredNumber("old_size"));
  ASSIGN_OR_RETURN(const uint64_t new_size, arguments.Number("new_size", 0));
  ASSIGN_OR_RETURN(const ledger::ProofAnswer proof,
                   reads_.ConsistencyProof(log, TreeSize(old_size), TreeSize(new_size)));
  json::ObjectText body;
  body.Uint64("oldSize", old_size).Uint64("newSize", proof.tree_size.value);
  body.Raw("hashes", HashesJson(proof.hashes));
  if (!proof.checkpoint.empty()) body.Text("checkpoint", proof.checkpoint);
  return JsonResponse(body.Finish());
}

}  // namespace

void AddApiRoutes(ApiParts parts, Routes* routes) {
  const auto api = std::make_shared<const Api>(std::move(parts));
  using Method = absl::StatusOr<http::Response> (Api::*)(const Call&) const;
  const std::pair<const char*, Method> kReads[] = {
      {"/status", &Api::Status},
      {"/logs", &Api::Logs},
      {"/logs/{log}", &Api::Log},
      {"/logs/{log}/records", &Api::Records},
      {"/logs/{log}/records/{index}", &Api::Record},
      {"/logs/{log}/records/{index}/tlog-proof", &Api::TlogProof},
      {"/logs/{log}/proofs/inclusion", &Api::Inclusion},
      {"/logs/{log}/proofs/consistency", &Api::Consistency},
  };
  for (const auto& [pattern, method] : kReads) {
    routes->Add({"GET", pattern, Directly([api, method = method](const Call& call) {
                   return ((*api).*method)(call);
                 })});
  }
  Route document{"GET", "/openapi.json", Directly([](const Call&) {
                   // Its file ends in a newline.
                   std::string_view text = OpenApiDocument();
                   text.remove_suffix(1);
                   return JsonResponse(std::string(text));
                 })};
  document.open = true;
  routes->Add(std::move(document));
  Route append{"POST", "/logs/{log}/events", [api](const Call& call, http::Responder responder) {
                 AppendEvents(api->parts(), call, std::move(responder));
               }};
  append.body_bytes_max = kEventsBodyBytesMax;
  append.content_types = {"application/json", "application/jsonl", "application/x-ndjson"};
  routes->Add(std::move(append));
}

}  // namespace graven::web
