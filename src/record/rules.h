#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"

// The one table of what a body must be. The wire walk (body_check.h), the page docs/rules.md, the
// equality of bodies (equality.h) and the tests are all driven by these rows; a limit that stands
// anywhere else is a copy.
//
// Thread: the built-in tables are constants. A SchemaSet is filled at the start and only read
// after.

namespace graven::record {

// The largest body a client may send, and the largest record made of one.
inline constexpr size_t kBodyBytesMax = 65'000;
inline constexpr size_t kRecordBytesMax = 65'535;

// How deep messages may stand in each other. Counted in messages from the outermost reply that can
// carry a parsed body, that message itself being level 1: TailResponse 1, RecordView 2, Record 3,
// the body 4, a message in a field of the body 5, and so on. One level of a JSON object in details
// is three messages (Value, Struct, its map entry), one of an array two. Stock parsers stop at 100.
inline constexpr int kNestingLevelsMax = 90;
inline constexpr int kBodyLevel = 4;

// The payload's wire type, by its number on the wire. 3 and 4 (groups) are refused everywhere.
enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// What the walk looks at in a field's payload beside its length.
enum class Check : uint8_t {
  kNone,              // any payload of the wire type: bytes, uint64, sint64, fixed numbers
  kUtf8,              // a string
  kMessage,           // FieldRule::message
  kBool,              // 0 or 1
  kInt32,             // int32 or enum: sign-extended to 64 bits. Unknown enum values are allowed
  kUint32,            // uint32 or sint32
  kFiniteDouble,      // neither NaN nor infinity
  kTimestampSeconds,  // 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z
  kTimestampNanos,    // 0 to 999,999,999
  kHexHash,           // empty or 64 lower-case hex digits
  kRfc3339,           // a point in time, at most 9 fractional digits
};

// What the walk hands out beside its verdict.
enum class Fact : uint8_t { kNone, kEventId, kTraceId, kProducer, kPreconditionHash };

struct MessageSchema;

// One row of the table: one field of one message.
struct FieldRule {
  uint32_t number = 0;
  std::string_view name;
  WireType wire = WireType::kBytes;
  Check check = Check::kNone;
  bool required = false;  // there, and not empty if it is a string
  bool repeated = false;
  bool has_presence = false;  // an explicit default differs from absence (oneof members, optional)
  bool unique_keys = false;   // of the repeated messages' field 1: labels and maps
  bool unordered = false;     // a map: the order of its entries says nothing
  uint8_t oneof = 0;          // members of one oneof share a number from 1 to 31; 0: none
  Fact fact = Fact::kNone;
  uint32_t bytes_max = 0;                  // of a string; 0: as the body allows
  uint32_t count_max = 0;                  // of a repeated field; 0: as the body allows
  const MessageSchema* message = nullptr;  // with Check::kMessage
};

inline constexpr size_t kFieldsPerMessageMax = 256;

// The rows of one message, ascending by number.
struct MessageSchema {
  std::string_view name;  // "Event"; "google.protobuf.Value"; the full name of an Any's type
  std::span<const FieldRule> fields;
  bool is_any = false;      // field 1 names the type of which field 2 must be
  bool needs_kind = false;  // Value: exactly one member of its oneof
  // by_number[n] = 1 + position in `fields` of field n, 0 if there is none.
  std::array<uint8_t, 32> by_number{};

  // Bit n: row n is required, for the first 64 rows. Required rows come no later.
  uint64_t required_rows = 0;

  // The row of field `number`, or nothing.
  const FieldRule* Find(uint32_t number) const {
    if (number >= by_number.size()) return FindLarge(number);
    uint8_t position = by_number[number];
    return position == 0 ? nullptr : &fields[position - 1U];
  }

 private:
  const FieldRule* FindLarge(uint32_t number) const;
};

extern const MessageSchema kEventSchema;
extern const MessageSchema kEntrySchema;
extern const MessageSchema kTimestampSchema;
extern const MessageSchema kStructSchema;
extern const MessageSchema kAnySchema;

// Every built-in schema, in the order of the page.
std::span<const MessageSchema* const> BuiltInSchemas();

// A rule that belongs to no field.
struct GeneralRule {
  std::string_view id;  // Violation::rule
  std::string_view text;
};
std::span<const GeneralRule> GeneralRules();

// The types that an Any may hold. Built at the start from descriptors, then only read. Schemas keep
// their address as long as the set.
class SchemaSet {
 public:
  SchemaSet();
  SchemaSet(const SchemaSet&) = delete;
  SchemaSet& operator=(const SchemaSet&) = delete;
  ~SchemaSet();

  // The schema of `full_name`, to be pointed at before it is defined (types are recursive). The
  // well-known types above are there from the start and need no definition.
  const MessageSchema* Declare(std::string_view full_name);

  // Gives a declared (or new) type its rows; FieldRule::name is copied. `accepted` says that an Any
  // may name it; the types of fields need not be.
  // kInvalidArgument: more than kFieldsPerMessageMax rows; a number out of range or twice; a
  // required row behind the 64th. kAlreadyExists: it has been defined.
  absl::Status Define(std::string_view full_name, std::vector<FieldRule> rows, bool accepted);

  // The schema of an accepted type, or nothing.
  const MessageSchema* FindAccepted(std::string_view full_name) const;

  // The first type that was declared and never defined, or "". A set with one is unusable.
  std::string_view FirstUndefined() const;

 private:
  struct Entry;
  std::deque<std::string> names_;
  std::unordered_map<std::string_view, std::unique_ptr<Entry>> entries_;
};

struct RuleContext {
  const SchemaSet* any_types = nullptr;  // without one, every Any is refused
};

// docs/rules.md: the tables above as text.
std::string RulesPage();

}  // namespace graven::record
