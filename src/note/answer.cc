#include "note/answer.h"

#include <optional>
#include <vector>

#include "base/encoding.h"
#include "fmt/format.h"
#include "merkle/leaf.h"

namespace graven::note {
namespace {

constexpr std::string_view kHeader = "graven answer v1";
constexpr size_t kLines = 9;

absl::Status Wrong(std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("not a statement about a search: {}", what));
}

// The lines of a text that ends in a line feed.
std::vector<std::string_view> LinesOf(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty() && lines.size() <= kLines) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

bool ReadHash(std::string_view line, Hash* hash) {
  const std::optional<std::string> raw = Base64Decode(line);
  if (!raw || raw->size() != Hash::kSize) return false;
  *hash = Hash::FromBytes(*raw);
  return true;
}

bool ReadNumber(std::string_view text, uint64_t* number) {
  const std::optional<uint64_t> value = ParseDecimal(text);
  if (!value || *value >= kLogIndexLimit) return false;
  *number = *value;
  return true;
}

}  // namespace

Hash AnswerLeaf(LogIndex index) {
  char bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(index.value >> (56 - 8 * i));
  return merkle::HashLeaf({bytes, sizeof bytes});
}

std::string FormatAnswer(const Answer& answer) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{} {}\n{}\n{}\n{}\n", kHeader, answer.origin,
                     answer.query, answer.size.value, Base64Encode(answer.root), answer.low,
                     answer.high, answer.count, Base64Encode(answer.matches_root),
                     Base64Encode(answer.checkpoint));
}

absl::StatusOr<Answer> ParseAnswer(std::string_view text) {
  if (!text.ends_with('\n')) return Wrong("its last line does not end");
  const std::vector<std::string_view> lines = LinesOf(text);
  if (lines.size() != kLines) return Wrong("another number of lines");
  if (lines[0] != kHeader) return Wrong("its first line is another");
  Answer answer;
  answer.origin = lines[1];
  answer.query = lines[2];
  if (!ReadNumber(lines[3], &answer.size.value)) return Wrong("size");
  if (!ReadHash(lines[4], &answer.root)) return Wrong("root");
  const size_t space = lines[5].find(' ');
  if (space == std::string_view::npos || !ReadNumber(lines[5].substr(0, space), &answer.low) ||
      !ReadNumber(lines[5].substr(space + 1), &answer.high)) {
    return Wrong("range");
  }
  if (!ReadNumber(lines[6], &answer.count)) return Wrong("count");
  if (!ReadHash(lines[7], &answer.matches_root)) return Wrong("hash of the matches");
  const std::optional<std::string> checkpoint = Base64Decode(lines[8]);
  if (!checkpoint) return Wrong("checkpoint");
  answer.checkpoint = *checkpoint;
  if (answer.low > answer.high || answer.high > answer.size.value ||
      answer.count > answer.high - answer.low) {
    return Wrong("its numbers do not fit together");
  }
  return answer;
}

}  // namespace graven::note
