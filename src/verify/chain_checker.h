#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "merkle/frontier.h"

// The independent checker: it takes nothing from the code that wrote what it reads but the formats,
// and never includes the ledger. Not thread-safe; reads no clock; writes nothing.
namespace graven::verify {

// What a good verdict rests on.
enum class Trust {
  // Hashes, chain, tree and what signatures there are agree with each other. Whoever holds the
  // log's
  // private key, or can put another beside the data, could have made all of it anew.
  kSelfConsistent,
  // A checkpoint signed by a key that was given from outside covers it.
  kKeyPinned,
};

// How far a whole log was checked: what it takes to go on from there.
struct ChainState {
  merkle::Frontier frontier;
  // Of the last record; the genesis value of an empty log.
  Hash last_hash;
  int64_t last_received_at_ns = 0;
};

// Holds the records of one log against each other as they come, in order: form, index, link to the
// record before, growing time. Grows the tree, and holds its roots against those that others claim.
// After the first error nothing more may be added.
class ChainChecker {
 public:
  // A whole log, from its first record. REQUIRES: a valid origin.
  static ChainChecker WholeLog(std::string_view origin);

  // A whole log, from the record after those of `state`.
  static ChainChecker Continue(std::string_view origin, ChainState state);

  // Records from anywhere on: the first one's index and link are taken as they are. When it is
  // record 0 the tree grows all the same, and its link is held against `origin`, if there is one.
  static ChainChecker AnyPart(std::string_view origin = {});

  // Hears of the hashes of records (as nodes of level 0) and of the tree's nodes, in groups; what
  // it has not heard of yet it hears of at Root(). Must live as long as this.
  void SetSink(merkle::NodeSink* sink) { sink_ = sink; }

  // kDataLoss: names the record and what is wrong with it; first_bad() has its index.
  absl::Status Add(std::string_view record);

  // Demands that the tree of `size` records has this `root`. It is held against the tree when that
  // size is reached. `source` is for the message: who says so. kDataLoss: the size is reached
  // already and the root is another. kFailedPrecondition: the size lies behind.
  absl::Status ExpectRoot(TreeSize size, const Hash& root, std::string_view source);

  // No more records come. kDataLoss: a root is expected of a larger tree; records are missing.
  absl::Status Finish();

  // Of the record that the first error was about; records before it are in order.
  const std::optional<LogIndex>& first_bad() const { return first_bad_; }

  LogIndex first() const { return first_; }
  // The index that the next record must have.
  LogIndex end() const { return end_; }
  uint64_t count() const { return end_.value - first_.value; }
  // Of the last record; of a whole log without any, the genesis value.
  const Hash& last_hash() const { return last_hash_; }
  const merkle::Frontier& frontier() const { return frontier_; }
  int64_t last_received_at_ns() const { return last_received_at_ns_; }

  // Whether the first record was held against the genesis value of an origin.
  bool genesis_checked() const { return genesis_.has_value() && count() > 0 && has_tree(); }
  // Whether there is a tree: the records begin with the log's first.
  bool has_tree() const { return first_.value == 0; }
  // REQUIRES: has_tree().
  Hash Root();

 private:
  ChainChecker() = default;

  absl::Status Bad(LogIndex index, std::string_view what);
  absl::Status CheckRootsHere();
  void GrowTree();

  // Leaves that are not in the tree yet.
  std::vector<Hash> leaves_;
  merkle::Frontier frontier_;
  merkle::NodeSink* sink_ = nullptr;

  struct ExpectedRoot {
    Hash root;
    std::string source;
  };
  std::multimap<uint64_t, ExpectedRoot> expected_;
  // The largest size whose root was confirmed.
  uint64_t confirmed_ = 0;

  bool started_ = false;
  std::optional<Hash> genesis_;
  LogIndex first_;
  LogIndex end_;
  Hash last_hash_;
  int64_t last_received_at_ns_ = 0;
  std::optional<LogIndex> first_bad_;
};

}  // namespace graven::verify
