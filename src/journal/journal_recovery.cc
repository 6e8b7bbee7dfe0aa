#include "journal/journal_recovery.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/absl_views.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "journal/journal_format.h"
#include "journal/journal_scanner.h"

namespace graven::journal {
namespace {

// One file of the folder, as its header describes it.
struct FoundFile {
  std::unique_ptr<io::File> file;
  uint64_t size = 0;
  HeaderState state = HeaderState::kUnused;
  JournalHeader header;
  std::string read_error;  // why the header could not be read; the state is then kDamaged
};
using FoundFiles = std::map<uint64_t, FoundFile>;

// The files that belong together, oldest first, ending with the newest that was written to. Where
// one that should be there cannot be used stands a gap: `file` null, `reason` set.
struct ChainLink {
  uint64_t number = 0;
  FoundFile* file = nullptr;
  uint64_t end = 0;  // named by the next one's header; 0: not known
  std::string reason;
  bool unreadable = false;  // the disk refuses: what stands there may have been promised
};

absl::StatusOr<FoundFiles> FindFiles(io::FileSystem& fs, const std::string& dir) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(dir));
  FoundFiles found;
  for (const std::string& name : names) {
    const std::optional<uint64_t> number = ParseJournalFileName(name);
    if (!number) continue;
    const std::string path = io::JoinPath(dir, name);
    FoundFile& entry = found[*number];
    ASSIGN_OR_RETURN(entry.file, fs.Open(path, io::OpenMode::kRead));
    ASSIGN_OR_RETURN(entry.size, entry.file->Size());
    entry.size = std::min(entry.size, kJournalFileBytesMax);
    if (entry.size < kJournalHeaderBytes) continue;
    std::string bytes(kJournalHeaderBytes, '\0');
    if (const absl::Status read = entry.file->ReadAt(0, {bytes.data(), bytes.size()}); !read.ok()) {
      entry.state = HeaderState::kDamaged;
      entry.read_error = fmt::format("its header cannot be read: {}", ToStd(read.message()));
      continue;
    }
    entry.state = DecodeJournalHeader(bytes, *number, &entry.header);
    if (entry.state == HeaderState::kNewer) {
      return absl::FailedPreconditionError(
          fmt::format("{}: journal file made by a newer version of graven", path));
    }
  }
  return found;
}

// The newest file with a header, and from each header back to the file that it names.
std::vector<ChainLink> BuildChain(FoundFiles& found) {
  std::vector<ChainLink> chain;  // newest first until the end
  const auto newest = std::find_if(found.rbegin(), found.rend(), [](const auto& entry) {
    return entry.second.state == HeaderState::kValid;
  });
  for (auto it = found.rbegin(); it != newest; ++it) {
    if (it->second.state != HeaderState::kDamaged) continue;
    chain.push_back(it->second.read_error.empty()
                        ? ChainLink{it->first, nullptr, 0, "the file's header is damaged"}
                        : ChainLink{it->first, nullptr, 0, it->second.read_error, true});
  }
  if (newest == found.rend()) {
    std::reverse(chain.begin(), chain.end());
    return chain;
  }
  uint64_t number = newest->first;
  uint64_t end = 0;
  const JournalSalt* salt = nullptr;
  while (number != 0) {
    const auto it = found.find(number);
    const bool there = it != found.end() && it->second.state == HeaderState::kValid &&
                       (salt == nullptr || *salt == it->second.header.salt);
    if (there) {
      const JournalHeader& header = it->second.header;
      chain.push_back({number, &it->second, end, ""});
      number = header.previous_number;
      end = header.previous_end;
      salt = &header.previous_salt;
      continue;
    }
    // Files go away oldest first. So an absent one is missed only when there is an older one. One
    // that is there without its header was never synced: then neither was what the next one holds,
    // unless its frames say so. Where the file before the gap ends is not known.
    const bool present = it != found.end();
    auto older = std::make_reverse_iterator(found.lower_bound(number));
    older = std::find_if(older, found.rend(), [](const auto& entry) {
      return entry.second.state == HeaderState::kValid;
    });
    if (present || older != found.rend()) {
      const bool unreadable = present && !it->second.read_error.empty();
      chain.push_back({number, nullptr, 0,
                       unreadable ? it->second.read_error
                       : present  ? "the file's header is damaged or was never written"
                                  : "the file is missing",
                       unreadable});
    }
    number = older == found.rend() ? 0 : older->first;
    end = 0;
    salt = nullptr;
  }
  std::reverse(chain.begin(), chain.end());
  return chain;
}

class ChainReader {
 public:
  ChainReader(const SectionCallback& on_section, JournalRecovery* recovery)
      : on_section_(on_section), recovery_(*recovery) {}

  // Of neighbours in one file one is made.
  void Finish() {
    for (const auto& [sequence, part] : unproven_) {
      if (!recovery_.unproven.empty() && recovery_.unproven.back().file == part.file) {
        recovery_.unproven.back().end = part.end;
      } else {
        recovery_.unproven.push_back(part);
      }
    }
  }

  absl::Status Read(const ChainLink& link, bool last) {
    if (link.file == nullptr) {
      Damage(link.number, 0, link.reason);
      recovery_.damage->was_durable |= link.unreadable;
      return absl::OkStatus();
    }
    const uint64_t end = link.end == 0 ? link.file->size : link.end;
    FrameScanner scanner(*link.file->file, link.number, link.file->header.salt,
                         std::min(end, link.file->size));
    if (!recovery_.damage && !Follows(link.file->header)) {
      Damage(link.number, 0, "the file does not follow the frame before it");
    }
    if (recovery_.damage) {
      SearchLater(scanner, kJournalHeaderBytes);
      return absl::OkStatus();
    }
    uint64_t offset = kJournalHeaderBytes;
    FrameScanner::Found found;
    while (true) {
      FrameScanner::Frame frame;
      found = scanner.ReadAt(offset, recovery_.next_sequence, &frame);
      if (found != FrameScanner::Found::kFrame) break;
      if (frame.header.sequence != recovery_.next_sequence ||
          frame.header.previous_check != recovery_.last_check) {
        found = FrameScanner::Found::kPart;
        break;
      }
      RETURN_IF_ERROR(Believe(scanner, frame));
      offset += frame.header.frame_bytes();
    }
    EndFile(link, offset);
    if (link.end != 0 ? offset == link.end : found == FrameScanner::Found::kEnd && last) {
      return absl::OkStatus();
    }
    StopAt(scanner, offset, found, last, link.end != 0);
    return absl::OkStatus();
  }

 private:
  // The oldest file is taken at its word; each other one must go on where the one before stopped.
  bool Follows(const JournalHeader& header) {
    if (!started_) {
      started_ = true;
      recovery_.next_sequence = header.first_sequence;
      recovery_.last_check = header.first_chain;
      return true;
    }
    return recovery_.next_sequence == header.first_sequence &&
           recovery_.last_check == header.first_chain;
  }

  absl::Status Believe(FrameScanner& scanner, const FrameScanner::Frame& frame) {
    RETURN_IF_ERROR(scanner.ForEachSection(frame, [this](const FrameSection& section) {
      const auto [it, inserted] = ranges_.try_emplace(
          section.log_number, LogRange{section.log_number, section.first, section.end()});
      if (!inserted) it->second.end = section.end();
      return on_section_(section);
    }));
    NoteProven(scanner.number(), frame);
    ++recovery_.frames;
    ++recovery_.next_sequence;
    recovery_.last_check = frame.header.check;
    return absl::OkStatus();
  }

  // What was read may come from the page cache of a process that died before its sync, or whose
  // sync failed.
  void NoteProven(uint64_t file, const FrameScanner::Frame& frame) {
    while (!unproven_.empty() && unproven_.front().first < frame.header.synced_sequence) {
      unproven_.pop_front();
    }
    // A file's header shares the sync of its first frame.
    const uint64_t begin = frame.offset == kJournalHeaderBytes ? 0 : frame.offset;
    unproven_.push_back(
        {frame.header.sequence, {file, begin, frame.offset + frame.header.frame_bytes()}});
  }

  // A file without a frame is left out: the next one names the file before it. Its header may never
  // have reached the disk, since it shares the sync of the first frame.
  void EndFile(const ChainLink& link, uint64_t offset) {
    if (offset == kJournalHeaderBytes) return;
    recovery_.chain.push_back({link.number, link.file->header.salt, offset});

    JournalFileInfo info{link.number, offset, false, {}};
    for (const auto& [log, range] : ranges_) info.logs.push_back(range);
    std::sort(info.logs.begin(), info.logs.end(),
              [](const LogRange& a, const LogRange& b) { return a.log_number < b.log_number; });
    recovery_.files.push_back(std::move(info));
    ranges_.clear();
  }

  // Reading stopped at `offset`. In the newest file that is the ordinary end of the journal, unless
  // there is the trace of a frame. Where the end is not known, a gap in the chain follows and is
  // reported.
  void StopAt(FrameScanner& scanner, uint64_t offset, FrameScanner::Found found, bool last,
              bool end_known) {
    if (found == FrameScanner::Found::kUnreadable) {
      // No torn end: what stands there may have been synced, and promised.
      Damage(scanner.number(), offset,
             fmt::format("it cannot be read: {}", ToStd(scanner.read_error().message())));
      recovery_.damage->was_durable = true;
    } else if (!last && end_known) {
      Damage(scanner.number(), offset, "a frame is damaged or missing");
    } else if (found == FrameScanner::Found::kPart) {
      Damage(scanner.number(), offset, "a frame is not whole");
    }
    SearchLater(scanner, offset);
  }

  void SearchLater(FrameScanner& scanner, uint64_t offset) {
    scanner.Search(offset, [&](const FrameScanner::Frame& frame) {
      if (frame.header.sequence < recovery_.next_sequence) return;
      Damage(scanner.number(), offset, "a frame is missing before others that are whole");
      recovery_.damage->was_durable |= frame.header.synced_sequence > recovery_.next_sequence;
      const auto note = [&](const FrameSection& section) {
        NoteLater(section, frame.offset);
        return absl::OkStatus();
      };
      (void)scanner.ForEachSection(frame, note);  // `note` never fails
    });
  }

  void NoteLater(const FrameSection& section, uint64_t offset) {
    const LaterSection later{section.log_number, section.acknowledged, section.end(), section.file,
                             offset};
    const auto [it, inserted] = later_at_.try_emplace(section.log_number, recovery_.later.size());
    if (inserted) {
      recovery_.later.push_back(later);
    } else if (recovery_.later[it->second].acknowledged < later.acknowledged) {
      recovery_.later[it->second] = later;
    }
  }

  // The first one counts.
  void Damage(uint64_t file, uint64_t offset, std::string_view reason) {
    if (recovery_.damage) return;
    recovery_.damage = JournalDamage{file, offset, std::string(reason), false};
  }

  const SectionCallback& on_section_;
  JournalRecovery& recovery_;
  bool started_ = false;
  absl::flat_hash_map<uint32_t, LogRange> ranges_;  // of the file being read
  absl::flat_hash_map<uint32_t, size_t> later_at_;
  std::deque<std::pair<uint64_t, JournalRecovery::Unproven>> unproven_;  // behind their sequence
};

}  // namespace

bool RecordCursor::Next(std::string_view* record, RecordLocation* location) {
  if (left_.empty()) return false;
  const char* const begin = left_.data();
  uint64_t length = 0;
  if (!GetVarint(&left_, &length) || length > left_.size()) {
    left_ = {};
    return false;
  }
  offset_ += static_cast<uint32_t>(left_.data() - begin);
  *record = left_.substr(0, length);
  if (location != nullptr) *location = {file_, offset_, static_cast<uint32_t>(length)};
  left_.remove_prefix(length);
  offset_ += static_cast<uint32_t>(length);
  return true;
}

absl::StatusOr<JournalRecovery> ReadJournal(io::FileSystem& fs, const std::string& dir,
                                            const SectionCallback& on_section) {
  ASSIGN_OR_RETURN(FoundFiles found, FindFiles(fs, dir));
  const std::vector<ChainLink> chain = BuildChain(found);
  JournalRecovery recovery;
  ChainReader reader(on_section, &recovery);
  for (size_t i = 0; i < chain.size(); ++i) {
    RETURN_IF_ERROR(reader.Read(chain[i], i + 1 == chain.size()));
  }
  reader.Finish();
  for (const auto& [number, file] : found) {
    recovery.next_number = std::max(recovery.next_number, number + 1);
    const bool believed =
        std::any_of(recovery.chain.begin(), recovery.chain.end(),
                    [n = number](const JournalRecovery::OldFile& old) { return old.number == n; });
    if (believed) continue;
    if (file.state == HeaderState::kUnused) {
      recovery.unused_files.push_back(number);
    } else {
      recovery.cut_files.push_back(number);
    }
  }
  return recovery;
}

}  // namespace graven::journal
