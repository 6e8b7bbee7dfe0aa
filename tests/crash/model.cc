#include "model.h"

#include <iterator>
#include <utility>

#include "base/check.h"
#include "merkle/leaf.h"
#include "record/record.h"

namespace graven::crash {

LogModel::LogModel(std::string log_name, std::string log_origin, uint64_t log_window)
    : name(std::move(log_name)),
      origin(std::move(log_origin)),
      window(log_window),
      genesis(record::GenesisHash(origin)) {
  roots_[0] = merkle::EmptyRoot();
}

Hash LogModel::LastHash() const { return hashes_.empty() ? genesis : hashes_.back(); }

ExpectedResult LogModel::Apply(const Ticket& ticket) {
  ExpectedResult expected;
  std::unordered_map<std::string, size_t> in_request;
  std::vector<EventPointer> added;
  const uint64_t begin = records_.size();
  for (const EventPointer& event : ticket.specs) {
    const uint64_t place = begin + added.size();
    const uint64_t from = place > window ? place - window : 0;
    const EventSpec* same = nullptr;
    uint64_t index = place;
    // Its twin in the same request first, however far back that one was found.
    const auto [earlier, first] = in_request.try_emplace(event->id, expected.receipts.size());
    if (!first) {
      index = expected.receipts[earlier->second].index;
      same = ticket.specs[earlier->second].get();
    } else if (auto stored = newest_.find(event->id);
               stored != newest_.end() && stored->second >= from) {
      index = stored->second;
      same = records_[index].event.get();
    }
    if (same != nullptr && (same->content != event->content || same->kind != event->kind)) {
      expected.code = absl::StatusCode::kAlreadyExists;
      expected.receipts.clear();
      return expected;
    }
    expected.receipts.push_back({index, same != nullptr});
    if (same != nullptr) continue;
    added.push_back(event);
  }
  if (!added.empty() && ticket.request.expected_last_hash &&
      *ticket.request.expected_last_hash != LastHash()) {
    expected.code = absl::StatusCode::kAborted;
    expected.receipts.clear();
    return expected;
  }
  for (EventPointer& event : added) {
    ModelRecord record;
    record.written_by = ticket.request.written_by;
    if (event->wants_traceparent) record.traceparent = ticket.request.traceparent;
    auto [newest, inserted] = newest_.try_emplace(event->id, records_.size());
    if (!inserted) record.earlier = std::exchange(newest->second, records_.size());
    record.event = std::move(event);
    const int64_t previous_ns = records_.empty() ? 0 : records_.back().received_at_ns;
    record.received_at_ns = std::max(previous_ns + 1, ticket.request.proposed_at_ns);
    records_.push_back(std::move(record));
    hashes_.emplace_back();
  }
  return expected;
}

void LogModel::SetApplied(uint64_t index, const Hash& hash) {
  records_[index].hash = hash;
  hashes_[index] = hash;
}

void LogModel::Acknowledge() {
  if (records_.size() == durable_) return;
  frontier_.AppendAll(std::span<const Hash>(hashes_).subspan(durable_));
  durable_ = records_.size();
  roots_[durable_] = frontier_.Root();
}

void LogModel::Forget() {
  while (records_.size() > durable_) {
    const ModelRecord& last = records_.back();
    if (last.earlier) {
      newest_[last.event->id] = *last.earlier;
    } else {
      newest_.erase(last.event->id);
    }
    records_.pop_back();
  }
  hashes_.resize(durable_);
}

std::optional<uint64_t> LogModel::Find(const std::string& id) const {
  auto found = newest_.find(id);
  if (found == newest_.end()) return std::nullopt;
  std::optional<uint64_t> index = found->second;
  while (index && *index >= durable_) index = records_[*index].earlier;
  return index;
}

Hash LogModel::RootAt(uint64_t size) const {
  GRAVEN_CHECK(size <= durable_);
  if (auto known = roots_.find(size); known != roots_.end()) return known->second;
  merkle::Frontier frontier;
  frontier.AppendAll(std::span<const Hash>(hashes_).first(size));
  return frontier.Root();
}

uint64_t LogModel::RandomBatchEnd(uint64_t dice) const {
  if (durable_ == 0) return 0;
  auto at = roots_.lower_bound(dice % (durable_ + 1));
  return at->first;
}

uint64_t LogModel::LastBatchBegin() const {
  if (roots_.size() < 2) return 0;
  return std::prev(roots_.end(), 2)->first;
}

}  // namespace graven::crash
