#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "base/log_index.h"

namespace graven::monitor {

struct AnsweredProof {
  Hash leaf;
  std::vector<Hash> path;
};

// The log as it shows itself: what it answers is not believed. Used by one thread; calls block,
// each with a time limit of its own, and hold what is answered to limits of size.
//
// Errors of all calls: kUnavailable, kDeadlineExceeded and others of a way that is broken;
// kNotFound: it says that there is no such thing; kDataLoss: it says itself that what it holds is
// damaged, or its answer has the wrong form. kCancelled.
class LogSource {
 public:
  // Returns an error to end the reading with it.
  using RecordFunction = std::function<absl::Status(std::string_view record)>;

  virtual ~LogSource() = default;

  // The signed note that it shows as its newest.
  virtual absl::StatusOr<std::string> Checkpoint() = 0;

  // Records from `first` to the end of the tree of `size`, in order. OK too when fewer came.
  virtual absl::Status Read(LogIndex first, TreeSize size, const RecordFunction& on_record) = 0;

  // Leaf and path of a record in the tree of `size`.
  virtual absl::StatusOr<AnsweredProof> Prove(LogIndex index, TreeSize size) = 0;

  // For messages.
  virtual std::string Name() const = 0;

  // From another thread: ends the call under way and all later ones.
  virtual void Cancel() = 0;
};

}  // namespace graven::monitor
