#include "json/strict_json.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace graven::json {
namespace {

// someName -> some_name, as protobuf spells a field.
std::string FieldName(std::string_view name) {
  std::string field;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') field += '_';
    field += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return field;
}

// Hears the parser; false stops it.
class Checker final : public nlohmann::json::json_sax_t {
 public:
  explicit Checker(std::span<const std::string_view> free_members) : free_members_(free_members) {}

  bool null() override {
    if (free_level_ == 0 && !levels_.empty() && levels_.back().is_array) {
      return Bad("a list holds null");
    }
    return Value();
  }
  bool boolean(bool) override { return Value(); }
  bool number_integer(number_integer_t) override { return Value(); }
  bool number_unsigned(number_unsigned_t) override { return Value(); }
  bool number_float(number_float_t, const string_t&) override { return Value(); }
  bool string(string_t&) override { return Value(); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return Enter(false); }
  bool end_object() override { return Leave(); }
  bool start_array(std::size_t) override { return Enter(true); }
  bool end_array() override { return Leave(); }

  bool key(string_t& name) override {
    const std::string spelt = free_level_ > 0 ? name : FieldName(name);
    if (!levels_.back().names.insert(spelt).second) return Bad("a member stands there twice");
    if (levels_.size() == 1 &&
        std::find(free_members_.begin(), free_members_.end(), spelt) != free_members_.end()) {
      free_level_ = 1;
    }
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    position_ = position;
    if (problem_.empty()) problem_ = "not JSON (RFC 8259)";
    return false;
  }

  const std::string& problem() const { return problem_; }
  // The byte after what was read, of a parse error; 0 when not known.
  size_t position() const { return position_; }

 private:
  struct Level {
    bool is_array = false;
    std::set<std::string> names;
  };

  bool Bad(std::string_view problem) {
    problem_ = problem;
    return false;
  }
  // A value of the outermost object's member ends what that member allows.
  bool Value() {
    if (levels_.size() == 1) free_level_ = 0;
    return true;
  }
  bool Enter(bool is_array) {
    if (levels_.size() == kJsonLevelsMax) {
      return Bad(fmt::format("more than {} levels of objects and lists", kJsonLevelsMax));
    }
    levels_.push_back({is_array, {}});
    return true;
  }
  bool Leave() {
    levels_.pop_back();
    return Value();
  }

  const std::span<const std::string_view> free_members_;
  std::vector<Level> levels_;
  int free_level_ = 0;
  std::string problem_;
  size_t position_ = 0;
};

}  // namespace

absl::Status CheckStrictJson(std::string_view text,
                             std::span<const std::string_view> free_members) {
  Checker checker(free_members);
  // The parser passes over a byte order mark; RFC 8259 section 8.1 has none.
  const bool marked = text.starts_with("\xEF\xBB\xBF");
  if (!marked && nlohmann::json::sax_parse(text.begin(), text.end(), &checker)) {
    return absl::OkStatus();
  }
  if (checker.position() == 0) {
    return absl::InvalidArgumentError(marked ? "begins with a byte order mark" : checker.problem());
  }
  const std::string_view before = text.substr(0, std::min(checker.position() - 1, text.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t line_start = before.rfind('\n') + 1;  // 0 when there is none
  return absl::InvalidArgumentError(fmt::format("{}: line {}, column {}", checker.problem(), line,
                                                before.size() - line_start + 1));
}

}  // namespace graven::json
