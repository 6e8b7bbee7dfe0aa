#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/hash.h"
#include "http/target.h"

namespace graven::web {

// The parameters of a query, each taken once. Errors are kInvalidArgument and name the parameter.
class Arguments {
 public:
  // Refuses a name that is not among `known`. `query` must outlive this.
  static absl::StatusOr<Arguments> Take(const http::Parameters& query,
                                        std::initializer_list<std::string_view> known);

  // Nothing when it is not there.
  std::optional<std::string> Text(std::string_view name) const;
  absl::StatusOr<uint64_t> Number(std::string_view name, uint64_t when_missing) const;
  absl::StatusOr<uint64_t> RequiredNumber(std::string_view name) const;
  // Hex, base64, or base64 for URLs, with padding or without.
  absl::StatusOr<std::optional<Hash>> HashValue(std::string_view name) const;

 private:
  explicit Arguments(const http::Parameters& values) : values_(values) {}

  const http::Parameters& values_;
};

// 64 hex digits in either case, or 32 bytes as base64 (RFC 4648 section 4 or 5).
std::optional<Hash> ParseHash(std::string_view text);

}  // namespace graven::web
