#include "view/seen_files.h"

#include <optional>

#include "base/encoding.h"
#include "base/sha256.h"
#include "fmt/format.h"

namespace graven::view {
namespace {

constexpr std::string_view kSeenLine = "graven.dev/view-seen@v1";
constexpr std::string_view kKnownLine = "graven.dev/view-known@v1";
constexpr std::string_view kFindingLine = "graven.dev/view-finding@v1";
constexpr size_t kSumLineBytes = 4 + 2 * Hash::kSize + 1;

absl::Status Damaged(std::string_view what) {
  return absl::DataLossError(fmt::format("damaged: {}", what));
}

std::string WithSum(std::string text) {
  return text + fmt::format("sum {}\n", HexEncode(Sha256(text)));
}

// The lines between the first and the sum.
absl::StatusOr<std::string_view> WithoutSum(std::string_view text, std::string_view first_line) {
  if (text.size() < kSumLineBytes) return Damaged("it is cut");
  std::string_view rest = text.substr(0, text.size() - kSumLineBytes);
  if (text.substr(rest.size()) != fmt::format("sum {}\n", HexEncode(Sha256(rest))))
    return Damaged("its checksum does not fit");
  if (!rest.starts_with(fmt::format("{}\n", first_line))) return Damaged("another version");
  return rest.substr(first_line.size() + 1);
}

// The words of the next line, if it begins with `word` and has `count` words behind it.
std::optional<std::vector<std::string_view>> Take(std::string_view& rest, std::string_view word,
                                                  size_t count) {
  const size_t end = rest.find('\n');
  if (end == rest.npos) return std::nullopt;
  std::string_view line = rest.substr(0, end);
  std::vector<std::string_view> words;
  for (size_t i = 0; i <= count; ++i) {
    const size_t space = i == count ? line.npos : line.find(' ');
    words.push_back(line.substr(0, space));
    line.remove_prefix(space == line.npos ? line.size() : space + 1);
  }
  if (words[0] != word || words.back().find(' ') != rest.npos || words.back().empty())
    return std::nullopt;
  rest.remove_prefix(end + 1);
  words.erase(words.begin());
  return words;
}

bool ReadNumber(std::string_view text, uint64_t* number) {
  const auto parsed = ParseDecimal(text);
  if (!parsed || *parsed >= kLogIndexLimit) return false;
  *number = *parsed;
  return true;
}

std::string CheckpointLine(std::string_view word, const SeenCheckpoint& one) {
  return fmt::format("{} {} {} {} {}\n", word, one.tree.size.value, HexEncode(one.tree.root),
                     one.at_ms, one.witnesses);
}

bool TakeCheckpoint(std::string_view& rest, std::string_view word, SeenCheckpoint* one) {
  const auto words = Take(rest, word, 4);
  uint64_t at = 0;
  if (!words || !ReadNumber((*words)[0], &one->tree.size.value) || !ReadNumber((*words)[2], &at) ||
      !ReadNumber((*words)[3], &one->witnesses))
    return false;
  const auto root = HashFromHex((*words)[1]);
  if (!root) return false;
  one->tree.root = *root;
  one->at_ms = static_cast<int64_t>(at);
  return true;
}

bool TakeBytes(std::string_view& rest, std::string_view word, std::string* bytes) {
  const auto words = Take(rest, word, 1);
  auto decoded = words ? Base64Decode((*words)[0]) : std::nullopt;
  if (!decoded) return false;
  *bytes = *std::move(decoded);
  return true;
}

}  // namespace

std::vector<SeenCheckpoint> WithCheckpoint(std::vector<SeenCheckpoint> line,
                                           const SeenCheckpoint& one) {
  if (!line.empty() && line.back().tree == one.tree) {
    line.back().witnesses = std::max(line.back().witnesses, one.witnesses);
    return line;
  }
  line.push_back(one);
  if (line.size() <= kSeenCheckpointsMax) return line;
  // Every second of the older half goes; the first stays.
  std::vector<SeenCheckpoint> thinned;
  for (size_t i = 0; i < line.size(); ++i)
    if (i % 2 == 0 || i >= kSeenCheckpointsMax / 2) thinned.push_back(line[i]);
  return thinned;
}

std::string EncodeSeen(const Seen& seen) {
  std::string text = fmt::format("{}\nkey {}\n{}{}note {}\n", kSeenLine, seen.vkey,
                                 CheckpointLine("first", seen.first),
                                 CheckpointLine("last", seen.last), Base64Encode(seen.note));
  for (const SeenCheckpoint& one : seen.line) text += CheckpointLine("seen", one);
  return WithSum(std::move(text));
}

absl::StatusOr<Seen> DecodeSeen(std::string_view text) {
  auto rest = WithoutSum(text, kSeenLine);
  if (!rest.ok()) return rest.status();
  Seen seen;
  const auto key = Take(*rest, "key", 1);
  if (!key || (*key)[0].size() > kVkeyBytesMax) return Damaged("the key");
  seen.vkey = (*key)[0];
  if (!TakeCheckpoint(*rest, "first", &seen.first) || !TakeCheckpoint(*rest, "last", &seen.last))
    return Damaged("a checkpoint");
  if (!TakeBytes(*rest, "note", &seen.note) || seen.note.size() > kSeenNoteBytesMax)
    return Damaged("the note");
  for (SeenCheckpoint one; TakeCheckpoint(*rest, "seen", &one);) {
    if (seen.line.size() == kSeenCheckpointsMax) return Damaged("too many checkpoints");
    seen.line.push_back(one);
  }
  if (!rest->empty()) return Damaged("more than there should be");
  return seen;
}

std::string EncodeKnown(const std::map<LogName, KnownLog>& known) {
  std::string text = fmt::format("{}\n", kKnownLine);
  for (const auto& [name, log] : known)
    text += fmt::format("known {} {} {} {}\n", name.server, name.log, log.at_ms, log.vkey);
  return WithSum(std::move(text));
}

absl::StatusOr<std::map<LogName, KnownLog>> DecodeKnown(std::string_view text) {
  auto rest = WithoutSum(text, kKnownLine);
  if (!rest.ok()) return rest.status();
  std::map<LogName, KnownLog> known;
  while (!rest->empty()) {
    const auto words = Take(*rest, "known", 4);
    uint64_t at = 0;
    if (!words || !ReadNumber((*words)[2], &at) || (*words)[3].size() > kVkeyBytesMax ||
        known.size() == kKnownLogsMax)
      return Damaged("a log");
    const KnownLog log{std::string((*words)[3]), static_cast<int64_t>(at)};
    if (!known.emplace(LogName{std::string((*words)[0]), std::string((*words)[1])}, log).second)
      return Damaged("a log that stands there twice");
  }
  return known;
}

std::string EncodeFinding(const LogName& name, const Finding& finding) {
  std::string text =
      fmt::format("{}\nof {} {}\nid {}\nkey {}\nfinding {}\n", kFindingLine, name.server, name.log,
                  finding.id, finding.vkey, Base64Encode(finding.json));
  if (!finding.evidence.empty())
    text += fmt::format("evidence {}\n", Base64Encode(finding.evidence));
  return WithSum(std::move(text));
}

absl::StatusOr<std::pair<LogName, Finding>> DecodeFinding(std::string_view text) {
  auto rest = WithoutSum(text, kFindingLine);
  if (!rest.ok()) return rest.status();
  Finding finding;
  const auto of = Take(*rest, "of", 2);
  const auto id = of ? Take(*rest, "id", 1) : std::nullopt;
  if (!id || !ReadNumber((*id)[0], &finding.id)) return Damaged("the log or the id");
  const auto key = Take(*rest, "key", 1);
  if (!key || (*key)[0].size() > kVkeyBytesMax) return Damaged("the key");
  finding.vkey = (*key)[0];
  if (!TakeBytes(*rest, "finding", &finding.json)) return Damaged("the finding");
  if (!rest->empty() && !TakeBytes(*rest, "evidence", &finding.evidence))
    return Damaged("the evidence");
  if (!rest->empty()) return Damaged("more than there should be");
  return std::pair(LogName{std::string((*of)[0]), std::string((*of)[1])}, std::move(finding));
}

}  // namespace graven::view
