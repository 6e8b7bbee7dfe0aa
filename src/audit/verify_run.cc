#include "audit/verify_run.h"

#include <algorithm>
#include <cstdio>
#include <memory>

#include "base/absl_views.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "client/call_status.h"
#include "client/tail_stream.h"
#include "console/record_text.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "note/note.h"
#include "verify/export_checker.h"
#include "verify/folder_checker.h"

namespace graven::audit {
using console::Colour;
using console::CommandContext;
using console::CommandResult;
using console::ExitCode;
using console::Json;
using console::ProgressLine;
using console::ReadRecord;
using console::ReadRecordBytes;
using console::RecordJson;
using console::Unreachable;

namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;

struct FileCloser {
  void operator()(std::FILE* file) const {
    if (file != stdin) std::fclose(file);
  }
};
using OpenFile = std::unique_ptr<std::FILE, FileCloser>;

ShownVerdict Shown(const verify::LogVerdict& log) {
  ShownVerdict shown;
  shown.log = log.name;
  shown.origin = log.origin;
  shown.status = log.status;
  shown.trust = log.trust;
  shown.records = log.records;
  shown.producers = log.producers;
  if (log.status.ok()) {
    shown.root = log.root;
    shown.last_hash = log.last_hash;
    shown.last_received_at_ns = log.last_received_at_ns;
    shown.signed_records = log.signed_records;
  }
  shown.first_bad = log.first_bad;
  shown.bad_file = log.bad_file;
  if (!log.bad_file.empty()) shown.bad_offset = log.bad_offset;
  return shown;
}

// A verdict that is a no, of whatever `checker` had found in order before.
ShownVerdict Refused(const verify::ExportChecker& checker, const absl::Status& status) {
  ShownVerdict shown;
  shown.status = status;
  shown.first_bad = checker.first_bad();
  if (shown.first_bad) shown.records = shown.first_bad->value;
  return shown;
}

ShownVerdict Shown(const verify::ExportVerdict& verdict) {
  ShownVerdict shown;
  shown.trust = verdict.trust;
  shown.first = verdict.first.value;
  shown.producers = verdict.producers;
  shown.records = verdict.count;
  shown.root = verdict.root;
  shown.last_hash = verdict.last_hash;
  shown.last_received_at_ns = verdict.last_received_at_ns;
  if (verdict.checkpoint) {
    shown.origin = verdict.checkpoint->origin;
    shown.signed_records = verdict.checkpoint->size.value;
  }
  return shown;
}

// Whatever stands beside the record in a line of an export must be what the record says.
absl::Status CheckBeside(const Json& line, const std::string& bytes) {
  ASSIGN_OR_RETURN(const ReadRecord record, ReadRecordBytes(bytes, {}));
  const Json rendered = RecordJson(record, bytes);
  for (const auto& [name, value] : rendered.items()) {
    // As values: the members of an object may stand in any order.
    if (line.contains(name) && nlohmann::json(line[name]) != nlohmann::json(value)) {
      return absl::DataLossError(
          fmt::format("record {}: the field \"{}\" of its line is not what the record says",
                      record.header.index.value, name));
    }
  }
  return absl::OkStatus();
}

absl::Status AddLine(std::string_view text, uint64_t number, verify::ExportChecker* checker) {
  const Json line = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!line.is_object() || !line.contains("record") || !line["record"].is_string()) {
    return absl::DataLossError(fmt::format("line {} holds no record", number));
  }
  const auto bytes = Base64Decode(line["record"].get_ref<const std::string&>());
  if (!bytes) return absl::DataLossError(fmt::format("line {}: \"record\" is no base64", number));
  RETURN_IF_ERROR(checker->AddRecord(*bytes));
  return CheckBeside(line, *bytes);
}

// Feeds an export to `checker` in pieces, whichever of the two forms it has: a raw one cannot begin
// like a line of JSON, since no record begins with a quotation mark.
class ExportReader {
 public:
  ExportReader(std::FILE* file, verify::ExportChecker* checker)
      : file_(file), checker_(checker), piece_(kPieceBytes, '\0') {}

  absl::Status ReadAll(ProgressLine& progress) {
    for (bool first = true;; first = false) {
      const size_t count = std::fread(piece_.data(), 1, piece_.size(), file_);
      const std::string_view piece(piece_.data(), count);
      if (first) lines_ = piece.starts_with("{\"");
      if (count == 0) break;
      done_ += count;
      RETURN_IF_ERROR(lines_ ? AddLines(piece) : checker_->AddBytes(piece));
      progress.Update(done_);
    }
    if (std::ferror(file_) != 0)
      return Unreachable("export", absl::UnavailableError("read failed"));
    return pending_.empty() ? absl::OkStatus() : AddLine(pending_, ++number_, checker_);
  }

 private:
  absl::Status AddLines(std::string_view piece) {
    for (size_t end; (end = piece.find('\n')) != piece.npos; piece.remove_prefix(end + 1)) {
      pending_ += piece.substr(0, end);
      ++number_;
      if (!pending_.empty()) RETURN_IF_ERROR(AddLine(pending_, number_, checker_));
      pending_.clear();
    }
    pending_ += piece;
    return absl::OkStatus();
  }

  std::FILE* const file_;
  verify::ExportChecker* const checker_;
  std::string piece_;
  bool lines_ = false;
  std::string pending_;
  uint64_t number_ = 0;
  uint64_t done_ = 0;
};

uint64_t FileBytes(const std::string& path) {
  const auto info = io::PosixFileSystem().Stat(path);
  return info.ok() ? info->size : 0;
}

// A checkpoint that is not the key's is an answer, not a failure to check.
bool IsVerdict(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsUnauthenticated(status) ||
         absl::IsInvalidArgument(status);
}

ShownVerdict BadCheckpoint(const absl::Status& status) {
  ShownVerdict shown;
  shown.status = status;
  return shown;
}

// Records [0, size) of the server's log into `checker`; `in_order` counts those that it took.
absl::Status AddFromServer(CommandContext& context, client::Client& client, uint64_t size,
                           verify::ExportChecker* checker, uint64_t* in_order) {
  if (size == 0) return absl::OkStatus();
  v1::TailRequest request;
  request.set_log(context.log());
  request.set_from_index(0);
  request.set_limit(size);
  request.set_stop_at_end(true);
  const auto stream = client.Tail(std::move(request));
  ProgressLine progress(context.err(), "verified", ProgressLine::Unit::kEvents, size);
  while (true) {
    ASSIGN_OR_RETURN(const auto batch, stream->Next());
    if (!batch.has_value()) return absl::OkStatus();
    for (const v1::RecordView& view : batch->records()) {
      RETURN_IF_ERROR(checker->AddRecord(view.record()));
      ++*in_order;
    }
    progress.Update(*in_order);
  }
}

}  // namespace

CommandResult VerifyFolder(CommandContext& context, const FolderRun& run) {
  verify::FolderOptions options;
  options.folder = run.folder;
  options.guard_path = run.guard;
  options.log = run.log;
  options.heartbeat_deadline_ns = run.completeness.heartbeat_deadline_ns;
  if (run.key) options.keys.push_back(*run.key);
  absl::StatusOr<verify::FolderVerdict> verdict;
  {
    ProgressLine progress(context.err(), "verified", ProgressLine::Unit::kBytes, 0);
    options.on_progress = [&progress](uint64_t done, uint64_t total) {
      progress.SetTotal(total);
      progress.Update(done);
    };
    verdict = verify::CheckFolder(io::PosixFileSystem(), options);
  }
  if (!verdict.ok()) return Unreachable(run.folder, verdict.status());
  const bool complete =
      std::all_of(verdict->logs.begin(), verdict->logs.end(),
                  [](const verify::LogVerdict& log) { return log.producers.total() == 0; });
  const bool yes = verdict->good() && (complete || !run.completeness.required);
  const ExitCode code = yes ? ExitCode::kDone : ExitCode::kNo;
  if (context.json()) {
    Json json = {{"verdict", verdict->good() ? "OK" : "BAD"}, {"logs", Json::array()}};
    for (const auto& log : verdict->logs) json["logs"].push_back(VerdictJson(Shown(log)));
    json["problems"] = verdict->problems;
    json["notes"] = verdict->notes;
    context.PrintJson(json);
    return code;
  }
  for (const auto& log : verdict->logs) WriteVerdict(Shown(log), context.out());
  for (const std::string& problem : verdict->problems) {
    context.out().Line(context.out().Paint(Colour::kRed, "BAD  " + SafeText(problem)));
  }
  for (const std::string& text : verdict->notes) context.out().Line("note: " + SafeText(text));
  return code;
}

absl::StatusOr<ShownVerdict> CheckExport(CommandContext& context, const ExportRun& run) {
  verify::ExportOptions options;
  options.key = run.key;
  options.origin = run.origin;
  options.heartbeat_deadline_ns = run.completeness.heartbeat_deadline_ns;
  if (!run.checkpoint_file.empty()) {
    auto note = io::ReadWholeFile(io::PosixFileSystem(), run.checkpoint_file, note::kNoteBytesMax);
    if (!note.ok()) return Unreachable("--checkpoint", note.status());
    options.checkpoint = *std::move(note);
  }
  const OpenFile file(run.path == "-" ? stdin : std::fopen(run.path.c_str(), "rbe"));
  if (file == nullptr) return Unreachable(run.path, absl::ErrnoToStatus(errno, "cannot be opened"));
  auto checker = verify::ExportChecker::Start(options);
  if (!checker.ok()) return BadCheckpoint(checker.status());
  absl::Status read;
  {
    ProgressLine progress(context.err(), "verified", ProgressLine::Unit::kBytes,
                          FileBytes(run.path));
    read = ExportReader(file.get(), &*checker).ReadAll(progress);
  }
  if (!read.ok() && !IsVerdict(read)) return read;
  if (!read.ok()) {
    ShownVerdict refused = Refused(*checker, read);
    refused.bad_file = run.path;
    return refused;
  }
  const auto verdict = checker->Finish();
  if (!verdict.ok()) return Refused(*checker, verdict.status());
  ShownVerdict shown = Shown(*verdict);
  shown.of_export = true;
  if (shown.origin.empty()) shown.origin = run.key ? run.key->name() : run.origin;
  return shown;
}

CommandResult VerifyExport(CommandContext& context, const ExportRun& run) {
  ASSIGN_OR_RETURN(const ShownVerdict shown, CheckExport(context, run));
  return PrintVerdict(context, shown, run.completeness.required);
}

CommandResult VerifyServer(CommandContext& context, const std::optional<note::VerifierKey>& key,
                           const Completeness& completeness) {
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  ASSIGN_OR_RETURN(const v1::Log log, client->GetLog());
  ASSIGN_OR_RETURN(const v1::GetCheckpointResponse checkpoint,
                   client->GetCheckpoint({}, v1::RECEIPT_LEVEL_PUBLISHED));
  // Without a key of ours the server's own at least shows that it contradicts itself.
  auto signer = key;
  if (!signer) {
    const auto own = note::VerifierKey::Parse(log.vkey());
    if (!own.ok()) return PrintVerdict(context, BadCheckpoint(own.status()), completeness.required);
    signer = *own;
  }
  verify::ExportOptions options;
  options.key = signer;
  options.heartbeat_deadline_ns = completeness.heartbeat_deadline_ns;
  options.checkpoint = checkpoint.checkpoint();
  auto checker = verify::ExportChecker::Start(options);
  ShownVerdict shown;
  uint64_t in_order = 0;
  if (!checker.ok()) {
    shown = BadCheckpoint(checker.status());
  } else if (const absl::Status added =
                 AddFromServer(context, *client, checkpoint.size(), &*checker, &in_order);
             !added.ok()) {
    // Also what the server says of damage that it found itself.
    if (!IsVerdict(added)) return added;
    shown = Refused(*checker, added);
    if (const auto bad = client::BadRecord(added); bad && !shown.first_bad) {
      shown.first_bad = bad;
      shown.records = in_order;
    }
  } else if (const auto verdict = checker->Finish(); !verdict.ok()) {
    shown = Refused(*checker, verdict.status());
  } else {
    shown = Shown(*verdict);
    if (!key) shown.trust = verify::Trust::kSelfConsistent;
  }
  shown.log = context.log();
  if (shown.origin.empty()) shown.origin = signer->name();
  return PrintVerdict(context, shown, completeness.required);
}

}  // namespace graven::audit
