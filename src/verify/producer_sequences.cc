#include "verify/producer_sequences.h"

#include <algorithm>
#include <numeric>
#include <optional>

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
  size_t& of_writer = streams_of_writer_[std::get<0>(key)];
  if (streams_.size() >= kProducerStreamsMax || of_writer >= kProducerStreamsPerWriterMax) {
    if (of_writer == 0) streams_of_writer_.erase(std::get<0>(key));
    return streams_.end();
  }
  ++of_writer;
  ++report_.streams;
  const auto made = streams_.emplace(std::move(key), Stream{}).first;
  Begin(made->first, header, producer, &made->second);
  // The epoch before this one is over, whether it said so or not.
  if (made != streams_.begin()) {
    const auto before = std::prev(made);
    const bool same_producer = std::get<0>(before->first) == std::get<0>(made->first) &&
                               std::get<1>(before->first) == std::get<1>(made->first);
    if (same_producer && before->second.beats) TellTail(before->first, &before->second);
  }
  return made;
}

void ProducerSequences::Begin(const Key& key, const record::RecordHeader& header,
                              const record::ProducerView& producer, Stream* stream) {
  stream->next = producer.sequence;
  const bool first_is_known = producer.kind == record::ProducerRecordKind::kOpen ||
                              producer.sequence <= 1 || !rules_.from_beginning;
  if (!first_is_known) {
    OpenGap(key, {1, producer.sequence - 1, header.index, header.received_at_ns}, stream);
  }
}

void ProducerSequences::OpenGap(const Key& key, const Gap& gap, Stream* stream) {
  if (stream->gaps.size() >= kProducerGapsPerStreamMax) {
    // What is missing longest will not come any more.
    Tell(ProducerFindingKind::kGap, key, stream->gaps.front());
    stream->gaps.erase(stream->gaps.begin());
  }
  stream->gaps.push_back(gap);
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
    rest.push_back({whole.first, sequence - 1, whole.index, whole.received_at_ns});
  }
  if (sequence < whole.last) {
    rest.push_back({sequence + 1, whole.last, whole.index, whole.received_at_ns});
  }
  stream->gaps.insert(at, rest.begin(), rest.end());
  if (stream->gaps.size() > kProducerGapsPerStreamMax) {
    Tell(ProducerFindingKind::kGap, key, stream->gaps.front());
    stream->gaps.erase(stream->gaps.begin());
  }
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

}  // namespace graven::verify
