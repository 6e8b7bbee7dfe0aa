#include "search/pass.h"

#include "base/status_macros.h"
#include "index/candidates.h"

namespace graven::search {

absl::Status Pass::Enter(Adder* adder) {
  index::ChunkSet::Stretch stretch{low_, high_, nullptr};
  if (source_.chunks != nullptr) stretch = source_.chunks->From(low_, high_);
  if (stretch.chunk != nullptr) {
    const index::Candidates candidates = index::Find(*source_.chunks, source_.query.root, stretch);
    if (candidates.chunk != nullptr && candidates.found.is_exact()) {
      const absl::StatusOr<bool> added =
          adder->AddFromIndex(*candidates.chunk, candidates.found.possible);
      if (index::IsDamage(added.status())) candidates.chunk->Distrust();
      if (added.ok() && *added) {
        low_ = stretch.high;
        return absl::OkStatus();
      }
    }
  }
  scan_ = Scan::Within(source_, low_, stretch.high);
  scan_end_ = stretch.high;
  return absl::OkStatus();
}

absl::Status Pass::GoOn(const Turn& turn, Adder* adder) {
  while (!done()) {
    if (!scan_) RETURN_IF_ERROR(Enter(adder));
    if (scan_) {
      RETURN_IF_ERROR(scan_->Step(turn, [&](const Hit& hit) {
        adder->Add(hit.view);
        return Verdict::kGoOn;
      }));
      if (scan_->done()) {
        low_ = scan_end_;
        scan_.reset();
      }
    }
    if (turn.is_over()) break;
  }
  return absl::OkStatus();
}

}  // namespace graven::search
