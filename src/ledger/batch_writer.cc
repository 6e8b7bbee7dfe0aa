#include "ledger/batch_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <numeric>

#include "base/check.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "merkle/leaf.h"
#include "record/equality.h"
#include "record/record.h"

namespace graven::ledger {
namespace {

// What a record and its section add to the bytes that the client sent, at most: the fields of the
// record without texts, the length before it, the section's header and the padding.
constexpr size_t kRecordOverheadBytes = 160;
constexpr size_t kFrameOverheadBytes = 8192;
// The table of event ids is far larger than the caches: its lines are asked for so many events
// ahead.
constexpr size_t kPrefetchAhead = 16;

// Keeps the nodes of level 8, which the log's tail gets once their records are durable.
class NodesOfLevel8 final : public merkle::NodeSink {
 public:
  explicit NodesOfLevel8(std::vector<std::pair<uint64_t, Hash>>& nodes) : nodes_(nodes) {}
  void OnNodes(int level, uint64_t first_index, std::span<const Hash> hashes) override {
    if (level != 8) return;
    for (size_t i = 0; i < hashes.size(); ++i) nodes_.emplace_back(first_index + i, hashes[i]);
  }

 private:
  std::vector<std::pair<uint64_t, Hash>>& nodes_;
};

// Where the window of an event that would stand at `place` begins.
LogIndex WindowStart(const Log& log, TreeSize place) {
  const uint64_t window = log.meta.duplicate_window;
  return LogIndex(place.value > window ? place.value - window : 0);
}

}  // namespace

size_t BatchWriter::FrameBytesBound(std::span<sequencer::Request* const> requests) {
  size_t bytes = kFrameOverheadBytes;
  for (const sequencer::Request* request : requests) {
    size_t beside = kRecordOverheadBytes + request->written_by.size() + request->traceparent.size();
    for (const sequencer::NewEvent& event : request->events) {
      bytes += beside + event.body.size() + (event.id_assigned ? event.event_id.size() : 0);
    }
  }
  return bytes;
}

void BatchWriter::Apply(std::span<sequencer::Request* const> requests, const LogFinder& log_of,
                        std::vector<RequestResult>* results) {
  results->assign(requests.size(), RequestResult{});
  // Requests are taken log by log, so that a log has one section an Apply; within a log the order
  // stays.
  order_.resize(requests.size());
  std::iota(order_.begin(), order_.end(), 0);
  const auto by_log = [&](uint32_t a, uint32_t b) {
    return requests[a]->log_number < requests[b]->log_number;
  };
  if (!std::is_sorted(order_.begin(), order_.end(), by_log)) {
    std::stable_sort(order_.begin(), order_.end(), by_log);
  }
  fingerprints_.clear();
  for (uint32_t i : order_) {
    const Log* log = log_of(requests[i]->log_number);
    for (const sequencer::NewEvent& event : requests[i]->events) {
      fingerprints_.push_back(log == nullptr ? 0 : duplicates_.Fingerprint(*log, event.event_id));
      if (log != nullptr && fingerprints_.size() <= kPrefetchAhead) {
        duplicates_.Prefetch(*log, fingerprints_.back(), WindowStart(*log, SizeNow(*log)));
      }
    }
  }
  if (receipt_blocks_used_ == receipt_blocks_.size()) receipt_blocks_.emplace_back();
  receipts_ = &receipt_blocks_[receipt_blocks_used_++];
  receipts_->clear();
  receipts_->reserve(fingerprints_.size());

  size_t first = 0;
  for (uint32_t i : order_) {
    const sequencer::Request& request = *requests[i];
    Log* log = log_of(request.log_number);
    if (log == nullptr) {
      (*results)[i].status = absl::NotFoundError("the log does not exist");
    } else {
      if (open_ != nullptr && open_->log != log) EndSection();
      (*results)[i] = ApplyOne(*log, request, first);
    }
    first += request.events.size();
  }
  EndSection();
  // While more arrives. An error has stopped the journal, which MakeDurable will say.
  (void)journal_.WriteAhead(frame_);
}

RequestResult BatchWriter::ApplyOne(Log& log, const sequencer::Request& request, size_t first) {
  RequestResult result;
  if (log.read_only()) {
    result.status = absl::FailedPreconditionError(
        fmt::format("log {} takes no events: {}", log.meta.name, log.read_only_reason()));
    return result;
  }
  uint64_t new_events = 0;
  result.status = FindKnown(log, request, first, &new_events);
  if (!result.status.ok()) return result;
  // Only now: a retry of a request that was stored gets its receipt, however far the log went on.
  if (new_events > 0 && request.expected_last_hash &&
      *request.expected_last_hash != log.sequenced.last_hash) {
    result.status = absl::AbortedError(fmt::format(
        "expected_last_hash: the last record of log {} (size {}) has the hash {}, not {}",
        log.meta.name, SizeNow(log).value, HexEncode(log.sequenced.last_hash),
        HexEncode(*request.expected_last_hash)));
    return result;
  }
  size_t first_receipt = receipts_->size();
  for (size_t i = 0; i < request.events.size(); ++i) {
    const Candidate& candidate = candidates_[i];
    EventReceipt receipt;
    if (candidate.same_as >= 0) {
      receipt = (*receipts_)[first_receipt + static_cast<size_t>(candidate.same_as)];
      receipt.duplicate = true;
    } else if (candidate.known) {
      // Decoded before, when the id was compared.
      receipt = {candidate.known->index, merkle::HashLeaf(candidate.known->record),
                 record::Decode(candidate.known->record)->received_at_ns, true};
    } else {
      receipt = AppendRecord(log, request, request.events[i], fingerprints_[first + i]);
    }
    result.duplicate_count += receipt.duplicate ? 1 : 0;
    receipts_->push_back(receipt);
  }
  result.receipts = std::span<const EventReceipt>(*receipts_).subspan(first_receipt);
  events_appended_ += new_events;
  events_duplicate_ += result.duplicate_count;
  return result;
}

absl::Status BatchWriter::FindKnown(Log& log, const sequencer::Request& request, size_t first,
                                    uint64_t* new_events) {
  candidates_.assign(request.events.size(), Candidate{});
  const std::span<const uint64_t> fingerprints =
      std::span<const uint64_t>(fingerprints_).subspan(first, request.events.size());
  uint64_t size = SizeNow(log).value;
  within_request_.assign(request.events.size() > 1 ? std::bit_ceil(2 * request.events.size()) : 0,
                         0);
  for (size_t i = 0; i < request.events.size(); ++i) {
    const sequencer::NewEvent& event = request.events[i];
    Candidate& candidate = candidates_[i];
    if (first + i + kPrefetchAhead < fingerprints_.size()) {
      // It may be another log's; this one's window is a good guess then.
      duplicates_.Prefetch(log, fingerprints_[first + i + kPrefetchAhead],
                           WindowStart(log, TreeSize(size)));
    }
    std::string_view stored;
    record::BodyKind stored_kind = event.kind;
    // First, because the window does not count within a request: the events before this one may
    // have pushed the record out of it that its twin is a duplicate of.
    candidate.same_as = FindWithinRequest(request, fingerprints, i);
    if (candidate.same_as >= 0) {
      const auto& earlier = request.events[static_cast<size_t>(candidate.same_as)];
      stored = earlier.body;
      stored_kind = earlier.kind;
    } else {
      // The record would stand at size + *new_events: the window lies right before it.
      const LogIndex from = WindowStart(log, TreeSize(size + *new_events));
      const DuplicateFinder::Question question{log, event.event_id, fingerprints[i], from,
                                               TreeSize(size)};
      ASSIGN_OR_RETURN(candidate.known,
                       duplicates_.Confirm(question, duplicates_.Ask(question), this));
      if (!candidate.known) {
        ++*new_events;
        continue;
      }
      ASSIGN_OR_RETURN(record::RecordHeader header, record::Decode(candidate.known->record));
      stored = header.body;
      stored_kind = header.kind;
    }
    if (stored_kind == event.kind && record::SameBody(event.kind, stored, event.body, rules_)) {
      continue;
    }
    return absl::AlreadyExistsError(fmt::format(
        "events[{}].event_id: taken by a different event of log {} ({})", i, log.meta.name,
        candidate.known ? fmt::format("index {}", candidate.known->index.value)
                        : fmt::format("events[{}] of this request", candidate.same_as)));
  }
  return absl::OkStatus();
}

int32_t BatchWriter::FindWithinRequest(const sequencer::Request& request,
                                       std::span<const uint64_t> fingerprints, size_t i) {
  if (within_request_.empty()) return -1;
  size_t mask = within_request_.size() - 1;
  for (size_t slot = fingerprints[i] & mask;; slot = (slot + 1) & mask) {
    uint32_t held = within_request_[slot];
    if (held == 0) {
      within_request_[slot] = static_cast<uint32_t>(i) + 1;
      return -1;
    }
    if (fingerprints[held - 1] == fingerprints[i] &&
        request.events[held - 1].event_id == request.events[i].event_id) {
      return static_cast<int32_t>(held) - 1;
    }
  }
}

EventReceipt BatchWriter::AppendRecord(Log& log, const sequencer::Request& request,
                                       const sequencer::NewEvent& event, uint64_t fingerprint) {
  if (open_ == nullptr) {
    if (section_count_ == sections_.size()) sections_.emplace_back();
    open_ = &sections_[section_count_++];
    open_->log = &log;
    open_->first = log.sequenced.size();
    open_->records.clear();
    open_->nodes.clear();
    frame_.BeginSection(log.meta.number, NextIndex(open_->first), log.durable().size);
  }
  record::RecordHeader header;
  header.index = LogIndex(open_->first.value + open_->records.size());
  header.received_at_ns = std::max(log.sequenced.last_received_at_ns + 1, request.proposed_at_ns);
  header.previous_hash = log.sequenced.last_hash;
  header.written_by = request.written_by;
  if (event.id_assigned) header.assigned_event_id = event.event_id;
  if (event.wants_traceparent) header.traceparent = request.traceparent;
  header.kind = event.kind;
  header.body = event.body;

  size_t size = record::EncodedSize(header);
  char* bytes = frame_.AddRecord(size);
  char* end = record::Encode(header, bytes);
  GRAVEN_CHECK(end == bytes + size);
  Hash hash = merkle::HashLeaf({bytes, size});
  open_->records.push_back({hash, journal::RecordCheck({bytes, size}), frame_.last_record_offset(),
                            static_cast<uint32_t>(size)});
  duplicates_.Insert(log, fingerprint, header.index);
  log.sequenced.last_hash = hash;
  log.sequenced.last_received_at_ns = header.received_at_ns;
  return {header.index, hash, header.received_at_ns, false};
}

void BatchWriter::EndSection() {
  if (open_ == nullptr) return;
  // The frontier moves with the section, not with each record: groups of nodes hash faster.
  Log& log = *open_->log;
  hashes_.clear();
  for (const Pending& pending : open_->records) hashes_.push_back(pending.hash);
  NodesOfLevel8 nodes(open_->nodes);
  log.sequenced.frontier.AppendAll(hashes_, &nodes);
  frame_.EndSection(log.sequenced.frontier.Root());
  open_ = nullptr;
}

TreeSize BatchWriter::SizeNow(const Log& log) const {
  if (open_ == nullptr || open_->log != &log) return log.sequenced.size();
  return open_->first + open_->records.size();
}

std::string_view BatchWriter::PendingRecord(const Log& log, LogIndex index) const {
  for (size_t i = 0; i < section_count_; ++i) {
    const Section& section = sections_[i];
    if (section.log != &log || index.value < section.first.value ||
        index.value - section.first.value >= section.records.size()) {
      continue;
    }
    const Pending& pending = section.records[index.value - section.first.value];
    return frame_.Bytes(pending.offset, pending.length);
  }
  GRAVEN_CHECK(false);
  return {};
}

absl::StatusOr<std::vector<BatchWriter::Grown>> BatchWriter::MakeDurable() {
  std::vector<Grown> grown;
  ASSIGN_OR_RETURN(journal::FramePosition position, journal_.Append(frame_));
  // The records are in the page cache at most: nobody has been told anything.
  RETURN_IF_ERROR(journal_.Sync());
  // From here on they survive power loss. A size is shown once all records below it can be found.
  for (size_t i = 0; i < section_count_; ++i) {
    Section& section = sections_[i];
    shelf::Tail& tail = section.log->tail();
    for (const Pending& pending : section.records) {
      tail.Append(pending.hash, pending.check,
                  {position.file, position.offset + pending.offset, pending.length});
    }
    for (const auto& [chunk, node] : section.nodes) tail.SetNode(chunk, node);
  }
  for (size_t i = 0; i < section_count_; ++i) {
    Log& log = *sections_[i].log;
    log.SetDurable(
        {log.sequenced.size(), log.sequenced.frontier.Root(), log.sequenced.last_received_at_ns});
    grown.push_back({&log, sections_[i].records.size()});
  }
  frame_.Reset();
  section_count_ = 0;
  EndBatch();
  return grown;
}

}  // namespace graven::ledger
