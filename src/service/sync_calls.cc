#include "service/sync_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/absl_views.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "engine/append_message.h"
#include "engine/error_details.h"
#include "engine/record_messages.h"
#include "record/entry_view.h"
#include "record/record.h"
#include "service/status_mapping.h"
#include "service/time_messages.h"

namespace graven::service {
namespace {

using grpc::health::v1::HealthCheckResponse;

constexpr uint32_t kPageSizeMax = 1000;

std::string Bytes(const Hash& hash) { return std::string(hash.view()); }

constexpr size_t kFindingsShown = 20;
constexpr size_t kWordsBytesMax = 512;

// The words of strangers, cut between code points: half of one would be no text, and most clients
// would then refuse the whole reply.
std::string Words(std::string_view text) {
  std::string safe = SafeText(text);
  if (safe.size() <= kWordsBytesMax) return safe;
  size_t end = kWordsBytesMax;
  while (end > 0 && (static_cast<unsigned char>(safe[end]) & 0xC0) == 0x80) --end;
  safe.resize(end);
  return safe;
}

void SetScrub(const scrub::State& status, graven::v1::ScrubState* scrub) {
  scrub->set_rounds(status.rounds);
  scrub->set_progress(status.progress);
  if (status.last_round_ended_ns != 0) {
    SetTime(status.last_round_ended_ns, scrub->mutable_last_round_ended_at());
  }
  scrub->set_bytes(status.bytes);
  scrub->set_records(status.records);
  scrub->set_findings_count(status.findings_count);
  for (const scrub::Finding& finding : status.findings) {
    if (static_cast<size_t>(scrub->findings_size()) == kFindingsShown) break;
    auto* shown = scrub->add_findings();
    shown->set_kind(std::string(scrub::KindText(finding.kind)));
    shown->set_log(finding.log);
    if (finding.first_bad) shown->set_first_bad_index(finding.first_bad->value);
    shown->set_file(finding.file);
    shown->set_offset(finding.offset);
    shown->set_what(Words(finding.what));
    SetTime(finding.found_at_ns, shown->mutable_found_at());
  }
}

void SetRecord(std::string_view record, const Hash& hash, bool want_parsed,
               graven::v1::RecordView* view) {
  view->set_record(std::string(record));
  view->set_record_hash(Bytes(hash));
  // A record that does not parse is shown by its bytes alone: they are what counts.
  if (want_parsed) {
    view->mutable_parsed()->ParseFromArray(record.data(), static_cast<int>(record.size()));
    if (const auto header = record::Decode(record); header.ok()) {
      view->mutable_event()->ParseFromString(record::EventBytes(*header));
    }
  }
}

void SetLog(const ledger::LogInfo& info, graven::v1::Log* log) {
  log->set_name(info.name);
  log->set_origin(info.origin);
  log->set_vkey(info.vkey);
  log->set_published_size(info.published_size.value);
  log->set_durable_size(info.durable_size.value);
  if (info.cosigned_size) log->set_cosigned_size(info.cosigned_size->value);
  SetTime(info.created_at_ns, log->mutable_created_at());
  log->set_duplicate_window(info.duplicate_window);
  log->set_genesis_hash(Bytes(info.genesis_hash));
  log->set_state(info.read_only ? graven::v1::LOG_STATE_READ_ONLY : graven::v1::LOG_STATE_ACTIVE);
  log->set_state_reason(info.read_only_reason);
  if (info.last_received_at_ns != 0)
    SetTime(info.last_received_at_ns, log->mutable_last_received_at());
}

// The ledger names the field first: "origin: ...".
absl::Status ExplainCreateError(absl::Status status) {
  const std::string_view message = ToStd(status.message());
  const size_t colon = message.find(": ");
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      if (colon == std::string_view::npos) return engine::InvalidField("", message);
      return engine::InvalidField(message.substr(0, colon), message.substr(colon + 2));
    case absl::StatusCode::kAlreadyExists:
      return engine::WithReason(std::move(status), engine::reason::kLogExists);
    case absl::StatusCode::kResourceExhausted:
      return engine::WithReason(std::move(status), engine::reason::kDiskFull);
    default:
      return status;
  }
}

graven::v1::ServerState StateOf(const ledger::LedgerStatus& status, bool stopping) {
  if (stopping) return graven::v1::SERVER_STATE_STOPPING;
  switch (status.write_state) {
    case ledger::WriteState::kActive:
      return graven::v1::SERVER_STATE_SERVING;
    case ledger::WriteState::kDiskFull:
      return graven::v1::SERVER_STATE_DISK_FULL;
    case ledger::WriteState::kReadOnly:
    case ledger::WriteState::kStopped:
      return graven::v1::SERVER_STATE_WRITES_STOPPED;
  }
  return graven::v1::SERVER_STATE_UNSPECIFIED;
}

// Runs `serve` for an identified caller.
template <typename Serve>
grpc::Status ForCaller(const CallEnvironment& environment, const grpc::ServerContext& context,
                       Serve serve) {
  CallerIdentity identity;
  absl::Status status = Identify(environment.authenticator, context, &identity);
  if (status.ok()) status = serve();
  return ToGrpcStatus(status);
}

}  // namespace

absl::StatusOr<ledger::LogRef> GravenServer::FindLog(const std::string& name) const {
  return reads_.FindLog(name);
}

absl::Status GravenServer::ReadRange(const graven::v1::ReadRequest& request,
                                     graven::v1::ReadResponse* response) const {
  ASSIGN_OR_RETURN(ledger::LogRef log, FindLog(request.log()));
  uint64_t next = request.first_index();
  size_t bytes = 0;
  RETURN_IF_ERROR(reads_.Read(
      log, next, request.count(), [&](LogIndex, std::string_view record, const Hash& hash) {
        bytes += engine::RecordViewSize(record, request.want_parsed()) + 8;
        if (response->records_size() > 0 && bytes > engine::kReplyBytesMax - 64) return false;
        SetRecord(record, hash, request.want_parsed(), response->add_records());
        ++next;
        return true;
      }));
  response->set_next_index(next);
  response->set_published_size(environment_.ledger.GetPublished(log)->size.value);
  return absl::OkStatus();
}

grpc::Status GravenServer::Read(grpc::ServerContext* context,
                                const graven::v1::ReadRequest* request,
                                graven::v1::ReadResponse* response) {
  return ForCaller(environment_, *context, [&] { return ReadRange(*request, response); });
}

absl::Status GravenServer::ReadOne(const graven::v1::GetRecordRequest& request,
                                   graven::v1::GetRecordResponse* response) const {
  ASSIGN_OR_RETURN(ledger::LogRef log, FindLog(request.log()));
  LogIndex index(request.index());
  if (request.key_case() == graven::v1::GetRecordRequest::KEY_NOT_SET) {
    return engine::InvalidField("key", "index or event_id is required");
  }
  if (request.has_event_id()) {
    ASSIGN_OR_RETURN(index, reads_.FindEvent(log, request.event_id()));
  }
  RETURN_IF_ERROR(
      reads_.ReadOne(log, index.value, [&](LogIndex, std::string_view record, const Hash& hash) {
        SetRecord(record, hash, request.want_parsed(), response->mutable_record());
        return true;
      }));
  if (request.want_receipt()) {
    ASSIGN_OR_RETURN(*response->mutable_tlog_proof(),
                     reads_.Receipt(log, index.value, request.want_time_stamp()));
  }
  return absl::OkStatus();
}

grpc::Status GravenServer::GetRecord(grpc::ServerContext* context,
                                     const graven::v1::GetRecordRequest* request,
                                     graven::v1::GetRecordResponse* response) {
  return ForCaller(environment_, *context, [&] { return ReadOne(*request, response); });
}

grpc::Status GravenServer::GetCheckpoint(grpc::ServerContext* context,
                                         const graven::v1::GetCheckpointRequest* request,
                                         graven::v1::GetCheckpointResponse* response) {
  return ForCaller(environment_, *context, [&]() -> absl::Status {
    ASSIGN_OR_RETURN(ledger::LogRef log, FindLog(request->log()));
    if (request->level() == graven::v1::RECEIPT_LEVEL_DURABLE) {
      return engine::InvalidField("level", "must be PUBLISHED or COSIGNED");
    }
    auto level = ledger::CheckpointLevel::kServed;
    if (request->level() == graven::v1::RECEIPT_LEVEL_PUBLISHED) {
      level = ledger::CheckpointLevel::kPublished;
    } else if (request->level() == graven::v1::RECEIPT_LEVEL_COSIGNED) {
      level = ledger::CheckpointLevel::kCosigned;
    }
    ASSIGN_OR_RETURN(const auto published, reads_.Checkpoint(log, level));
    response->set_checkpoint(published->checkpoint);
    response->set_size(published->size.value);
    response->set_root_hash(Bytes(published->root));
    return absl::OkStatus();
  });
}

grpc::Status GravenServer::GetInclusionProof(grpc::ServerContext* context,
                                             const graven::v1::GetInclusionProofRequest* request,
                                             graven::v1::GetInclusionProofResponse* response) {
  return ForCaller(environment_, *context, [&]() -> absl::Status {
    ASSIGN_OR_RETURN(ledger::LogRef log, FindLog(request->log()));
    ASSIGN_OR_RETURN(ledger::ProofAnswer proof,
                     reads_.InclusionProof(log, request->index(), TreeSize(request->tree_size())));
    response->set_tree_size(proof.tree_size.value);
    response->set_leaf_hash(Bytes(proof.leaf_hash));
    for (const Hash& hash : proof.hashes) response->add_hashes(Bytes(hash));
    response->set_checkpoint(proof.checkpoint);
    return absl::OkStatus();
  });
}

grpc::Status GravenServer::GetConsistencyProof(
    grpc::ServerContext* context, const graven::v1::GetConsistencyProofRequest* request,
    graven::v1::GetConsistencyProofResponse* response) {
  return ForCaller(environment_, *context, [&]() -> absl::Status {
    ASSIGN_OR_RETURN(ledger::LogRef log, FindLog(request->log()));
    ASSIGN_OR_RETURN(
        ledger::ProofAnswer proof,
        reads_.ConsistencyProof(log, TreeSize(request->old_size()), TreeSize(request->new_size())));
    response->set_old_size(request->old_size());
    response->set_new_size(proof.tree_size.value);
    for (const Hash& hash : proof.hashes) response->add_hashes(Bytes(hash));
    response->set_checkpoint(proof.checkpoint);
    return absl::OkStatus();
  });
}

grpc::Status GravenServer::CreateLog(grpc::ServerContext* context,
                                     const graven::v1::CreateLogRequest* request,
                                     graven::v1::CreateLogResponse* response) {
  return ForCaller(environment_, *context, [&]() -> absl::Status {
    if (environment_.stopping) return StoppingError();
    absl::StatusOr<ledger::LogRef> made = environment_.ledger.CreateLog(
        request->name(), request->origin(), request->duplicate_window());
    if (!made.ok()) return ExplainCreateError(made.status());
    SetLog(environment_.ledger.Info(*made), response->mutable_log());
    return absl::OkStatus();
  });
}

grpc::Status GravenServer::ListLogs(grpc::ServerContext* context,
                                    const graven::v1::ListLogsRequest* request,
                                    graven::v1::ListLogsResponse* response) {
  return ForCaller(environment_, *context, [&]() -> absl::Status {
    if (request->page_size() > kPageSizeMax) {
      return engine::InvalidField(
          "page_size", fmt::format("is {}; at most {}", request->page_size(), kPageSizeMax));
    }
    const int page =
        static_cast<int>(request->page_size() == 0 ? kPageSizeMax : request->page_size());
    size_t bytes = 0;
    for (ledger::LogRef log : environment_.ledger.Logs()) {
      // The token is the name of the last log of the page before.
      if (log.name() <= request->page_token()) continue;
      if (response->logs_size() == page || bytes > engine::kReplyBytesMax - 4096) {
        response->set_next_page_token(response->logs(response->logs_size() - 1).name());
        break;
      }
      SetLog(environment_.ledger.Info(log), response->add_logs());
      bytes += response->logs(response->logs_size() - 1).ByteSizeLong() + 8;
    }
    return absl::OkStatus();
  });
}

grpc::Status GravenServer::GetLog(grpc::ServerContext* context,
                                  const graven::v1::GetLogRequest* request,
                                  graven::v1::GetLogResponse* response) {
  return ForCaller(environment_, *context, [&]() -> absl::Status {
    ASSIGN_OR_RETURN(ledger::LogRef log, FindLog(request->log()));
    SetLog(environment_.ledger.Info(log), response->mutable_log());
    return absl::OkStatus();
  });
}

grpc::Status GravenServer::GetStatus(grpc::ServerContext* context,
                                     const graven::v1::GetStatusRequest*,
                                     graven::v1::GetStatusResponse* response) {
  return ForCaller(environment_, *context, [&]() -> absl::Status {
    const ledger::LedgerStatus status = environment_.ledger.status();
    response->set_version(facts_.version);
    SetTime(facts_.started_at_ns, response->mutable_started_at());
    response->set_state(StateOf(status, environment_.stopping));
    response->set_state_reason(status.write_state_reason);
    response->set_log_count(status.log_count);
    response->set_queue_bytes(environment_.sequencer.queued_bytes());
    response->set_journal_bytes_used(status.journal_bytes_used);
    response->set_journal_bytes_max(status.journal_bytes_max);
    response->set_disk_free_bytes(status.disk_free_bytes);
    response->set_disk_reserve_bytes(status.disk_reserve_bytes);
    response->set_duplicate_table_bytes(status.duplicate_table_bytes);
    response->set_duplicate_table_bytes_max(status.duplicate_table_bytes_max);
    response->set_events_appended(status.events_appended);
    response->set_events_duplicate(status.events_duplicate);
    response->set_requests_refused(status.requests_refused +
                                   environment_.counters.requests_refused);
    response->set_batches(status.batches);
    response->set_checkpoints_signed(status.checkpoints_signed);
    response->set_tailers(environment_.counters.tailers);
    response->set_recovery_report(status.recovery_report);
    SetScrub(environment_.scrub.status(), response->mutable_scrub());
    if (!facts_.witnesses) return absl::OkStatus();
    for (const engine::WitnessFacts& witness : facts_.witnesses()) {
      auto* shown = response->add_witnesses();
      shown->set_name(witness.name);
      shown->set_logs_cosigned(witness.logs_cosigned);
      shown->set_logs_failing(witness.logs_failing);
      shown->set_problem(Words(witness.problem));
    }
    return absl::OkStatus();
  });
}

HealthCheckResponse::ServingStatus HealthServer::StatusOf(const std::string& service,
                                                          ledger::WriteState state) const {
  if (service == kIntegrityService) {
    return environment_.scrub.sound() ? HealthCheckResponse::SERVING
                                      : HealthCheckResponse::NOT_SERVING;
  }
  if (environment_.stopping) state = ledger::WriteState::kStopped;
  if (service == kAppendHealth) {
    return state == ledger::WriteState::kActive ? HealthCheckResponse::SERVING
                                                : HealthCheckResponse::NOT_SERVING;
  }
  if (!service.empty() && service != "graven.v1.AuditLogService" && service != "AuditLogService") {
    return HealthCheckResponse::SERVICE_UNKNOWN;
  }
  return state == ledger::WriteState::kStopped ? HealthCheckResponse::NOT_SERVING
                                               : HealthCheckResponse::SERVING;
}

// Open to everybody: probes have no token.
grpc::Status HealthServer::Check(grpc::ServerContext*,
                                 const grpc::health::v1::HealthCheckRequest* request,
                                 HealthCheckResponse* response) {
  const auto status = StatusOf(request->service(), write_state());
  if (status == HealthCheckResponse::SERVICE_UNKNOWN) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "unknown service");
  }
  response->set_status(status);
  return grpc::Status::OK;
}

}  // namespace graven::service
