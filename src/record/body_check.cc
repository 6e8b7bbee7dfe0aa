#include "record/body_check.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "fmt/format.h"
#include "record/time_text.h"
#include "record/utf8.h"
#include "record/wire.h"

namespace graven::record {
namespace {

// Where the walk stands: a chain of frames on the stack, read only to name a field in a violation.
struct Step {
  const Step* parent = nullptr;
  const MessageSchema* schema = nullptr;
  std::string_view message;           // the message's bytes
  const FieldRule* rule = nullptr;    // the field being looked at; nothing for an unknown one
  const char* field_start = nullptr;  // its tag; nothing for the field as a whole
};

// Which rows of a message have been seen. The first 64 stand apart, so that they live in a
// register.
class SeenRows {
 public:
  // Whether row `position` had been seen; it has now.
  bool Mark(size_t position) {
    uint64_t bit = uint64_t{1} << (position % 64);
    if (position < 64) [[likely]] {
      bool before = (first_ & bit) != 0;
      first_ |= bit;
      return before;
    }
    uint64_t& word = more_[position / 64 - 1];
    bool before = (word & bit) != 0;
    word |= bit;
    return before;
  }
  bool Has(size_t position) const {
    uint64_t word = position < 64 ? first_ : more_[position / 64 - 1];
    return (word >> (position % 64) & 1) != 0;
  }
  uint64_t first_rows() const { return first_; }

 private:
  uint64_t first_ = 0;
  std::array<uint64_t, kFieldsPerMessageMax / 64 - 1> more_{};
};

// What one message's walk remembers from field to field.
struct MessageState {
  SeenRows seen;
  uint32_t oneofs = 0;
  bool keys_to_compare = false;
  bool counts_to_check = false;
};

constexpr size_t kPathBytesMax = 200;

// "targets[3]": the place of a repeated field is found only now, by walking the message again.
std::string StepName(const Step& step) {
  if (step.rule == nullptr) return "(unknown field)";
  std::string name(step.rule->name);
  if (!step.rule->repeated || step.field_start == nullptr) return name;
  size_t place = 0;
  WireReader reader(step.message);
  WireField field;
  while (reader.at() < step.field_start && reader.ReadField(&field)) {
    place += field.number == step.rule->number ? 1 : 0;
  }
  return fmt::format("{}[{}]", name, place);
}

std::string PathText(const Step& step) {
  std::string path = StepName(step);
  for (const Step* at = step.parent; at != nullptr; at = at->parent) {
    path.insert(0, StepName(*at) + ".");
    if (path.size() > 4 * kPathBytesMax) break;  // the middle is cut anyway
  }
  if (path.size() <= kPathBytesMax) return path;
  return path.substr(0, kPathBytesMax / 2) + "…" + path.substr(path.size() - kPathBytesMax / 2);
}

bool IsLowerHex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// Walks one body. Each method that can meet broken wire answers whether the walk can go on; a
// broken rule alone does not stop it.
class Walker {
 public:
  Walker(const RuleContext& context, EventFacts* facts, std::vector<Violation>* violations)
      : context_(context), facts_(facts), violations_(violations) {}

  bool Message(const MessageSchema& schema, std::string_view bytes, int level, const Step* parent);
  bool good() const { return listed_ == 0; }

 private:
  std::optional<WireReader> OtherField(const Step& step, WireType wire, WireReader reader);
  bool Bytes(const Step& step, std::string_view bytes, int level);
  void Keep(Fact fact, std::string_view bytes);
  bool Packed(const Step& step, std::string_view bytes);
  bool Number(const Step& step, uint64_t value);
  bool Any(const Step& step, int level);
  void Once(const Step& step, MessageState* state);
  void Finish(const Step& step, MessageState state);
  void Counts(const Step& step);
  void Keys(const Step& step, const FieldRule& rule);

  // Lists a violation of the field at `step`, unless enough are listed. Always true: the walk goes
  // on.
  bool Refuse(const Step& step, std::string rule, std::string description);
  // The same with the row's own id and an aspect of it: "event.action.bytes".
  bool RefuseRow(const Step& step, std::string_view aspect, std::string description);
  // Lists what is wrong with the wire at `step`. Always false: nothing after it can be read.
  bool Broken(const Step& step);

  const RuleContext& context_;
  EventFacts* facts_;
  std::vector<Violation>* violations_;
  size_t listed_ = 0;
};

bool Walker::Refuse(const Step& step, std::string rule, std::string description) {
  if (++listed_ <= kViolationsMax) {
    violations_->push_back({PathText(step), std::move(rule), std::move(description)});
  }
  return true;
}

bool Walker::RefuseRow(const Step& step, std::string_view aspect, std::string description) {
  std::string message(step.schema->name);
  // "Event" reads as "event"; the full name of a foreign type stays as it is.
  if (message.find('.') == std::string::npos) message[0] = static_cast<char>(message[0] | 0x20);
  return Refuse(step, fmt::format("{}.{}.{}", message, step.rule->name, aspect),
                std::move(description));
}

// Reads past one varint the careless way, to tell a cut one from an over-long one.
bool VarintIsCut(std::string_view bytes) {
  size_t at = 0;
  while (at < bytes.size() && at < kVarintBytesMax && (bytes[at] & 0x80) != 0) ++at;
  return at == bytes.size();
}

bool Walker::Broken(const Step& step) {
  std::string_view rest(
      step.field_start,
      static_cast<size_t>(step.message.data() + step.message.size() - step.field_start));
  std::string_view cut = "the field ends after its message";
  uint64_t tag;
  std::string_view payload = rest;
  if (!GetVarint(&payload, &tag)) {
    if (VarintIsCut(rest))
      Refuse(step, "wire.truncated", std::string(cut));
    else
      Refuse(step, "wire.varint", "the tag is not a minimal varint");
    return false;
  }
  uint64_t wire = tag & 7;
  if (tag > UINT32_MAX || tag < 8) {
    Refuse(step, "wire.tag", fmt::format("the field number is {}", tag >> 3));
  } else if (wire == 3 || wire == 4) {
    Refuse(step, "wire.group", fmt::format("field {} is a group", tag >> 3));
  } else if (wire > 5) {
    Refuse(step, "wire.type", fmt::format("field {} has the wire type {}", tag >> 3, wire));
  } else if ((wire == 0 || wire == 2) && !GetVarint(&payload, &tag) && !VarintIsCut(payload)) {
    Refuse(step, "wire.varint", "a number or length is not a minimal varint of 64 bits");
  } else {
    Refuse(step, "wire.truncated", std::string(cut));
  }
  return false;
}

bool Walker::Message(const MessageSchema& schema, std::string_view bytes, int level,
                     const Step* parent) {
  Step step{.parent = parent, .schema = &schema, .message = bytes};
  if (level > kNestingLevelsMax) {
    Refuse(*parent, "wire.nesting",
           fmt::format("is at level {}; at most {}", level, kNestingLevelsMax));
    return false;
  }
  MessageState state;
  WireReader reader(bytes);
  while (!reader.done()) {
    step.field_start = reader.at();
    step.rule = nullptr;
    uint64_t tag;
    if (!reader.ReadVarint(&tag) || tag > UINT32_MAX || tag < 8) return Broken(step);
    auto wire = static_cast<WireType>(tag & 7);
    step.rule = schema.Find(static_cast<uint32_t>(tag >> 3));
    if (step.rule != nullptr) Once(step, &state);
    if (step.rule != nullptr && wire == step.rule->wire && wire == WireType::kBytes) {
      std::string_view payload;
      if (!reader.ReadBytes(&payload)) return Broken(step);
      if (!Bytes(step, payload, level)) return false;
    } else {
      // By value, so that the reader above can live in registers.
      std::optional<WireReader> after = OtherField(step, wire, reader);
      if (!after) return false;
      reader = *after;
    }
  }
  bool complete = (schema.required_rows & ~state.seen.first_rows()) == 0;
  if (!complete || state.keys_to_compare || state.counts_to_check ||
      (schema.needs_kind && state.oneofs == 0)) {
    Finish(step, state);
  }
  return !schema.is_any || Any(step, level);
}

// A field that may stand once stands once, and a oneof has one member.
void Walker::Once(const Step& step, MessageState* state) {
  const FieldRule& rule = *step.rule;
  bool again = state->seen.Mark(static_cast<size_t>(&rule - step.schema->fields.data()));
  if (rule.repeated) {
    state->keys_to_compare |= again && rule.unique_keys;
    state->counts_to_check |= again && rule.count_max != 0;
    return;
  }
  uint32_t oneof = rule.oneof == 0 ? 0 : uint32_t{1} << rule.oneof;
  if (again) {
    Refuse(step, "wire.repeated", "stands more than once");
  } else if ((state->oneofs & oneof) != 0) {
    Refuse(step, "wire.oneof", "another member of the same oneof is there too");
  }
  state->oneofs |= oneof;
}

// Every field but a known one of bytes. Returns the reader behind it, nothing if the wire is
// broken.
std::optional<WireReader> Walker::OtherField(const Step& step, WireType wire, WireReader reader) {
  uint64_t value = 0;
  std::string_view bytes;
  bool read = false;
  switch (wire) {
    case WireType::kVarint:
      read = reader.ReadVarint(&value);
      break;
    case WireType::kFixed64:
      read = reader.ReadFixed64(&value);
      break;
    case WireType::kBytes:
      read = reader.ReadBytes(&bytes);
      break;
    case WireType::kFixed32:
      read = reader.ReadFixed32(&value);
      break;
  }
  if (!read) {
    Broken(step);
    return std::nullopt;
  }
  if (step.rule == nullptr) return reader;
  if (wire == step.rule->wire) {
    Number(step, value);
  } else if (wire == WireType::kBytes && step.rule->repeated) {
    if (!Packed(step, bytes)) return std::nullopt;
  } else {
    Refuse(step, "wire.type",
           fmt::format("has the wire type {}; its type has {}", static_cast<int>(wire),
                       static_cast<int>(step.rule->wire)));
  }
  return reader;
}

void Walker::Keep(Fact fact, std::string_view bytes) {
  if (fact == Fact::kEventId) facts_->event_id = bytes;
  if (fact == Fact::kTraceId) facts_->names_trace = true;
  if (fact == Fact::kProducer) facts_->names_producer = true;
  if (fact == Fact::kPreconditionHash) facts_->precondition_hash_hex = bytes;
}

bool Walker::Bytes(const Step& step, std::string_view bytes, int level) {
  const FieldRule& rule = *step.rule;
  if (rule.check == Check::kMessage) {
    if (rule.fact != Fact::kNone) [[unlikely]]
      Keep(rule.fact, bytes);
    return Message(*rule.message, bytes, level + 1, &step);
  }
  if (rule.bytes_max != 0 && bytes.size() > rule.bytes_max) [[unlikely]] {
    return RefuseRow(step, "bytes",
                     fmt::format("is {} bytes; at most {}", bytes.size(), rule.bytes_max));
  }
  if (bytes.empty()) {
    return !rule.required || RefuseRow(step, "required", "is required, and it is empty");
  }
  if (rule.fact != Fact::kNone) [[unlikely]]
    Keep(rule.fact, bytes);
  if (rule.check == Check::kUtf8) {
    return IsAscii(bytes) || IsUtf8(bytes) || RefuseRow(step, "utf8", "is not UTF-8");
  }
  if (rule.check == Check::kHexHash && (bytes.size() != 64 || !IsLowerHex(bytes))) {
    return RefuseRow(
        step, "hash",
        fmt::format("is {} bytes; either empty or 64 lower-case hex digits", bytes.size()));
  }
  if (rule.check == Check::kRfc3339 && !ParseRfc3339(bytes)) {
    return RefuseRow(step, "time",
                     "is not a time like 2023-07-10T11:42:36Z (RFC 3339, at most 9 fractional "
                     "digits, years 0001 to 9999)");
  }
  return true;
}

bool Walker::Packed(const Step& step, std::string_view bytes) {
  WireReader reader(bytes);
  while (!reader.done()) {
    uint64_t value = 0;
    bool read = step.rule->wire == WireType::kVarint    ? reader.ReadVarint(&value)
                : step.rule->wire == WireType::kFixed64 ? reader.ReadFixed64(&value)
                                                        : reader.ReadFixed32(&value);
    if (!read) {
      Refuse(step, "wire.varint", "an element of the packed list is cut or over-long");
      return false;
    }
    if (!Number(step, value)) return false;
  }
  return true;
}

bool Walker::Number(const Step& step, uint64_t value) {
  auto number = static_cast<int64_t>(value);
  switch (step.rule->check) {
    case Check::kBool:
      return value <= 1 || RefuseRow(step, "bool", fmt::format("is {}; 0 or 1", value));
    case Check::kInt32:
      return (number >= INT32_MIN && number <= INT32_MAX) ||
             RefuseRow(step, "int32", fmt::format("is {}, which does not fit 32 bits", number));
    case Check::kUint32:
      return value <= UINT32_MAX ||
             RefuseRow(step, "uint32", fmt::format("is {}, which does not fit 32 bits", value));
    case Check::kFiniteDouble:
      // An exponent of all ones is an infinity or a NaN.
      return (value >> 52 & 0x7ff) != 0x7ff || RefuseRow(step, "finite", "is not a finite number");
    case Check::kTimestampSeconds:
      return (number >= kTimeSecondsMin && number <= kTimeSecondsMax) ||
             RefuseRow(step, "range",
                       fmt::format("is {}; from {} (year 0001) to {} (year 9999)", number,
                                   kTimeSecondsMin, kTimeSecondsMax));
    case Check::kTimestampNanos:
      return value <= 999'999'999 ||
             RefuseRow(step, "range", fmt::format("is {}; from 0 to 999999999", number));
    default:
      return true;
  }
}

// What can be said only at the end of a message.
void Walker::Finish(const Step& step, MessageState state) {
  const MessageSchema& schema = *step.schema;
  Step named = step;
  for (size_t i = 0; i < schema.fields.size(); ++i) {
    const FieldRule& rule = schema.fields[i];
    if (rule.required && !state.seen.Has(i)) {
      named.rule = &rule;
      RefuseRow(named, "required", "is required, and it is not there");
    }
    if (state.keys_to_compare && rule.unique_keys && state.seen.Has(i)) Keys(named, rule);
  }
  if (schema.needs_kind && state.oneofs == 0 && named.parent != nullptr) {
    Refuse(*named.parent, "google.protobuf.Value.kind.required", "is a value of no kind");
  }
  if (state.counts_to_check) Counts(named);
}

void Walker::Counts(const Step& step) {
  std::array<size_t, kFieldsPerMessageMax> counts{};
  WireReader reader(step.message);
  WireField field;
  while (reader.ReadField(&field)) {
    const FieldRule* rule = step.schema->Find(field.number);
    if (rule != nullptr) ++counts[static_cast<size_t>(rule - step.schema->fields.data())];
  }
  Step named = step;
  for (size_t i = 0; i < step.schema->fields.size(); ++i) {
    const FieldRule& rule = step.schema->fields[i];
    if (rule.count_max == 0 || counts[i] <= rule.count_max) continue;
    named.rule = &rule;
    named.field_start = nullptr;
    RefuseRow(named, "count", fmt::format("are {}; at most {}", counts[i], rule.count_max));
  }
}

// The key of a label or map entry: the payload of field 1, "" when absent or an explicit 0. Every
// varint here is minimal, so equal keys have equal bytes.
std::string_view KeyOf(std::string_view entry) {
  WireReader reader(entry);
  WireField field;
  while (!reader.done() && reader.ReadField(&field)) {
    if (field.number != 1) continue;
    if (field.wire == WireType::kBytes) return field.bytes;
    return field.value == 0 ? std::string_view() : field.raw;
  }
  return {};
}

void Walker::Keys(const Step& step, const FieldRule& rule) {
  constexpr size_t kOnStack = 32;
  std::array<std::string_view, kOnStack> few;
  std::vector<std::string_view> many;
  size_t count = 0;
  WireReader reader(step.message);
  WireField field;
  while (!reader.done() && reader.ReadField(&field)) {
    if (field.number != rule.number || field.wire != WireType::kBytes) continue;
    std::string_view key = KeyOf(field.bytes);
    if (count < kOnStack) {
      few[count] = key;
    } else {
      if (count == kOnStack) many.assign(few.begin(), few.end());
      many.push_back(key);
    }
    ++count;
  }
  std::span<std::string_view> keys =
      count <= kOnStack ? std::span(few.data(), count) : std::span(many);
  std::ranges::sort(keys);
  if (std::ranges::adjacent_find(keys) == keys.end()) return;
  Step named = step;
  named.rule = &rule;
  named.field_start = nullptr;
  RefuseRow(named, "unique", "have two entries of one key");
}

// `step.message` is an Any that has been walked: its payload is walked as what its name says it is.
bool Walker::Any(const Step& step, int level) {
  std::string_view type_url;
  std::string_view value;
  Step named = step;
  WireReader reader(step.message);
  WireField field;
  while (!reader.done()) {
    const char* start = reader.at();
    if (!reader.ReadField(&field)) break;
    if (field.number == 1) type_url = field.bytes;
    if (field.number == 2) {
      value = field.bytes;
      named.field_start = start;
    }
  }
  if (type_url.empty()) return true;  // refused as missing already
  size_t slash = type_url.rfind('/');
  std::string_view type = slash == std::string_view::npos ? "" : type_url.substr(slash + 1);
  const MessageSchema* schema =
      context_.any_types == nullptr ? nullptr : context_.any_types->FindAccepted(type);
  named.rule = &step.schema->fields[schema == nullptr ? 0 : 1];
  if (schema == nullptr) {
    return Refuse(named, "any.type", "names a type that this server has no descriptor of");
  }
  return Message(*schema, value, level + 1, &named);
}

}  // namespace

bool CheckBody(BodyKind kind, std::string_view bytes, const RuleContext& context, EventFacts* facts,
               std::vector<Violation>* violations) {
  GRAVEN_CHECK(violations != nullptr && facts != nullptr);
  if (bytes.size() > kBodyBytesMax) {
    violations->push_back({"", "body.bytes",
                           fmt::format("is {} bytes; at most {}: {} too many", bytes.size(),
                                       kBodyBytesMax, bytes.size() - kBodyBytesMax)});
    return false;
  }
  *facts = EventFacts();
  Walker walker(context, facts, violations);
  const MessageSchema& schema = kind == BodyKind::kEntry ? kEntrySchema : kEventSchema;
  walker.Message(schema, bytes, kBodyLevel, nullptr);
  return walker.good();
}

}  // namespace graven::record
