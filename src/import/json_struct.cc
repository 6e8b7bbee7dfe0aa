#include "import/json_struct.h"

#include <cmath>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "nlohmann/json.hpp"
#include "record/rules.h"

namespace graven::import {
namespace {

using google::protobuf::ListValue;
using google::protobuf::Struct;
using google::protobuf::Value;

// The level of the Value that holds the whole object: the event, its Struct, the entry "original",
// and then the Value (see record::kNestingLevelsMax).
constexpr int kRootLevel = record::kBodyLevel + 3;
constexpr int64_t kExactIntegerMax = int64_t{1} << 53;
constexpr size_t kDoubleDigitsMax = 17;

// Builds the Struct from the parser's events. No recursion: depth is the stranger's.
class StructBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit StructBuilder(JsonObject* out) : out_(out) {}

  const std::string& problem() const { return problem_; }

  bool null() override {
    return Put([](Value* value) { value->set_null_value(google::protobuf::NULL_VALUE); });
  }
  bool boolean(bool on) override {
    return Put([on](Value* value) { value->set_bool_value(on); });
  }
  bool number_integer(int64_t number) override {
    return Put([number](Value* value) {
      if (number < -kExactIntegerMax) {
        value->set_string_value(fmt::format("{}", number));
      } else {
        value->set_number_value(static_cast<double>(number));
      }
    });
  }
  bool number_unsigned(uint64_t number) override {
    return Put([number](Value* value) {
      if (number > static_cast<uint64_t>(kExactIntegerMax)) {
        value->set_string_value(fmt::format("{}", number));
      } else {
        value->set_number_value(static_cast<double>(number));
      }
    });
  }
  bool number_float(double number, const std::string& text) override {
    return Put([&](Value* value) {
      bool integer = text.find_first_of(".eE") == std::string::npos;
      if (integer || DigitsOf(text) > kDoubleDigitsMax || !std::isfinite(number)) {
        value->set_string_value(text);
      } else {
        value->set_number_value(number);
      }
    });
  }
  bool string(std::string& text) override {
    return Put([&](Value* value) { value->set_string_value(std::move(text)); });
  }
  bool binary(nlohmann::json::binary_t& /*bytes*/) override { return false; }

  bool start_object(size_t /*count*/) override {
    if (stack_.empty()) {
      if (begun_) return Fail("there is more than one object");
      begun_ = true;
      stack_.push_back({.object = &out_->fields, .list = nullptr, .level = kRootLevel, .key = ""});
      return true;
    }
    int level = 0;
    Value* value = Next(&level);
    if (!problem_.empty()) return false;
    Struct* object = value == nullptr ? nullptr : value->mutable_struct_value();
    stack_.push_back({.object = object, .list = nullptr, .level = level, .key = ""});
    return true;
  }
  bool end_object() override {
    stack_.pop_back();
    return true;
  }
  bool start_array(size_t /*count*/) override {
    if (stack_.empty()) return Fail("it is not an object");
    int level = 0;
    Value* value = Next(&level);
    if (!problem_.empty()) return false;
    ListValue* list = value == nullptr ? nullptr : value->mutable_list_value();
    stack_.push_back({.object = nullptr, .list = list, .level = level, .key = ""});
    return true;
  }
  bool end_array() override {
    stack_.pop_back();
    return true;
  }
  bool key(std::string& name) override {
    stack_.back().key = std::move(name);
    return true;
  }
  bool parse_error(size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) override {
    constexpr int kNumberOutOfRange = 406;
    return Fail(fmt::format(
        "{} (byte {})",
        error.id == kNumberOutOfRange ? "a number is out of range" : "it is not well-formed JSON",
        position));
  }

 private:
  // One open object or list. Both null: too deep, read but not kept.
  struct Frame {
    Struct* object;
    ListValue* list;
    int level;  // of the Value that it stands in
    std::string key;
  };

  static size_t DigitsOf(const std::string& text) {
    size_t digits = 0;
    for (char c : text) {
      if (c == 'e' || c == 'E') break;
      digits += c >= '0' && c <= '9' ? 1 : 0;
    }
    return digits;
  }

  bool Fail(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
    return false;
  }

  // Makes the place for the next value of the innermost frame; nothing if it would stand too deep.
  // A member costs three levels (Struct, entry, Value), an element two.
  Value* Next(int* level) {
    Frame& frame = stack_.back();
    *level = frame.level + (frame.object != nullptr ? 3 : 2);
    if (frame.object == nullptr && frame.list == nullptr) return nullptr;
    if (*level > record::kNestingLevelsMax) {
      out_->too_deep = true;
      return nullptr;
    }
    if (frame.list != nullptr) return frame.list->add_values();
    auto [it, is_new] = frame.object->mutable_fields()->insert({frame.key, Value()});
    if (!is_new) {
      Fail("an object has two members of one name");
      return nullptr;
    }
    return &it->second;
  }

  template <typename Set>
  bool Put(Set set) {
    if (stack_.empty()) return Fail("it is not an object");
    int level = 0;
    Value* value = Next(&level);
    if (value != nullptr) set(value);
    return problem_.empty();
  }

  JsonObject* out_;
  std::vector<Frame> stack_;
  bool begun_ = false;
  std::string problem_;
};

}  // namespace

absl::StatusOr<JsonObject> ParseJsonObject(std::string_view text) {
  JsonObject object;
  StructBuilder builder(&object);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) {
    return absl::InvalidArgumentError(builder.problem());
  }
  return object;
}

const google::protobuf::Value* Find(const google::protobuf::Struct& object,
                                    std::initializer_list<std::string_view> path) {
  const Struct* at = &object;
  const Value* value = nullptr;
  for (std::string_view name : path) {
    if (at == nullptr) return nullptr;
    auto it = at->fields().find(std::string(name));
    if (it == at->fields().end()) return nullptr;
    value = &it->second;
    at = value->has_struct_value() ? &value->struct_value() : nullptr;
  }
  return value;
}

std::string_view FindText(const google::protobuf::Struct& object,
                          std::initializer_list<std::string_view> path) {
  const Value* value = Find(object, path);
  return value == nullptr ? std::string_view() : std::string_view(value->string_value());
}

}  // namespace graven::import
