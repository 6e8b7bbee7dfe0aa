#include <algorithm>
#include <optional>
#include <utility>

#include "base/encoding.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "verify/producer_sequences.h"

// The text in which sequences outlast the process that followed them: a line for the counts, then
// one a stream, each followed by its gaps.
namespace graven::verify {
namespace {

constexpr std::string_view kTitle = "graven producer sequences 1\n";
constexpr uint64_t kBeats = 1, kClosed = 2, kTailTold = 4;

absl::Status Damaged(std::string_view what) {
  return absl::DataLossError(fmt::format("the state of producers' sequences is damaged: {}", what));
}

// The words of one line.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) {}

  bool TakeWord(std::string_view* word) {
    if (ended_) return false;
    const size_t space = rest_.find(' ');
    *word = rest_.substr(0, space);
    ended_ = space == rest_.npos;
    if (!ended_) rest_.remove_prefix(space + 1);
    return true;
  }
  bool TakeNumber(uint64_t* number) {
    std::string_view word;
    if (!TakeWord(&word)) return false;
    const std::optional<uint64_t> parsed = ParseDecimal(word);
    if (parsed) *number = *parsed;
    return parsed.has_value();
  }
  // Of a time or an index, which are smaller.
  bool TakeSmall(int64_t* number) {
    uint64_t taken = 0;
    if (!TakeNumber(&taken) || taken > INT64_MAX) return false;
    *number = static_cast<int64_t>(taken);
    return true;
  }
  bool TakeIndex(LogIndex* index) {
    uint64_t taken = 0;
    if (!TakeNumber(&taken) || taken >= kLogIndexLimit) return false;
    *index = LogIndex(taken);
    return true;
  }
  bool TakeText(size_t bytes_max, std::string* text) {
    std::string_view word;
    if (!TakeWord(&word)) return false;
    std::optional<std::string> decoded = Base64Decode(word);
    if (!decoded || decoded->empty() || decoded->size() > bytes_max) return false;
    *text = *std::move(decoded);
    return true;
  }
  bool ended() const { return ended_; }

 private:
  std::string_view rest_;
  bool ended_ = false;
};

// What a record may hold of either is less.
constexpr size_t kNameBytesMax = 4096;

}  // namespace

std::string ProducerSequences::Encode() const {
  std::string text(kTitle);
  text += fmt::format("counts {} {} {} {} {}", rules_.from_beginning ? 1 : 0, report_.events,
                      report_.streams, report_.untracked, forgotten_);
  for (const uint64_t count : report_.counts) text += fmt::format(" {}", count);
  text += '\n';
  for (const auto& [key, stream] : streams_) {
    const auto& [written_by, producer, epoch] = key;
    const uint64_t flags = (stream.beats ? kBeats : 0) | (stream.closed ? kClosed : 0) |
                           (stream.tail_told ? kTailTold : 0);
    text += fmt::format("stream {} {} {} {} {} {} {}\n", Base64Encode(written_by),
                        Base64Encode(producer), epoch, stream.next, stream.last_index.value,
                        std::max<int64_t>(stream.last_received_at_ns, 0), flags);
    for (const Gap& gap : stream.gaps) {
      text += fmt::format("gap {} {} {} {} {}\n", gap.first, gap.last, gap.index.value,
                          std::max<int64_t>(gap.received_at_ns, 0), gap.told ? 1 : 0);
    }
  }
  return text;
}

absl::Status ProducerSequences::TakeStreamLine(std::string_view line) {
  Words words(line);
  std::string written_by, producer;
  uint64_t epoch = 0, flags = 0;
  Stream stream;
  if (!words.TakeText(kNameBytesMax, &written_by) || !words.TakeText(kNameBytesMax, &producer) ||
      !words.TakeNumber(&epoch) || !words.TakeNumber(&stream.next) ||
      !words.TakeIndex(&stream.last_index) || !words.TakeSmall(&stream.last_received_at_ns) ||
      !words.TakeNumber(&flags) || flags > (kBeats | kClosed | kTailTold) || !words.ended()) {
    return Damaged("a stream");
  }
  stream.beats = (flags & kBeats) != 0;
  stream.closed = (flags & kClosed) != 0;
  stream.tail_told = (flags & kTailTold) != 0;
  Key key{std::move(written_by), std::move(producer), epoch};
  if (streams_.size() >= kProducerStreamsMax) return Damaged("more streams than there may be");
  // In the order of the map; the gaps that follow are the last one's.
  if (!streams_.empty() && !(std::prev(streams_.end())->first < key)) {
    return Damaged("the order of the streams");
  }
  ++streams_of_writer_[std::get<0>(key)];
  streams_.emplace_hint(streams_.end(), std::move(key), std::move(stream));
  return absl::OkStatus();
}

absl::Status ProducerSequences::TakeGapLine(std::string_view line) {
  Words words(line);
  Gap gap{};
  uint64_t told = 0;
  if (!words.TakeNumber(&gap.first) || !words.TakeNumber(&gap.last) ||
      !words.TakeIndex(&gap.index) || !words.TakeSmall(&gap.received_at_ns) ||
      !words.TakeNumber(&told) || told > 1 || !words.ended() || streams_.empty()) {
    return Damaged("a gap");
  }
  gap.told = told == 1;
  Stream& stream = std::prev(streams_.end())->second;
  const uint64_t before = stream.gaps.empty() ? 0 : stream.gaps.back().last;
  if (gap.first > gap.last || gap.last >= stream.next ||
      (!stream.gaps.empty() && gap.first <= before) ||
      stream.gaps.size() >= kProducerGapsPerStreamMax) {
    return Damaged("the order of the gaps");
  }
  stream.gaps.push_back(gap);
  return absl::OkStatus();
}

absl::StatusOr<ProducerSequences> ProducerSequences::Decode(std::string_view text,
                                                            const ProducerRules& rules) {
  ProducerSequences sequences(rules);
  if (!text.starts_with(kTitle)) return Damaged("another version");
  text.remove_prefix(kTitle.size());
  bool counted = false;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == text.npos) return Damaged("it is cut");
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const std::string_view word = line.substr(0, line.find(' '));
    line.remove_prefix(std::min(line.size(), word.size() + 1));
    if (word == "counts" && !counted) {
      counted = true;
      Words words(line);
      uint64_t from_beginning = 0;
      bool good = words.TakeNumber(&from_beginning) && from_beginning <= 1 &&
                  words.TakeNumber(&sequences.report_.events) &&
                  words.TakeNumber(&sequences.report_.streams) &&
                  words.TakeNumber(&sequences.report_.untracked) &&
                  words.TakeNumber(&sequences.forgotten_);
      for (uint64_t& count : sequences.report_.counts) good = good && words.TakeNumber(&count);
      if (!good || !words.ended()) return Damaged("the counts");
      sequences.rules_.from_beginning = from_beginning == 1;
    } else if (word == "stream" && counted) {
      RETURN_IF_ERROR(sequences.TakeStreamLine(line));
    } else if (word == "gap" && counted) {
      RETURN_IF_ERROR(sequences.TakeGapLine(line));
    } else {
      return Damaged("a line that should not be there");
    }
  }
  if (!counted) return Damaged("no counts");
  return sequences;
}

}  // namespace graven::verify
