#include "view/posted.h"

#include <algorithm>
#include <utility>

#include "base/encoding.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "json/object_text.h"
#include "json/strict_json.h"
#include "nlohmann/json.hpp"

namespace graven::view {
namespace {

using Json = nlohmann::json;

// What a page can count to: 2^53 - 1.
constexpr uint64_t kNumberMax = (uint64_t{1} << 53) - 1;
constexpr size_t kTextBytesMax = 8 << 10;
// With room for the texts, and for what JSON writes as six bytes.
constexpr size_t kEvidenceBytesMax = 64 << 10;

// At most kTextBytesMax of it, cut between characters.
std::string_view Beginning(std::string_view text) {
  if (text.size() <= kTextBytesMax) return text;
  size_t end = kTextBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

absl::Status Bad(std::string_view field, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", field, what));
}

// Named by itself: an array or a number is no object.
absl::StatusOr<Json> ParseObject(std::string_view body) {
  RETURN_IF_ERROR(json::CheckStrictJson(body));
  Json parsed = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return absl::InvalidArgumentError("the body is not a JSON object");
  return parsed;
}

// Nothing when it is not there, or null.
const Json* Member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

absl::StatusOr<std::string> Text(const Json& object, const char* name, size_t bytes_max) {
  const Json* value = Member(object, name);
  const auto* text = value == nullptr ? nullptr : value->get_ptr<const std::string*>();
  if (text == nullptr) return Bad(name, "a text is required");
  if (text->size() > bytes_max) return Bad(name, fmt::format("longer than {} bytes", bytes_max));
  return *text;
}

absl::StatusOr<uint64_t> Number(const Json& object, const char* name) {
  const Json* value = Member(object, name);
  const auto* number =
      value == nullptr ? nullptr : value->get_ptr<const Json::number_unsigned_t*>();
  if (number == nullptr || *number > kNumberMax)
    return Bad(name, fmt::format("a whole number up to {} is required", kNumberMax));
  return *number;
}

absl::StatusOr<SeenTree> Tree(const Json& object, const char* name) {
  if (!object.is_object()) return Bad(name, "an object is required");
  SeenTree tree;
  ASSIGN_OR_RETURN(tree.size.value, Number(object, "size"));
  ASSIGN_OR_RETURN(const std::string hex, Text(object, "root", kTextBytesMax));
  const auto root = HashFromHex(hex);
  if (!root) return Bad(name, "its root is not 64 lower-case hex digits");
  tree.root = *root;
  return tree;
}

absl::StatusOr<std::string> Log(const Json& object) {
  ASSIGN_OR_RETURN(std::string log, Text(object, "log", kTextBytesMax));
  if (!IsLogName(log)) return Bad("log", "it is no name of a log");
  return log;
}

absl::Status CopyLastGood(const Json& finding, json::ObjectText* out) {
  const Json* last = Member(finding, "lastGood");
  if (last == nullptr) return absl::OkStatus();
  ASSIGN_OR_RETURN(const SeenTree tree, Tree(*last, "lastGood"));
  ASSIGN_OR_RETURN(const uint64_t at, Number(*last, "at"));
  json::ObjectText object;
  object.Raw("size", fmt::format("{}", tree.size.value)).Text("root", HexEncode(tree.root));
  out->Raw("lastGood", object.Raw("at", fmt::format("{}", at)).Finish());
  return absl::OkStatus();
}

}  // namespace

bool IsLogName(std::string_view text) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= 63 && (plain(text[0]) || text[0] == '_') &&
         std::all_of(text.begin() + 1, text.end(), [&](char c) { return plain(c) || c == '-'; });
}

absl::StatusOr<PostedTree> ParsePostedTree(std::string_view body) {
  ASSIGN_OR_RETURN(const Json object, ParseObject(body));
  PostedTree posted;
  ASSIGN_OR_RETURN(posted.vkey, Text(object, "key", kVkeyBytesMax));
  if (const Json* expected = Member(object, "expected"); expected != nullptr) {
    ASSIGN_OR_RETURN(posted.expected, Tree(*expected, "expected"));
  }
  ASSIGN_OR_RETURN(posted.note, Text(object, "note", kSeenNoteBytesMax));
  return posted;
}

absl::StatusOr<PostedKey> ParsePostedKey(std::string_view body) {
  ASSIGN_OR_RETURN(const Json object, ParseObject(body));
  PostedKey posted;
  ASSIGN_OR_RETURN(posted.log, Log(object));
  ASSIGN_OR_RETURN(posted.vkey, Text(object, "key", kVkeyBytesMax));
  return posted;
}

absl::StatusOr<PostedFinding> ParsePostedFinding(std::string_view body) {
  ASSIGN_OR_RETURN(const Json object, ParseObject(body));
  PostedFinding posted;
  ASSIGN_OR_RETURN(posted.log, Log(object));
  ASSIGN_OR_RETURN(posted.finding.vkey, Text(object, "key", kVkeyBytesMax));
  const Json* finding = Member(object, "finding");
  if (finding == nullptr || !finding->is_object()) return Bad("finding", "an object is required");
  ASSIGN_OR_RETURN(posted.finding.id, Number(*finding, "id"));
  ASSIGN_OR_RETURN(const uint64_t at, Number(*finding, "at"));
  json::ObjectText kept;
  kept.Raw("id", fmt::format("{}", posted.finding.id)).Raw("at", fmt::format("{}", at));
  for (const char* name : {"kind", "sentence", "claimed", "computed"}) {
    ASSIGN_OR_RETURN(const std::string text, Text(*finding, name, kPostedFindingBytesMax));
    kept.Text(name, Beginning(text));
  }
  RETURN_IF_ERROR(CopyLastGood(*finding, &kept));
  if (Member(*finding, "index") != nullptr) {
    ASSIGN_OR_RETURN(const uint64_t index, Number(*finding, "index"));
    kept.Raw("index", fmt::format("{}", index));
  }
  if (Member(*finding, "evidence") != nullptr) {
    ASSIGN_OR_RETURN(std::string evidence, Text(*finding, "evidence", kPostedFindingBytesMax));
    // It is kept twice, in the finding and by itself. What is too long for that is left out:
    // whoever is accused must not be able to have the finding forgotten by making its evidence
    // long.
    if (evidence.size() <= kEvidenceBytesMax) {
      kept.Text("evidence", evidence);
      posted.finding.evidence = std::move(evidence);
    }
  }
  posted.finding.json = kept.Finish();
  return posted;
}

}  // namespace graven::view
