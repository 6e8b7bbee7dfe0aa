#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "merkle/frontier.h"
#include "note/answer.h"
#include "search/question.h"
#include "search/turn.h"

namespace graven::search {

// A signed note of note/answer.h about all matches of a search.
class StatementWork final : public Work {
 public:
  // About all matches below `tree_size`, the one of the question that became `search`; 0: in the
  // tree of the newest checkpoint that is served. The checkpoint in it is the one that is served if
  // it reaches so far, else the newest. kFailedPrecondition: there is no key to sign with.
  // kNotFound: no checkpoint is served yet. kDataLoss. `searches` must outlive it.
  static absl::StatusOr<std::unique_ptr<StatementWork>> Begin(const Searches& searches,
                                                              Search search, TreeSize tree_size,
                                                              int64_t until_ns);

  // kDeadlineExceeded: the time was not enough; half a statement is none.
  absl::StatusOr<bool> GoOn(const Turn& turn) override;
  // Once it is done.
  const std::string& statement() const { return statement_; }

 private:
  StatementWork(const note::SignerKey& signer, note::Answer answer, Scan scan, int64_t until_ns)
      : signer_(signer), answer_(std::move(answer)), scan_(std::move(scan)), until_ns_(until_ns) {}

  const note::SignerKey& signer_;
  note::Answer answer_;
  Scan scan_;
  const int64_t until_ns_;
  merkle::Frontier matches_;
  std::string statement_;
};

}  // namespace graven::search
