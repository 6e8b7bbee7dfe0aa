#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "index/bitmap.h"
#include "index/chunk.h"
#include "search/scan.h"
#include "search/turn.h"

namespace graven::search {

// What the matches of a part of a log add to numbers about them.
class Adder {
 public:
  virtual ~Adder() = default;
  // One match.
  virtual void Add(const query::RecordView& view) = 0;
  // All of `leaves` match. False: the index cannot say it; nothing was added.
  virtual absl::StatusOr<bool> AddFromIndex(const index::Chunk& chunk,
                                            const index::Bitmap& leaves) = 0;
};

// All matches in a part of a log, oldest first and each once, given to an adder piece by piece.
// Where the index is certain of them, no record is read.
class Pass {
 public:
  // Of low <= index < high.
  Pass(ScanSource source, uint64_t low, uint64_t high)
      : source_(std::move(source)), low_(low), high_(high) {}

  // A chunk of the index is one piece, whatever the turn. kDataLoss.
  absl::Status GoOn(const Turn& turn, Adder* adder);
  bool done() const { return low_ >= high_; }

 private:
  // With the stretch that begins at low_: gives it from the index, or opens a scan of it.
  absl::Status Enter(Adder* adder);

  ScanSource source_;
  uint64_t low_;
  uint64_t high_;
  uint64_t scan_end_ = 0;
  std::optional<Scan> scan_;  // of [low_, scan_end_)
};

}  // namespace graven::search
