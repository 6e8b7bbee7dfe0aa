#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/log_index.h"
#include "record/producer_view.h"
#include "record/record.h"

// Completeness: what is not in the log, by the word of those who write it. An event may carry its
// producer's id, epoch and sequence number; numbers that are missing, that come twice, or that end
// without a word, are findings.
//
// They are apart from integrity. A log with gaps may be intact to the last bit: the events never
// came. And the ids are the producer's own word: a producer that lies about them, or leaves out the
// last events of an epoch and its heartbeats too, is not caught here. Streams are kept apart by the
// authenticated writer, so that nobody makes findings in the name of somebody else.
//
// Thread: one. Invariant: memory is bounded, whatever hostile producers send (see the constants);
// the finished epochs that a writer wrote to longest ago are forgotten first, and what is not
// followed is counted.
namespace graven::verify {

enum class ProducerFindingKind {
  kGap,          // numbers that never came
  kRepeat,       // a number that had come before
  kAfterClose,   // a number behind the one that closed the epoch
  kMissingTail,  // the epoch was not closed, and nothing came for longer than the deadline, or the
                 // next epoch began
};
inline constexpr size_t kProducerFindingKinds = 4;

// "gap", "repeat", "after_close", "missing_tail".
std::string_view ProducerFindingText(ProducerFindingKind kind);

struct ProducerFinding {
  ProducerFindingKind kind = ProducerFindingKind::kGap;
  std::string written_by;
  std::string producer;
  uint64_t epoch = 0;
  // The numbers concerned. Of a missing tail: the last that came, twice.
  uint64_t first_sequence = 0;
  uint64_t last_sequence = 0;
  // The record at which it showed: of a missing tail the last of the epoch.
  LogIndex index;
  int64_t received_at_ns = 0;
};

struct ProducerReport {
  uint64_t events = 0;     // that carry a number and are followed
  uint64_t streams = 0;    // one for each writer, producer and epoch, those forgotten too
  uint64_t untracked = 0;  // events that are not followed, for want of memory
  std::array<uint64_t, kProducerFindingKinds> counts{};  // by kind
  std::vector<ProducerFinding> findings;                 // the first kProducerFindingsKept

  uint64_t total() const;
};

inline constexpr size_t kProducerStreamsMax = 65'536;
inline constexpr size_t kProducerStreamsPerWriterMax = 16'384;
inline constexpr size_t kProducerGapsPerStreamMax = 32;
inline constexpr size_t kProducerFindingsKept = 1000;

struct ProducerRules {
  // The records begin with the log's first: an epoch that begins with a number above 1 has a gap.
  bool from_beginning = true;
  // An epoch that has opened, or sent a heartbeat, must not be silent for longer.
  int64_t heartbeat_deadline_ns = int64_t{600} * 1'000'000'000;
  // How many are followed, at most; both no more than the constants.
  size_t streams_max = kProducerStreamsMax;
  size_t streams_per_writer_max = kProducerStreamsPerWriterMax;
};

class ProducerSequences {
 public:
  explicit ProducerSequences(const ProducerRules& rules) : rules_(rules) {}

  // The next record. One without a producer is passed over.
  void Add(const record::RecordHeader& header);

  // What is missed by now, by the clock of the log's times; may be called again and again, each
  // missing tail is found once. A late number may still take back a gap that is not in a report
  // yet.
  void CheckDeadlines(int64_t now_ns);

  // The report of what was added. Gaps that are open count as gaps in it.
  ProducerReport Report() const;

  // By kind, without the gaps that a late number may still fill.
  const std::array<uint64_t, kProducerFindingKinds>& settled_counts() const {
    return report_.counts;
  }

  // What was found and not taken before, at most kProducerFindingsKept; gaps only when they showed
  // before `settled_before_ns`, since a late number may still fill a younger one. What is taken
  // stays in the counts of the report and is no more in its list.
  std::vector<ProducerFinding> TakeFindings(int64_t settled_before_ns);

  // All that is known, as text, but for what was found and not taken.
  std::string Encode() const;
  // What Encode made; where the records begin is as it was then, all else by `rules`. kDataLoss:
  // names what is wrong.
  static absl::StatusOr<ProducerSequences> Decode(std::string_view text,
                                                  const ProducerRules& rules);

 private:
  using Key = std::tuple<std::string, std::string, uint64_t>;  // writer, producer, epoch
  struct Gap {
    uint64_t first;
    uint64_t last;
    LogIndex index;
    int64_t received_at_ns;
    bool told = false;  // taken as a finding; counted
  };
  struct Stream {
    uint64_t next = 0;
    LogIndex last_index;
    int64_t last_received_at_ns = 0;
    bool beats = false;  // has opened, or sent a heartbeat
    bool closed = false;
    bool tail_told = false;
    std::vector<Gap> gaps;  // open ones, ascending
  };
  using Streams = std::map<Key, Stream>;

  Streams::iterator FindStream(const record::RecordHeader& header,
                               const record::ProducerView& producer);
  void Begin(Streams::iterator stream, const record::RecordHeader& header,
             const record::ProducerView& producer);
  // Whether the stream after `stream` is a later epoch of the same producer.
  bool IsSuperseded(Streams::const_iterator stream) const;
  // Makes room among those of a writer; false: all of them may go on.
  bool ForgetOldEpochs(const std::string& written_by);
  void TakeEarlier(const Key& key, const record::RecordHeader& header, uint64_t sequence,
                   Stream* stream);
  void OpenGap(const Key& key, const Gap& gap, Stream* stream);
  // What is missing longest will not come any more.
  void GiveUpOldestGap(const Key& key, Stream* stream);
  void TellTail(const Key& key, Stream* stream);
  static ProducerFinding MakeFinding(ProducerFindingKind kind, const Key& key, const Gap& gap);
  void Tell(ProducerFindingKind kind, const Key& key, const Gap& gap);

  absl::Status TakeStreamLine(std::string_view line);
  absl::Status TakeGapLine(std::string_view line);

  ProducerRules rules_;
  Streams streams_;
  std::map<std::string, size_t, std::less<>> streams_of_writer_;
  ProducerReport report_;
  uint64_t forgotten_ = 0;
};

}  // namespace graven::verify
