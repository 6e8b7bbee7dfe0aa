#pragma once

#include <memory>
#include <string>
#include <utility>

#include "index/blocks.h"

namespace graven::search {

// An index of which a read fails now and then.
class FlakyContent final : public index::Content {
 public:
  explicit FlakyContent(std::shared_ptr<const index::Content> content)
      : Content(content->bytes(), content->root()), content_(std::move(content)) {}

  absl::Status Read(uint64_t offset, uint64_t size, std::string* out) const override {
    ++reads;
    if (reads_until_error-- != 0) return content_->Read(offset, size, out);
    ++errors;
    return error;
  }

  absl::Status Check(const index::GoOn& go_on) const override { return content_->Check(go_on); }

  mutable int reads_until_error = -1;  // below 0: none fails
  absl::Status error;
  mutable int errors = 0;
  mutable int reads = 0;

 private:
  const std::shared_ptr<const index::Content> content_;
};

}  // namespace graven::search
