#include "record/equality.h"

#include <algorithm>
#include <string>
#include <vector>

#include "record/wire.h"

namespace graven::record {
namespace {

// One field in normal form. Sorted by number, those of one number in the order they came, maps by
// their bytes.
struct NormalField {
  uint32_t number;
  bool unordered;
  std::string bytes;
};

// Writes the normal form of messages: two bodies are equal as messages when it is equal.
class Normalizer {
 public:
  explicit Normalizer(const RuleContext& context) : context_(context) {}

  // False if `bytes` is not readable.
  bool Message(const MessageSchema& schema, std::string_view bytes, std::string* out) {
    std::vector<NormalField> fields;
    WireReader reader(bytes);
    WireField field;
    const MessageSchema* payload = schema.is_any ? PayloadSchema(bytes) : nullptr;
    while (!reader.done()) {
      if (!reader.ReadField(&field)) return false;
      const FieldRule* rule = schema.Find(field.number);
      if (rule == nullptr) {
        fields.push_back({field.number, false, std::string(field.raw)});
      } else if (rule->fact != Fact::kPreconditionHash &&
                 !Known(*rule, field, rule->number == 2 ? payload : nullptr, &fields)) {
        return false;
      }
    }
    std::ranges::stable_sort(fields, [](const NormalField& a, const NormalField& b) {
      if (a.number != b.number) return a.number < b.number;
      return a.unordered && a.bytes < b.bytes;
    });
    for (const NormalField& normal : fields) out->append(normal.bytes);
    return true;
  }

 private:
  bool Known(const FieldRule& rule, const WireField& field, const MessageSchema* payload,
             std::vector<NormalField>* fields) {
    if (field.wire == WireType::kBytes && rule.wire != WireType::kBytes) {
      return Packed(rule, field.bytes, fields);
    }
    std::string text;
    const MessageSchema* message = payload != nullptr ? payload : rule.message;
    if (message != nullptr) {
      if (!Message(*message, field.bytes, &text)) return false;
    } else {
      text = field.bytes;
    }
    bool is_default = field.wire == WireType::kBytes ? text.empty() : field.value == 0;
    if (is_default && !rule.has_presence && !rule.repeated) return true;
    NormalField normal{rule.number, rule.unordered, ""};
    if (field.wire == WireType::kBytes) {
      AppendBytesField(rule.number, text, &normal.bytes);
    } else {
      AppendNumber(rule, field.value, &normal.bytes);
    }
    fields->push_back(std::move(normal));
    return true;
  }

  // A packed list says the same as its elements one by one.
  bool Packed(const FieldRule& rule, std::string_view bytes, std::vector<NormalField>* fields) {
    WireReader reader(bytes);
    while (!reader.done()) {
      uint64_t value = 0;
      bool read = rule.wire == WireType::kVarint    ? reader.ReadVarint(&value)
                  : rule.wire == WireType::kFixed64 ? reader.ReadFixed64(&value)
                                                    : reader.ReadFixed32(&value);
      if (!read) return false;
      NormalField normal{rule.number, false, ""};
      AppendNumber(rule, value, &normal.bytes);
      fields->push_back(std::move(normal));
    }
    return true;
  }

  // The width on the wire says nothing here: every number of one field is written alike.
  static void AppendNumber(const FieldRule& rule, uint64_t value, std::string* out) {
    constexpr uint64_t kMinusZero = uint64_t{1} << 63;
    if (rule.check == Check::kFiniteDouble && value == kMinusZero) value = 0;
    AppendVarintField(rule.number, value, out);
  }

  const MessageSchema* PayloadSchema(std::string_view any) const {
    if (context_.any_types == nullptr) return nullptr;
    WireReader reader(any);
    WireField field;
    while (!reader.done() && reader.ReadField(&field)) {
      if (field.number != 1) continue;
      size_t slash = field.bytes.rfind('/');
      if (slash == std::string_view::npos) return nullptr;
      return context_.any_types->FindAccepted(field.bytes.substr(slash + 1));
    }
    return nullptr;
  }

  const RuleContext& context_;
};

}  // namespace

bool SameBody(BodyKind kind, std::string_view a, std::string_view b, const RuleContext& context) {
  if (a == b) return true;
  const MessageSchema& schema = kind == BodyKind::kEntry ? kEntrySchema : kEventSchema;
  Normalizer normalizer(context);
  std::string normal_a;
  std::string normal_b;
  return normalizer.Message(schema, a, &normal_a) && normalizer.Message(schema, b, &normal_b) &&
         normal_a == normal_b;
}

}  // namespace graven::record
