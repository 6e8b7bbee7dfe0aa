#include "audit/monitor_run.h"

#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "audit/monitor_site.h"
#include "audit/verify_output.h"
#include "base/absl_views.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "fmt/format.h"
#include "http/client.h"
#include "io/durable_file.h"
#include "monitor/log_monitor.h"
#include "monitor/server_source.h"
#include "monitor/tile_source.h"
#include "note/note.h"
#include "server/stop_signals.h"
#include "webhook/page_link.h"
#include "webhook/sender.h"

namespace graven::audit {
using console::Colour;
using console::CommandContext;
using console::CommandResult;
using console::ExitCode;
using console::Json;
using console::Terminal;
using console::Unreachable;
using console::UsageError;

namespace {

constexpr size_t kHandedFilesMax = 1000;
// URLs of handed checkpoints are asked this many rounds apart.
constexpr uint64_t kRoundsPerLook = 10;

int64_t Ns(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

// Checkpoints that others hand in: files, the files of folders, and URLs, looked at again and
// again.
class HandedCheckpoints {
 public:
  HandedCheckpoints(std::vector<std::string> places, const std::string& ca, Terminal& err)
      : places_(std::move(places)), err_(err), client_(Options(ca)) {}

  absl::Status GiveTo(monitor::LogMonitor& monitor, bool look_at_urls) {
    for (const std::string& place : places_) {
      if (place.starts_with("http://") || place.starts_with("https://")) {
        if (look_at_urls) RETURN_IF_ERROR(GiveUrl(monitor, place));
        continue;
      }
      std::error_code error;
      if (!std::filesystem::is_directory(place, error)) {
        RETURN_IF_ERROR(GiveFile(monitor, place));
        continue;
      }
      size_t left = kHandedFilesMax;
      for (const auto& entry : std::filesystem::directory_iterator(place, error))
        if (left > 0 && entry.is_regular_file(error)) {
          --left;
          RETURN_IF_ERROR(GiveFile(monitor, entry.path().string()));
        }
    }
    return absl::OkStatus();
  }

 private:
  static http::FetchOptions Options(const std::string& ca) {
    http::FetchOptions options;
    options.ca_file = ca;
    options.total_timeout = std::chrono::milliseconds(5'000);
    options.body_bytes_max = note::kNoteBytesMax;
    return options;
  }

  absl::Status GiveFile(monitor::LogMonitor& monitor, const std::string& path) {
    const auto info = io::PosixFileSystem().Stat(path);
    if (!info.ok()) return Complain(path, info.status());
    const auto state = std::make_pair(info->mtime_ns, info->size);
    if (const auto known = given_.find(path); known != given_.end() && known->second == state)
      return absl::OkStatus();
    const auto note = io::ReadWholeFile(io::PosixFileSystem(), path, note::kNoteBytesMax);
    if (!note.ok()) return Complain(path, note.status());
    given_[path] = state;
    return Give(monitor, path, *note);
  }

  absl::Status GiveUrl(monitor::LogMonitor& monitor, const std::string& url) {
    const auto answer = client_.Fetch({.url = url});
    if (!answer.ok()) return Complain(url, answer.status());
    if (answer->status != 200)
      return Complain(url, absl::UnavailableError(fmt::format("the answer is {}", answer->status)));
    return Give(monitor, url, answer->body);
  }

  absl::Status Give(monitor::LogMonitor& monitor, const std::string& from,
                    const std::string& note) {
    const absl::Status taken = monitor.TakeCheckpoint(note);
    // What the log's key did not sign says nothing about the log, only about who handed it in.
    if (absl::IsInvalidArgument(taken) || absl::IsUnauthenticated(taken) ||
        (absl::IsDataLoss(taken) && !note::OpenCheckpoint(note, monitor.key()).ok()))
      return Complain(from, taken);
    complained_.erase(from);
    return taken;
  }

  // Once, until it changes. A place that cannot be read does not end the watch.
  absl::Status Complain(const std::string& place, const absl::Status& status) {
    std::string text =
        fmt::format("{}: no checkpoint of this log: {}", place, ToStd(status.message()));
    if (complained_[place] == text) return absl::OkStatus();
    err_.Line(SafeText(text));
    complained_[place] = std::move(text);
    return err_.Finish();
  }

  const std::vector<std::string> places_;
  Terminal& err_;
  http::Client client_;
  std::map<std::string, std::pair<int64_t, uint64_t>> given_;
  std::map<std::string, std::string> complained_;
};

// Ends waits and calls at the first signal.
class Stop {
 public:
  Stop()
      : waiter_([this] {
          signals_.Wait();
          const std::lock_guard lock(mutex_);
          stopped_ = true;
          changed_.notify_all();
          if (source_ != nullptr) source_->Cancel();
        }) {}

  // Until it is told otherwise, with nullptr.
  void CancelsAlso(monitor::LogSource* source) {
    const std::lock_guard lock(mutex_);
    source_ = source;
    if (stopped_ && source_ != nullptr) source_->Cancel();
  }

  ~Stop() {
    // What ended the run was no signal: the waiter still waits for one.
    if (!stopped()) kill(getpid(), SIGTERM);
    waiter_.join();
  }

  bool stopped() {
    const std::lock_guard lock(mutex_);
    return stopped_;
  }

  // True when stopped.
  bool WaitFor(double seconds) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::duration<double>(seconds),
                             [this] { return stopped_; });
  }

 private:
  server::StopSignals signals_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  monitor::LogSource* source_ = nullptr;
  std::thread waiter_;
};

class Watch {
 public:
  Watch(CommandContext& context, const MonitorRun& run, monitor::Memory& memory,
        monitor::LogSource& source, webhook::Sender* webhook, MonitorSite* site)
      : context_(context),
        run_(run),
        memory_(memory),
        source_(source),
        webhook_(webhook),
        site_(site),
        monitor_(Options(), memory, source, SystemClock(),
                 [this](const monitor::Finding& finding) { Tell(finding); }),
        handed_(run.checkpoints, run.ca, context.err()) {}

  // Forks that a run before this one proved: they do not go away.
  absl::Status TellOldForks() {
    ASSIGN_OR_RETURN(const std::vector<std::string> files, memory_.ListEvidence());
    for (const std::string& path : files) {
      const auto text = io::ReadWholeFile(io::PosixFileSystem(), path, verify::kEvidenceBytesMax);
      if (!text.ok()) continue;
      const auto evidence = verify::ParseEvidence(*text);
      if (!evidence.ok()) continue;
      const auto judged = verify::JudgeEvidence(*evidence, run_.key);
      if (judged.verdict != verify::EvidenceVerdict::kForkProven) continue;
      monitor::Finding finding{.kind = monitor::FindingKind::kFork,
                               .verdict = judged.verdict,
                               .message = fmt::format("proven before: {}", judged.because)};
      finding.evidence = path;
      Tell(finding);
    }
    return absl::OkStatus();
  }

  CommandResult Once() {
    const auto end = std::chrono::steady_clock::now() +
                     std::chrono::duration<double>(run_.patience_s + 2 * run_.every_s);
    while (true) {
      RETURN_IF_ERROR(Round());
      if (!monitor_.IsWaiting() || std::chrono::steady_clock::now() >= end) break;
      std::this_thread::sleep_for(std::chrono::duration<double>(std::min(run_.every_s, 0.5)));
    }
    // What was waited for is a finding by now, or was shown.
    RETURN_IF_ERROR(Round());
    RETURN_IF_ERROR(monitor_.SettleProducers());
    const uint64_t missed = monitor_.producers().total();
    const bool good = findings_ == 0;
    if (webhook_ != nullptr && !webhook_->Drain(std::chrono::seconds(10)))
      context_.err().Line(SafeText(fmt::format("webhook: not delivered yet, and kept: {}",
                                               webhook_->outbox().last_error())));
    if (context_.json()) {
      context_.PrintJsonLine(Status(good ? "OK" : "BAD"));
    } else {
      Terminal& out = context_.out();
      out.Line(out.Paint(
          good ? Colour::kGreen : Colour::kRed,
          fmt::format("{}  {}: {} records; chain and tree recomputed, every checkpoint compared",
                      good ? "OK " : "BAD", SafeText(run_.key.name()), monitor_.size().value)));
    }
    const bool complete = missed == 0 || !run_.complete_required;
    return good && complete ? ExitCode::kDone : ExitCode::kNo;
  }

  CommandResult Follow(Stop& stop) {
    stop.CancelsAlso(&source_);
    CommandResult result = FollowUntil(stop);
    stop.CancelsAlso(nullptr);
    return result;
  }

 private:
  CommandResult FollowUntil(Stop& stop) {
    if (context_.json()) {
      context_.PrintJsonLine(Status("FOLLOWING"));
    } else {
      context_.out().Line(fmt::format("following {} of {}, {} records seen before",
                                      SafeText(run_.key.name()), SafeText(source_.Name()),
                                      monitor_.size().value));
    }
    bool reached = true;
    do {
      RETURN_IF_ERROR(context_.out().Finish());
      const absl::Status round = Round();
      if (stop.stopped()) break;
      if (absl::IsDataLoss(round)) return Unreachable("--data", round);
      if (round.ok() != reached) {
        context_.err().Line(round.ok() ? "the log answers again"
                                       : SafeText(fmt::format("the log does not answer: {}",
                                                              ToStd(round.message()))));
        RETURN_IF_ERROR(context_.err().Finish());
      }
      reached = round.ok();
    } while (!stop.WaitFor(run_.every_s));
    if (context_.json()) context_.PrintJsonLine(Status("STOPPED"));
    return ExitCode::kDone;
  }

  monitor::MonitorOptions Options() {
    monitor::MonitorOptions options(run_.key);
    options.policy = run_.policy;
    options.patience_ns = Ns(run_.patience_s);
    options.fresh_ns = Ns(run_.fresh_s);
    options.heartbeat_deadline_ns = Ns(run_.heartbeat_deadline_s);
    options.on_producer_finding = [this](const verify::ProducerFinding& finding) {
      TellProducer(finding);
    };
    return options;
  }

  absl::Status Round() {
    RETURN_IF_ERROR(handed_.GiveTo(monitor_, rounds_++ % kRoundsPerLook == 0));
    absl::Status round = monitor_.Round();
    if (site_ != nullptr) {
      const monitor::MonitorCounters& counters = monitor_.counters();
      site_->Show({.tree_size = monitor_.size().value,
                   .records = counters.records,
                   .rounds = counters.rounds,
                   .unanswered = counters.unanswered,
                   .findings = findings_,
                   .producer_findings = monitor_.producers().counts,
                   .last_good_ns = monitor_.last_good_ns(),
                   .webhook = webhook_ != nullptr ? webhook_->outbox().counters()
                                                  : webhook::OutboxCounters{},
                   .note = memory_.knowledge().note});
    }
    return round;
  }

  void Tell(const monitor::Finding& finding) {
    ++findings_;
    // No record content goes out: a kind, an index, the place of the evidence.
    if (webhook_ != nullptr)
      if (const absl::Status added = webhook_->Add(FindingJson(finding).dump()); !added.ok())
        context_.err().Line(SafeText(fmt::format("webhook: {}", ToStd(added.message()))));
    if (context_.json()) {
      context_.PrintJsonLine(FindingJson(finding));
    } else {
      Terminal& out = context_.out();
      std::string text =
          fmt::format("BAD  {}: {}", monitor::KindName(finding.kind), SafeText(finding.message));
      if (finding.verdict != verify::EvidenceVerdict::kNothing)
        text += fmt::format(" ({})", verify::VerdictName(finding.verdict));
      out.Line(out.Paint(Colour::kRed, text));
      if (!finding.evidence.empty())
        out.Line(fmt::format("     evidence: {}", SafeText(finding.evidence)));
    }
    context_.out().Finish().IgnoreError();
  }

  // Apart from the others: it is about those who write, by their own word.
  void TellProducer(const verify::ProducerFinding& finding) {
    Json json = {{"finding", "producer"}, {"origin", run_.key.name()}};
    json.update(ProducerFindingJson(finding));
    if (!run_.page.empty()) {
      json["link"] = webhook::LinkToRecord(run_.page, LogName(), finding.index.value);
    }
    if (context_.json()) {
      context_.PrintJsonLine(json);
    } else {
      Terminal& out = context_.out();
      out.Line(out.Paint(Colour::kYellow, "MISSED  " + ProducerFindingLine(finding)));
    }
    context_.out().Finish().IgnoreError();
    if (webhook_ == nullptr) return;
    // Names are of the record's content.
    json.erase("written_by");
    json.erase("producer");
    if (const absl::Status added = webhook_->Add(json.dump()); !added.ok())
      context_.err().Line(SafeText(fmt::format("webhook: {}", ToStd(added.message()))));
  }

  // As the page calls it: by the URL of its tiles where that says it.
  std::string LogName() const {
    constexpr std::string_view kLogs = "/logs/";
    std::string_view url = run_.url;
    while (url.ends_with('/')) url.remove_suffix(1);
    const size_t at = url.rfind(kLogs);
    const std::string_view name =
        at == std::string_view::npos ? std::string_view() : url.substr(at + kLogs.size());
    if (!name.empty() && name.find('/') == std::string_view::npos) return std::string(name);
    return context_.log().empty() ? "default" : context_.log();
  }

  Json FindingJson(const monitor::Finding& finding) {
    Json json = {{"finding", monitor::KindName(finding.kind)},
                 {"verdict", verify::VerdictName(finding.verdict)},
                 {"origin", run_.key.name()},
                 {"message", finding.message},
                 {"tree_size", finding.size.value},
                 {"found_at_unix_seconds", SystemClock().WallNs() / 1'000'000'000}};
    if (finding.index) json["index"] = finding.index->value;
    if (!run_.page.empty()) {
      json["link"] = finding.index
                         ? webhook::LinkToRecord(run_.page, LogName(), finding.index->value)
                         : webhook::LinkToTrust(run_.page, LogName());
    }
    if (!finding.evidence.empty()) json["evidence"] = finding.evidence;
    return json;
  }

  Json Status(std::string_view status) {
    return {{"status", status},
            {"origin", run_.key.name()},
            {"size", monitor_.size().value},
            {"records_read", monitor_.counters().records},
            {"findings", findings_},
            {"producer_findings", monitor_.producers().total()}};
  }

  CommandContext& context_;
  const MonitorRun& run_;
  monitor::Memory& memory_;
  monitor::LogSource& source_;
  webhook::Sender* const webhook_;
  MonitorSite* const site_;
  monitor::LogMonitor monitor_;
  HandedCheckpoints handed_;
  uint64_t rounds_ = 0;
  uint64_t findings_ = 0;
};

}  // namespace

CommandResult RunMonitor(CommandContext& context, const MonitorRun& run) {
  // Before any thread is made, so that all of them leave the signals to it.
  std::unique_ptr<Stop> stop;
  if (!run.once) stop = std::make_unique<Stop>();
  auto memory = monitor::Memory::Open(io::PosixFileSystem(), run.folder, run.key.name());
  if (!memory.ok()) return Unreachable("--data", memory.status());
  std::unique_ptr<client::Client> client;
  std::unique_ptr<monitor::LogSource> source;
  if (run.url.empty()) {
    ASSIGN_OR_RETURN(client, context.Connect());
    source = std::make_unique<monitor::ServerSource>(*client, context.log());
  } else {
    http::FetchOptions options;
    options.ca_file = run.ca;
    source = std::make_unique<monitor::TileSource>(run.url, std::move(options));
  }
  std::unique_ptr<webhook::Sender> webhook;
  if (!run.webhook_url.empty()) {
    webhook::OutboxOptions options;
    options.url = run.webhook_url;
    options.secret = run.webhook_secret;
    options.fetch.ca_file = run.ca;
    options.fetch.address_rule = http::AddressRule::kPublicOnly;
    options.fetch.allowed_hosts = run.webhook_hosts;
    auto outbox = webhook::Outbox::Open(io::PosixFileSystem(), io::JoinPath(run.folder, "outbox"),
                                        std::move(options), SystemClock(), SystemRandom());
    if (absl::IsInvalidArgument(outbox.status()))
      return UsageError(fmt::format("--webhook: {}", ToStd(outbox.status().message())));
    if (!outbox.ok()) return Unreachable("--data", outbox.status());
    webhook = std::make_unique<webhook::Sender>(*std::move(outbox));
  }
  std::unique_ptr<MonitorSite> site;
  if (!run.metrics.empty()) {
    ASSIGN_OR_RETURN(site, MonitorSite::Start(run.metrics, run.key.name()));
    context.err().Line(fmt::format("metrics on {}/metrics", site->address()));
    RETURN_IF_ERROR(context.err().Finish());
  }
  Watch watch(context, run, **memory, *source, webhook.get(), site.get());
  RETURN_IF_ERROR(watch.TellOldForks());
  return run.once ? watch.Once() : watch.Follow(*stop);
}

}  // namespace graven::audit
