// One bit turns on a disk that was in order: whatever somebody was told of is still there, or the
// log says that it is not and takes nothing more.

#include <algorithm>

#include "base/status_text.h"
#include "journal/journal_format.h"
#include "judge.h"
#include "note/checkpoint.h"
#include "simulation.h"

namespace graven::crash {
namespace {

constexpr uint64_t kSectorBytes = 512;

bool HasPart(const std::string& path, std::string_view part) {
  return path.find(part) != std::string::npos;
}

bool HoldsRecords(const std::string& path) {
  return HasPart(path, "/journal/") || HasPart(path, "/segments/");
}

}  // namespace

void Simulation::FilesBelow(const std::string& folder, std::vector<std::string>* files) {
  auto names = world_.disk.List(folder);
  CRASH_EXPECT(names.ok(), "{} cannot be listed: {}", folder, MessageOf(names.status()));
  for (const std::string& name : *names) {
    const std::string path = fmt::format("{}/{}", folder, name);
    if (world_.disk.Stat(path)->is_directory) {
      FilesBelow(path, files);
    } else if (world_.disk.Stat(path)->size > 0) {
      files->push_back(path);
    }
  }
}

// A few batches more, of which the last ones are acknowledged and perhaps not published: then only
// later frames of the journal say that somebody was told of them.
void Simulation::LiveUntilFlip() {
  Choices& choices = world_.choices;
  for (uint64_t batches = choices.Between(2, 12); batches > 0; --batches) {
    for (auto& [name, log] : model_.logs) {
      if (choices.Percent(60)) server_.Submit(writers_.ComposeLarge(*log, choices.Between(1, 5)));
    }
    server_.DrainWriters();
    absl::Status prepared = server_.ledger().PrepareJournal(false);
    CRASH_EXPECT(prepared.ok(), "no journal file can be prepared: {}", MessageOf(prepared));
    if (choices.Percent(20)) server_.PublishStep();
  }
  if (choices.Percent(30)) server_.PublishStep();
  world_.disk.Kill();
  server_.Die();
  world_.disk.Restart();
}

std::optional<Simulation::Flip> Simulation::PickUnpublished(const std::vector<std::string>& files) {
  std::vector<const EventSpec*> unpublished;
  for (auto& [name, log] : model_.logs) {
    for (uint64_t i = log->published_seen; i < log->size(); ++i) {
      unpublished.push_back(log->at(i).event.get());
    }
  }
  if (unpublished.empty()) return std::nullopt;
  const std::string& body = unpublished[world_.choices.Below(unpublished.size())]->body;
  for (const std::string& path : files) {
    if (!HasPart(path, "/journal/")) continue;
    auto file = world_.disk.Open(path, io::OpenMode::kRead);
    std::string bytes(world_.disk.Stat(path)->size, '\0');
    CRASH_EXPECT(file.ok() && (*file)->ReadAt(0, bytes).ok(), "{} cannot be read", path);
    const size_t at = bytes.find(body);
    if (at == std::string::npos) continue;
    return Flip{path, (at + world_.choices.Below(body.size())) * 8 + world_.choices.Below(8),
                false};
  }
  return std::nullopt;
}

Simulation::Flip Simulation::PickFlip() {
  Choices& choices = world_.choices;
  std::vector<std::string> files;
  FilesBelow(kFolder, &files);
  FilesBelow(kGuardFolder, &files);
  if (choices.Percent(40)) {
    if (const std::optional<Flip> flip = PickUnpublished(files)) return *flip;
  }
  const char* parts[] = {"/journal/", "/journal/", "/journal/", "/segments/", "/"};
  const std::string part = parts[choices.Below(std::size(parts))];
  std::vector<std::string> fitting;
  for (const std::string& path : files) {
    if (HasPart(path, part)) fitting.push_back(path);
  }
  if (fitting.empty()) fitting = files;
  Flip flip;
  // Where there is something: most of a journal file is zeros.
  for (int tries = 0; tries < 200; ++tries) {
    flip.path = fitting[choices.Below(fitting.size())];
    const uint64_t size = world_.disk.Stat(flip.path)->size;
    const uint64_t byte = choices.Below(size);
    flip.bit = byte * 8 + choices.Below(8);
    flip.in_journal_header = HasPart(flip.path, "/journal/") && byte < journal::kJournalHeaderBytes;
    const uint64_t sector = byte / kSectorBytes * kSectorBytes;
    std::string bytes(std::min(kSectorBytes, size - sector), '\0');
    auto file = world_.disk.Open(flip.path, io::OpenMode::kRead);
    CRASH_EXPECT(file.ok() && (*file)->ReadAt(sector, bytes).ok(), "{} cannot be read", flip.path);
    if (bytes.find_first_not_of('\0') != std::string::npos) break;
  }
  return flip;
}

void Simulation::JudgeFlipped(const Flip& flip) {
  absl::Status opened = server_.Open();
  world_.story.Tell("open: {}", opened.ok() ? "ok" : MessageOf(opened));
  if (!opened.ok()) {
    CRASH_EXPECT(!HoldsRecords(flip.path),
                 "damage to records kept the folder from opening ({}): {}", flip.path,
                 MessageOf(opened));
    CRASH_EXPECT(absl::IsDataLoss(opened) || absl::IsFailedPrecondition(opened),
                 "a flipped bit in {} is reported as: {}", flip.path, opened.ToString());
    world_.tally.Add(Kind::kFlipFound);
    return;
  }
  bool found = false;
  for (auto& [name, log] : model_.logs) found |= JudgeFlippedLog(flip, *log);
  world_.tally.Add(found ? Kind::kFlipFound : Kind::kFlipHarmless);
}

bool Simulation::JudgeFlippedLog(const Flip& flip, LogModel& log) {
  ledger::Ledger& ledger = server_.ledger();
  ledger::LogRef ref = ledger.FindLog(log.name);
  CRASH_EXPECT(bool(ref), "log {} is gone after a bit of {} turned", log.name, flip.path);
  const ledger::LogInfo info = ledger.Info(ref);
  const ledger::LedgerStatus status = ledger.status();
  const bool read_only = info.read_only || status.write_state == ledger::WriteState::kReadOnly;
  // What a later frame, or the guard, says that somebody was told of. In a file whose header is
  // damaged no frame can be believed.
  uint64_t floor = log.published_seen;
  if (!flip.in_journal_header) floor = std::max(floor, log.LastBatchBegin());
  const uint64_t size = ledger.DurableSize(ref).value;
  if (read_only) {
    CRASH_EXPECT(!status.write_state_reason.empty() || !info.read_only_reason.empty(),
                 "log {} is read-only and does not say why", log.name);
  } else {
    CRASH_EXPECT(
        size >= floor,
        "log {}: {} records were acknowledged and known to be; a bit of {} turned, {} are left and "
        "the log goes on",
        log.name, floor, flip.path, size);
  }
  CRASH_EXPECT(size <= log.size(), "log {}: damage made {} records of {}", log.name, size,
               log.size());
  auto published = ledger.GetPublished(ref);
  const uint64_t shown = published->size.value;
  CRASH_EXPECT(shown <= log.size() && published->root == log.RootAt(shown),
               "log {}: after damage a root is shown that the records do not have", log.name);
  const uint64_t read = CheckRecords(ledger, log, 0, log.size(), true);
  if (!read_only && !HoldsRecords(flip.path)) {
    CRASH_EXPECT(read == shown, "log {}: {} of {} records can be read after a bit of {} turned",
                 log.name, read, shown, flip.path);
  }
  return read_only || read < shown || size < log.size();
}

}  // namespace graven::crash
