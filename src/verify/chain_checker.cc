#include "verify/chain_checker.h"

#include <utility>

#include "base/check.h"
#include "base/encoding.h"
#include "fmt/format.h"
#include "record/record.h"

namespace graven::verify {
namespace {

// Inner nodes are hashed in groups; this many leaves wait for theirs.
constexpr size_t kWaitingLeaves = 1024;

}  // namespace

ChainChecker ChainChecker::WholeLog(std::string_view origin) {
  ChainChecker checker;
  checker.started_ = true;
  checker.genesis_ = checker.last_hash_ = record::GenesisHash(origin);
  return checker;
}

ChainChecker ChainChecker::Continue(std::string_view origin, ChainState state) {
  ChainChecker checker = WholeLog(origin);
  if (state.frontier.size().value == 0) return checker;
  checker.end_ = NextIndex(state.frontier.size());
  checker.confirmed_ = state.frontier.size().value;
  checker.last_hash_ = state.last_hash;
  checker.last_received_at_ns_ = state.last_received_at_ns;
  checker.frontier_ = std::move(state.frontier);
  return checker;
}

ChainChecker ChainChecker::AnyPart(std::string_view origin) {
  ChainChecker checker;
  if (!origin.empty()) checker.genesis_ = record::GenesisHash(origin);
  return checker;
}

absl::Status ChainChecker::Bad(LogIndex index, std::string_view what) {
  if (!first_bad_) first_bad_ = index;
  return absl::DataLossError(fmt::format("record {}: {}", index.value, what));
}

absl::Status ChainChecker::Add(std::string_view record) {
  GRAVEN_CHECK(!first_bad_);
  const absl::StatusOr<record::RecordHeader> header = record::Decode(record);
  if (!header.ok()) {
    const absl::string_view why = header.status().message();
    return Bad(end_, fmt::format("not a record: {}", std::string_view(why.data(), why.size())));
  }
  if (!started_) {
    started_ = true;
    first_ = end_ = header->index;
    last_hash_ = header->index.value == 0 && genesis_ ? *genesis_ : header->previous_hash;
  }
  if (header->index != end_) {
    return Bad(end_, fmt::format("index {} stands in its place", header->index.value));
  }
  if (header->previous_hash != last_hash_) {
    return Bad(end_, end_.value == 0
                         ? std::string("previous_hash is not the genesis value of this origin")
                         : fmt::format("previous_hash is {}, but record {} has the hash {}",
                                       HexEncode(header->previous_hash), end_.value - 1,
                                       HexEncode(last_hash_)));
  }
  if (count() > 0 && header->received_at_ns <= last_received_at_ns_) {
    return Bad(end_, fmt::format("received_at {} is not after that of the record before, {}",
                                 header->received_at_ns, last_received_at_ns_));
  }
  last_hash_ = record::RecordHash(record);
  last_received_at_ns_ = header->received_at_ns;
  end_ = end_ + 1;
  if (!has_tree()) return absl::OkStatus();
  leaves_.push_back(last_hash_);
  if (leaves_.size() == kWaitingLeaves) GrowTree();
  return CheckRootsHere();
}

void ChainChecker::GrowTree() {
  if (sink_ != nullptr && !leaves_.empty()) sink_->OnNodes(0, frontier_.size().value, leaves_);
  frontier_.AppendAll(leaves_, sink_);
  leaves_.clear();
}

Hash ChainChecker::Root() {
  GRAVEN_CHECK(has_tree());
  GrowTree();
  return frontier_.Root();
}

absl::Status ChainChecker::CheckRootsHere() {
  while (!expected_.empty() && expected_.begin()->first == end_.value) {
    const ExpectedRoot expected = expected_.begin()->second;
    expected_.erase(expected_.begin());
    const Hash root = Root();
    if (root != expected.root) {
      // Each record fits the one before, so which of them was exchanged cannot be known: any after
      // the last root that was confirmed.
      return Bad(
          LogIndex(confirmed_),
          fmt::format("it or a later one is not what was signed: the tree of {} records has "
                      "the root {}, but {} says {}",
                      end_.value, HexEncode(root), expected.source, HexEncode(expected.root)));
    }
    confirmed_ = end_.value;
  }
  return absl::OkStatus();
}

absl::Status ChainChecker::ExpectRoot(TreeSize size, const Hash& root, std::string_view source) {
  if (size.value < end_.value) {
    return absl::FailedPreconditionError(
        fmt::format("the tree has grown beyond {} records", size.value));
  }
  expected_.emplace(size.value, ExpectedRoot{root, std::string(source)});
  return CheckRootsHere();
}

absl::Status ChainChecker::Finish() {
  if (expected_.empty()) return absl::OkStatus();
  const auto& [size, expected] = *expected_.rbegin();
  return Bad(end_, fmt::format("missing: there are {} records, but {} is of {}", end_.value,
                               expected.source, size));
}

}  // namespace graven::verify
