#include "server.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/status_text.h"
#include "judge.h"

namespace graven::crash {
namespace {

constexpr uint64_t kQueueBytesMax = 1 << 20;

}  // namespace

Setup::Setup(Choices& choices, bool is_large) : large(is_large) {
  guard_elsewhere = choices.Percent(50);
  writers = choices.Between(1, 4);
  logs_max = large ? 2 : choices.Between(1, 5);
  journal_file_bytes = (large ? uint64_t{1} << 20 : uint64_t{64 * 1024} << choices.Below(2));
  journal_files_max = static_cast<uint32_t>(large ? 12 : choices.Between(3, 8));
  batch_bytes_max = choices.Percent(50) ? 4096 : 24 * 1024;
  write_ahead_bytes = choices.Percent(70) ? 4096 : 128 * 1024;
}

Server::Server(World& world, Model& model, Writers& writers, const Setup& setup)
    : world_(world), model_(model), writers_(writers), setup_(setup), fs_(world.disk, [this] {
        WhileWaiting();
      }) {}

Server::~Server() = default;

absl::Status Server::Open() {
  GRAVEN_CHECK(ledger_ == nullptr && waiting_.empty() && applied_.empty());
  ledger::LedgerOptions options;
  options.folder = kFolder;
  if (setup_.guard_elsewhere) options.guard_path = fmt::format("{}/guard", kGuardFolder);
  options.journal_file_bytes = setup_.journal_file_bytes;
  options.journal_files_max = setup_.journal_files_max;
  options.journal_write_ahead_bytes = setup_.write_ahead_bytes;
  options.disk_reserve_bytes = 64 * 1024;
  options.duplicate_table_bytes_max = setup_.large ? 192 * 1024 : 1 << 20;
  options.segment_readers_max = 4;
  options.effective_user = 1000;
  auto opened = ledger::Ledger::Open(fs_, world_.clock, world_.random, options);
  if (!opened.ok()) return opened.status();
  ledger_ = *std::move(opened);
  sequencer_ = std::make_unique<sequencer::LocalSequencer>(kQueueBytesMax);
  return absl::OkStatus();
}

// A thread waits for the disk: sometimes another one does a step of its own meanwhile.
void Server::WhileWaiting() {
  if (!interleave_ || depth_ > 0 || world_.disk.crashed() || !world_.choices.Percent(8)) return;
  ++depth_;
  world_.story.Tell("    (meanwhile)");
  world_.tally.Add(Kind::kInterleaved);
  const uint64_t dice = world_.choices.Below(100);
  if (dice < 35 && !writer_busy_) {
    WriterStep();
  } else if (dice < 60 && !publisher_busy_ && !creating_) {
    PublishStep();
  } else if (dice < 75 && !background_busy_) {
    BackgroundStep();
  } else {
    TailStep();
  }
  --depth_;
}

LogModel& Server::AnyLog() {
  std::vector<LogModel*> known;
  for (auto& [name, log] : model_.logs) {
    if (log->acknowledged) known.push_back(log.get());
  }
  return *known[world_.choices.Below(known.size())];
}

void Server::Step() {
  interleave_ = true;
  const uint64_t dice = world_.choices.Below(1000);
  if (dice < 380) {
    SubmitStep();
  } else if (dice < 620) {
    WriterStep();
  } else if (dice < 730) {
    PublishStep();
  } else if (dice < 880) {
    BackgroundStep();
  } else if (dice < 940) {
    TailStep();
  } else if (dice < 970) {
    AuditStep();
  } else if (dice < 980) {
    CreateLogStep();
  } else if (dice < 990) {
    ClockStep();
  } else {
    DiskFullStep();
  }
  interleave_ = false;
}

bool Server::stopped() const {
  return ledger_ != nullptr && ledger_->status().write_state == ledger::WriteState::kStopped;
}

// --- the writer thread
// ---------------------------------------------------------------------------------

void Server::SubmitStep() {
  // Clients send in bursts.
  for (uint64_t n = world_.choices.Between(1, 4); n > 0; --n) {
    LogModel& log = AnyLog();
    Submit(writers_.Compose(log));
  }
}

void Server::Submit(std::unique_ptr<Ticket> ticket) {
  world_.tally.Add(Kind::kRequest);
  // A retry may come back to another life of the server, where the log has the same number.
  absl::Status queued = sequencer_->Submit(&ticket->request);
  if (queued.ok()) {
    waiting_.push_back(std::move(ticket));
    return;
  }
  CRASH_EXPECT(absl::IsResourceExhausted(queued), "the queue refuses a request: {}",
               MessageOf(queued));
}

std::unique_ptr<Ticket> Server::TakeOwnership(sequencer::Request* request) {
  auto found = std::find_if(waiting_.begin(), waiting_.end(),
                            [&](const auto& ticket) { return &ticket->request == request; });
  CRASH_EXPECT(found != waiting_.end(), "the sequencer hands out a request that does not wait");
  std::unique_ptr<Ticket> ticket = std::move(*found);
  waiting_.erase(found);
  return ticket;
}

void Server::WriterStep() {
  writer_busy_ = true;
  if (!applied_.empty()) {
    ApplyMore();
    MakeDurable();
  } else {
    TakeAndApply();
    ApplyMore();
    // Most often at once; sometimes others come in between.
    if (!applied_.empty() && world_.choices.Percent(75)) MakeDurable();
  }
  writer_busy_ = false;
}

// While more arrives, the real loop applies several times before it makes the batch durable.
void Server::ApplyMore() {
  while (!applied_.empty() && !waiting_.empty() && world_.choices.Percent(30)) {
    const size_t before = applied_.size();
    TakeAndApply();
    if (applied_.size() > before) world_.tally.Add(Kind::kAppliedAgain);
  }
}

void Server::TakeAndApply() {
  std::vector<sequencer::Request*> batch;
  sequencer_->Take(setup_.batch_bytes_max, &batch);
  if (batch.empty()) return;
  std::vector<std::unique_ptr<Ticket>> tickets;
  for (sequencer::Request* request : batch) tickets.push_back(TakeOwnership(request));
  std::vector<ledger::RequestResult> results;
  ledger_->Apply(batch, &results);
  CRASH_EXPECT(results.size() == batch.size(), "{} requests, {} results", batch.size(),
               results.size());
  for (size_t i = 0; i < results.size(); ++i) HoldResult(*tickets[i], results[i]);
  size_t logs_grown = 0;
  for (auto& [name, log] : model_.logs) logs_grown += log->applied_size() > log->size() ? 1 : 0;
  if (logs_grown > 1) world_.tally.Add(Kind::kBatchOfManyLogs);
  world_.story.Tell("writer: applied {} requests, {} logs grow", batch.size(), logs_grown);
  std::move(tickets.begin(), tickets.end(), std::back_inserter(applied_));
  model_.batch_open = logs_grown > 0;
}

void Server::HoldRefusal(const absl::Status& status) {
  if (absl::IsResourceExhausted(status)) {
    world_.tally.Add(Kind::kRefusedNoRoom);
    if (ledger_->status().write_state == ledger::WriteState::kDiskFull) {
      world_.tally.Add(Kind::kDiskFullStopped);
    }
    return;
  }
  CRASH_EXPECT(stopped() && absl::IsFailedPrecondition(status), "a request is refused: {}",
               MessageOf(status));
  world_.tally.Add(Kind::kRefusedStopped);
}

void Server::HoldResult(Ticket& ticket, const ledger::RequestResult& result) {
  if (absl::IsResourceExhausted(result.status) || absl::IsFailedPrecondition(result.status)) {
    HoldRefusal(result.status);
    return;
  }
  CRASH_EXPECT(!stopped(), "a request is taken after a failed write");
  LogModel& log = *model_.logs.at(ticket.log);
  const ExpectedResult expected = log.Apply(ticket);
  CRASH_EXPECT(result.status.code() == expected.code,
               "log {}: a request ends with {} '{}', by the rules with {}", log.name,
               static_cast<int>(result.status.code()), MessageOf(result.status),
               static_cast<int>(expected.code));
  CRASH_EXPECT(result.receipts.size() == expected.receipts.size(),
               "log {}: {} receipts for {} events", log.name, result.receipts.size(),
               expected.receipts.size());
  for (size_t i = 0; i < expected.receipts.size(); ++i) {
    const ledger::EventReceipt& receipt = result.receipts[i];
    const uint64_t index = expected.receipts[i].index;
    CRASH_EXPECT(
        receipt.index.value == index && receipt.duplicate == expected.receipts[i].duplicate,
        "log {}: event {} gets index {}{}, by the rules {}{}", log.name, ticket.specs[i]->id,
        receipt.index.value, receipt.duplicate ? " (duplicate)" : "", index,
        expected.receipts[i].duplicate ? " (duplicate)" : "");
    if (!receipt.duplicate) log.SetApplied(index, receipt.record_hash);
    const bool same = log.applied(index).received_at_ns == receipt.received_at_ns &&
                      log.applied(index).hash == receipt.record_hash;
    CRASH_EXPECT(same, "log {}: the receipt for record {} has another time or hash", log.name,
                 index);
  }
  CountExpected(ticket, log, expected, result);
}

void Server::CountExpected(const Ticket& ticket, const LogModel& log,
                           const ExpectedResult& expected, const ledger::RequestResult& result) {
  Tally& tally = world_.tally;
  if (expected.code == absl::StatusCode::kAlreadyExists) tally.Add(Kind::kConflict);
  if (expected.code == absl::StatusCode::kAborted) tally.Add(Kind::kStalePrecondition);
  if (expected.code != absl::StatusCode::kOk) return;
  uint32_t duplicates = 0;
  for (size_t i = 0; i < expected.receipts.size(); ++i) {
    const ExpectedReceipt& receipt = expected.receipts[i];
    const ModelRecord& record = log.applied(receipt.index);
    if (receipt.duplicate) {
      ++duplicates;
      tally.Add(Kind::kDuplicate);
      if (record.event->body != ticket.specs[i]->body) tally.Add(Kind::kDuplicateOtherBytes);
      if (receipt.index >= log.size()) tally.Add(Kind::kDuplicateInRequest);
      if (ticket.retry && i == 0) tally.Add(Kind::kRetryFoundStored);
    } else {
      if (record.earlier) tally.Add(Kind::kBeyondWindow);
      if (ticket.retry && i == 0) tally.Add(Kind::kRetryFoundLost);
    }
  }
  CRASH_EXPECT(result.duplicate_count == duplicates, "log {}: {} duplicates, {} are counted",
               log.name, duplicates, result.duplicate_count);
  if (ticket.request.expected_last_hash && duplicates < expected.receipts.size()) {
    tally.Add(Kind::kRightPrecondition);
  }
}

void Server::MakeDurable() {
  absl::Status durable = ledger_->MakeDurable();
  if (!durable.ok()) {
    CRASH_EXPECT(absl::IsUnavailable(durable), "MakeDurable ends with {}", MessageOf(durable));
    CRASH_EXPECT(stopped(), "a write failed and the ledger does not say that it stopped");
    world_.story.Tell("writer: not durable: {}", MessageOf(durable));
    GiveUp(applied_);
    return;
  }
  for (auto& [name, log] : model_.logs) log->Acknowledge();
  model_.batch_open = false;
  world_.story.Tell("writer: durable, {} answered", applied_.size());
  applied_.clear();
}

void Server::GiveUp(std::vector<std::unique_ptr<Ticket>>& tickets) {
  for (std::unique_ptr<Ticket>& ticket : tickets) writers_.Unknown(std::move(ticket));
  tickets.clear();
}

void Server::DrainWriters() {
  while (!waiting_.empty() || !applied_.empty()) WriterStep();
}

// --- the publisher, the background, readers
// ------------------------------------------------------------

void Server::PublishStep() {
  publisher_busy_ = true;
  auto published = ledger_->Publish();
  if (published.ok()) {
    world_.story.Tell("publisher: {} logs", published->size());
    if (!published->empty()) world_.tally.Add(Kind::kPublish);
  } else {
    world_.story.Tell("publisher: {}", MessageOf(published.status()));
    CRASH_EXPECT(stopped(), "publishing failed and the ledger does not say that it stopped: {}",
                 MessageOf(published.status()));
  }
  LookAtAllPublished(world_, *ledger_, model_);
  publisher_busy_ = false;
}

void Server::BackgroundStep() {
  background_busy_ = true;
  if (world_.choices.Percent(50)) {
    absl::Status prepared = ledger_->PrepareJournal(world_.choices.Percent(30));
    world_.tally.Add(Kind::kPrepareJournal);
    world_.story.Tell("background: prepare: {}", prepared.ok() ? "ok" : MessageOf(prepared));
  } else {
    const bool in_haste = world_.choices.Percent(30);
    auto sealed = ledger_->Seal(in_haste);
    world_.story.Tell("background: seal: {}", !sealed.ok() ? MessageOf(sealed.status())
                                              : *sealed    ? "something"
                                                           : "nothing");
    if (sealed.ok() && *sealed) world_.tally.Add(in_haste ? Kind::kSealInHaste : Kind::kSeal);
  }
  background_busy_ = false;
}

void Server::TailStep() {
  LogModel& log = AnyLog();
  const uint64_t read = CheckRecords(*ledger_, log, log.tailed, world_.choices.Between(1, 50));
  CRASH_EXPECT(read > 0 || log.tailed >= log.published_seen,
               "log {}: record {} is published and cannot be read", log.name, log.tailed);
  log.tailed += read;
  if (log.tailed == log.size() && world_.choices.Percent(20)) log.tailed = 0;
  if (read > 0) world_.tally.Add(Kind::kTailRead);
}

void Server::AuditStep() {
  LogModel& log = AnyLog();
  CheckProofs(world_, *ledger_, log);
  if (world_.choices.Percent(30)) TakeReceipt(world_, *ledger_, model_, log);
}

void Server::CreateLogStep() {
  if (model_.logs.size() >= setup_.logs_max || stopped()) return;
  creating_ = true;
  // A name whose creation was lost in a crash is free again.
  uint64_t free = 1;
  while (model_.logs.contains(fmt::format("log-{}", free))) ++free;
  const std::string name = fmt::format("log-{}", free);
  const std::string origin = fmt::format("example.org/{}", name);
  const uint64_t windows[] = {16, 64, 500};
  const uint64_t window = windows[world_.choices.Below(3)];
  auto log = std::make_unique<LogModel>(name, origin, window);
  LogModel& model = *model_.logs.emplace(name, std::move(log)).first->second;
  auto created = ledger_->CreateLog(name, origin, window);
  world_.story.Tell("operator: create {}: {}", name,
                    created.ok() ? "ok" : MessageOf(created.status()));
  if (created.ok()) {
    model.acknowledged = true;
    model.vkey = ledger_->Info(*created).vkey;
    model.number = created->number();
    world_.tally.Add(Kind::kCreateLog);
    LookAtPublished(world_, *ledger_, model);
  } else {
    world_.tally.Add(Kind::kCreateLogUnknown);
  }
  creating_ = false;
}

void Server::ClockStep() {
  const int64_t seconds = static_cast<int64_t>(world_.choices.Between(1, 7200)) * 1'000'000'000;
  if (world_.choices.Percent(50)) {
    world_.clock.Jump(-seconds);
    world_.tally.Add(Kind::kClockBack);
  } else {
    world_.clock.Pass(seconds);
  }
}

void Server::DiskFullStep() {
  if (world_.choices.Percent(60)) {
    world_.disk.SetCapacity(std::nullopt);
    return;
  }
  const uint64_t room = world_.choices.Below(6) * 32 * 1024;
  world_.story.Tell("the disk has room for {} more bytes", room);
  world_.disk.SetCapacity(world_.disk.UsedBytes() + room);
  world_.tally.Add(Kind::kDiskFull);
}

// --- ends of a life
// ------------------------------------------------------------------------------------

bool Server::Close() {
  sequencer_->Close();
  // What was accepted is answered before the end.
  while ((!waiting_.empty() || !applied_.empty()) && !world_.disk.crashed()) WriterStep();
  absl::Status closed = ledger_->Close();
  world_.story.Tell("close: {}", closed.ok() ? "ok" : MessageOf(closed));
  const bool clean = closed.ok() && !stopped();
  Die();
  return clean;
}

void Server::Die() {
  // Readers may have seen whatever was shown until the very end.
  if (ledger_ != nullptr) LookAtAllPublished(world_, *ledger_, model_);
  Discard();
}

void Server::Discard() {
  ledger_.reset();
  GiveUp(applied_);
  GiveUp(waiting_);
  sequencer_.reset();
}

void Server::ExpectProgress() {
  world_.disk.SetCapacity(std::nullopt);
  world_.disk.ClearFaults();
  LogModel& log = AnyLog();
  for (int round = 0; round < 200; ++round) {
    DrainWriters();
    const uint64_t before = log.size();
    Submit(writers_.ComposeLarge(log, 1));
    DrainWriters();
    if (log.size() > before) return;
    absl::Status prepared = ledger_->PrepareJournal(false);
    CRASH_EXPECT(prepared.ok(), "no journal file can be prepared: {}", MessageOf(prepared));
    auto sealed = ledger_->Seal(false);
    CRASH_EXPECT(sealed.ok(), "nothing can be sealed: {}", MessageOf(sealed.status()));
  }
  Fail("the ledger takes no events although the disk is well: {}",
       MessageOf(ledger_->CheckRoom(9000)));
}

void Server::FillRange() {
  LogModel& log = *model_.logs.begin()->second;
  while (log.size() + 3000 < 65'536) {
    Submit(writers_.ComposeLarge(log, 2500));
    DrainWriters();
    if (world_.choices.Percent(50)) PublishStep();
    for (int i = 0; i < 3; ++i) (void)ledger_->PrepareJournal(false);
    auto sealed = ledger_->Seal(true);
    CRASH_EXPECT(sealed.ok(), "sealing failed on a good disk: {}", MessageOf(sealed.status()));
  }
}

}  // namespace graven::crash
