// What the page posts to `graven view`: small JSON documents, read strictly. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "view/seen_files.h"

namespace graven::view {

// Names of logs: [a-z0-9_][a-z0-9-]{0,62}.
bool IsLogName(std::string_view text);

// {"key": vkey, "expected": null or {"size": n, "root": hex}, "note": text}
struct PostedTree {
  std::string vkey;
  std::optional<SeenTree> expected;
  std::string note;
};

// {"log": name, "key": vkey}
struct PostedKey {
  std::string log;
  std::string vkey;
};

// {"log": name, "key": vkey, "finding": {...}}
struct PostedFinding {
  std::string log;
  Finding finding;
};

// All: kInvalidArgument names the field. Members that are not known are left out, so what is kept
// is flat and of known size.
absl::StatusOr<PostedTree> ParsePostedTree(std::string_view body);
absl::StatusOr<PostedKey> ParsePostedKey(std::string_view body);
absl::StatusOr<PostedFinding> ParsePostedFinding(std::string_view body);

}  // namespace graven::view
