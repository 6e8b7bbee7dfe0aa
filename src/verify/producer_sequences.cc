#include "verify/producer_sequences.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <numeric>
#include <optional>
#include <utility>

namespace graven::verify {

std::string_view ProducerFindingText(ProducerFindingKind kind) {
  switch (kind) {
    case ProducerFindingKind::kGap:
      return "gap";
    case ProducerFindingKind::kRepeat:
      return "repeat";
    case ProducerFindingKind::kAfterClose:
      return "after_close";
    case ProducerFindingKind::kMissingTail:
      return "missing_tail";
  }
  return "";
}

uint64_t ProducerReport::total() const {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

ProducerFinding ProducerSequences::MakeFinding(ProducerFindingKind kind, const Key& key,
                                               const Gap& gap) {
  const auto& [written_by, producer, epoch] = key;
  return {kind, written_by, producer, epoch, gap.first, gap.last, gap.index, gap.received_at_ns};
}

void ProducerSequences::Tell(ProducerFindingKind kind, const Key& key, const Gap& gap) {
  ++report_.counts[static_cast<size_t>(kind)];
  if (report_.findings.size() < kProducerFindingsKept) {
    report_.findings.push_back(MakeFinding(kind, key, gap));
  }
}

ProducerSequences::Streams::iterator ProducerSequences::FindStream(
    const record::RecordHeader& header, const record::ProducerView& producer) {
  Key key{std::string(header.written_by), std::string(producer.id), producer.epoch};
  if (const auto found = streams_.find(key); found != streams_.end()) return found;
  const std::string written_by = std::get<0>(key);
  const auto of_writer = streams_of_writer_.find(written_by);
  const size_t count = of_writer == streams_of_writer_.end() ? 0 : of_writer->second;
  const bool full = streams_.size() >= rules_.streams_max || count >= rules_.streams_per_writer_max;
  if (full && !ForgetOldEpochs(written_by)) return streams_.end();
  ++streams_of_writer_[written_by];
  ++report_.streams;
  const auto made = streams_.emplace(std::move(key), Stream{}).first;
  Begin(made, header, producer);
  // The epoch before this one is over, whether it said so or not.
  if (made != streams_.begin()) {
    const auto before = std::prev(made);
    if (IsSuperseded(before) && before->second.beats) TellTail(before->first, &before->second);
  }
  return made;
}

bool ProducerSequences::IsSuperseded(Streams::const_iterator stream) const {
  const auto next = std::next(stream);
  return next != streams_.end() && std::get<0>(next->first) == std::get<0>(stream->first) &&
         std::get<1>(next->first) == std::get<1>(stream->first);
}

// Half of them at once, so that a flood of epochs costs little for each.
bool ProducerSequences::ForgetOldEpochs(const std::string& written_by) {
  std::vector<Streams::iterator> over;
  for (auto at = streams_.lower_bound(Key{written_by, "", 0});
       at != streams_.end() && std::get<0>(at->first) == written_by; ++at) {
    if (at->second.closed || IsSuperseded(at)) over.push_back(at);
  }
  if (over.empty()) return false;
  const auto middle = over.begin() + static_cast<std::ptrdiff_t>(over.size() / 2);
  std::nth_element(over.begin(), middle, over.end(), [](const auto& a, const auto& b) {
    return a->second.last_index < b->second.last_index;
  });
  for (auto at = over.begin(); at != std::next(middle); ++at) {
    while (!(*at)->second.gaps.empty()) GiveUpOldestGap((*at)->first, &(*at)->second);
    streams_.erase(*at);
    ++forgotten_;
    --streams_of_writer_[written_by];
  }
  if (streams_of_writer_[written_by] == 0) streams_of_writer_.erase(written_by);
  return true;
}

void ProducerSequences::Begin(Streams::iterator at, const record::RecordHeader& header,
                              const record::ProducerView& producer) {
  Stream& stream = at->second;
  stream.next = producer.sequence;
  // An epoch before others of the producer may be one that was forgotten.
  const bool first_is_known = producer.kind == record::ProducerRecordKind::kOpen ||
                              producer.sequence <= 1 || !rules_.from_beginning ||
                              (forgotten_ > 0 && IsSuperseded(at));
  if (!first_is_known) {
    OpenGap(at->first, {1, producer.sequence - 1, header.index, header.received_at_ns}, &stream);
  }
}

void ProducerSequences::OpenGap(const Key& key, const Gap& gap, Stream* stream) {
  if (stream->gaps.size() >= kProducerGapsPerStreamMax) GiveUpOldestGap(key, stream);
  stream->gaps.push_back(gap);
}

void ProducerSequences::GiveUpOldestGap(const Key& key, Stream* stream) {
  if (!stream->gaps.front().told) Tell(ProducerFindingKind::kGap, key, stream->gaps.front());
  stream->gaps.erase(stream->gaps.begin());
}

// A number below the one that was expected: late, or for the second time.
void ProducerSequences::TakeEarlier(const Key& key, const record::RecordHeader& header,
                                    uint64_t sequence, Stream* stream) {
  const auto gap = std::find_if(stream->gaps.begin(), stream->gaps.end(), [&](const Gap& open) {
    return sequence >= open.first && sequence <= open.last;
  });
  if (gap == stream->gaps.end()) {
    Tell(ProducerFindingKind::kRepeat, key,
         {sequence, sequence, header.index, header.received_at_ns});
    return;
  }
  const Gap whole = *gap;
  const auto at = stream->gaps.erase(gap);
  std::vector<Gap> rest;
  if (sequence > whole.first) {
    rest.push_back({whole.first, sequence - 1, whole.index, whole.received_at_ns, whole.told});
  }
  if (sequence < whole.last) {
    rest.push_back({sequence + 1, whole.last, whole.index, whole.received_at_ns, whole.told});
  }
  stream->gaps.insert(at, rest.begin(), rest.end());
  if (stream->gaps.size() > kProducerGapsPerStreamMax) GiveUpOldestGap(key, stream);
}

void ProducerSequences::Add(const record::RecordHeader& header) {
  const std::optional<record::ProducerView> producer = record::ReadProducer(header);
  if (!producer) return;
  const auto found = FindStream(header, *producer);
  if (found == streams_.end()) {
    ++report_.untracked;
    return;
  }
  ++report_.events;
  const Key& key = found->first;
  Stream& stream = found->second;
  const uint64_t sequence = producer->sequence;
  if (sequence < stream.next) {
    TakeEarlier(key, header, sequence, &stream);
  } else if (stream.closed) {
    Tell(ProducerFindingKind::kAfterClose, key,
         {sequence, sequence, header.index, header.received_at_ns});
    stream.next = sequence + (sequence == UINT64_MAX ? 0 : 1);
  } else {
    if (sequence > stream.next) {
      OpenGap(key, {stream.next, sequence - 1, header.index, header.received_at_ns}, &stream);
    }
    stream.next = sequence + (sequence == UINT64_MAX ? 0 : 1);
  }
  stream.last_index = header.index;
  stream.last_received_at_ns = header.received_at_ns;
  stream.tail_told = false;  // it speaks again
  stream.beats |= producer->kind == record::ProducerRecordKind::kOpen ||
                  producer->kind == record::ProducerRecordKind::kHeartbeat;
  stream.closed |= producer->kind == record::ProducerRecordKind::kClose;
}

void ProducerSequences::TellTail(const Key& key, Stream* stream) {
  if (stream->closed || stream->tail_told) return;
  stream->tail_told = true;
  const uint64_t last = stream->next == 0 ? 0 : stream->next - 1;
  Tell(ProducerFindingKind::kMissingTail, key,
       {last, last, stream->last_index, stream->last_received_at_ns});
}

void ProducerSequences::CheckDeadlines(int64_t now_ns) {
  for (auto& [key, stream] : streams_) {
    const bool silent = now_ns - stream.last_received_at_ns > rules_.heartbeat_deadline_ns;
    if (stream.beats && silent) TellTail(key, &stream);
  }
}

ProducerReport ProducerSequences::Report() const {
  ProducerReport report = report_;
  for (const auto& [key, stream] : streams_) {
    for (const Gap& gap : stream.gaps) {
      if (gap.told) continue;
      ++report.counts[static_cast<size_t>(ProducerFindingKind::kGap)];
      if (report.findings.size() < kProducerFindingsKept) {
        report.findings.push_back(MakeFinding(ProducerFindingKind::kGap, key, gap));
      }
    }
  }
  std::stable_sort(
      report.findings.begin(), report.findings.end(),
      [](const ProducerFinding& a, const ProducerFinding& b) { return a.index < b.index; });
  return report;
}

std::vector<ProducerFinding> ProducerSequences::TakeFindings(int64_t settled_before_ns) {
  for (auto& [key, stream] : streams_) {
    for (Gap& gap : stream.gaps) {
      if (gap.told || gap.received_at_ns >= settled_before_ns) continue;
      gap.told = true;
      Tell(ProducerFindingKind::kGap, key, gap);
    }
  }
  return std::exchange(report_.findings, {});
}

}  // namespace graven::verify
