#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "query/field.h"
#include "record/time_text.h"

// A query after parsing. Plain data: copies freely, compares by value.
namespace graven::query {

enum class Match : uint8_t {
  kEquals,   // Term::value, byte for byte
  kPrefix,   // begins with Term::value; an empty one: the field has a value that is not empty
  kRange,    // Term::times or Term::indexes, low <= x < high
  kNetwork,  // the value is an address (in any spelling) within Term::network
  kWords,    // one text has Term::words as words, one after the other
  kPhrase,   // one text, folded, has the folded Term::value in it, from word border to word border
};

// low <= x < high. The defaults mean: no bound.
struct TimeRange {
  record::TimePoint low{INT64_MIN, 0};
  record::TimePoint high{INT64_MAX, 0};
  bool operator==(const TimeRange&) const = default;
};
struct IndexRange {
  uint64_t low = 0;
  uint64_t high = UINT64_MAX;
  bool operator==(const IndexRange&) const = default;
};

// An address of 16 bytes; IPv4 stands as ::ffff:a.b.c.d.
struct Network {
  std::array<uint8_t, 16> address{};  // bits after `prefix_bits` are zero
  uint8_t prefix_bits = 128;          // 96 to 128 for IPv4
  bool operator==(const Network&) const = default;
};

struct Term {
  Field field = Field::kText;
  Match match = Match::kEquals;
  std::string label_key;  // of Field::kLabel
  // kEquals, kPrefix: the bytes. An outcome is its word, or its number in decimal.
  // kWords, kPhrase: as it was written.
  std::string value;
  // kWords: at least one, folded. kPhrase: the words of the phrase, perhaps none; each is a word of
  // the text.
  std::vector<std::string> words;
  bool last_is_prefix = false;  // of kWords: the last one is the beginning of a word
  // kPhrase, and kWords of one word: what is looked for in a folded text. Empty: words are.
  std::string sought;
  std::vector<uint32_t> borders;  // of `sought`, or of `words`: BordersOf in text.h
  TimeRange times;                // kRange of kTime and kOccurred
  IndexRange indexes;             // kRange of kIndex
  Network network;

  bool operator==(const Term&) const = default;
};

struct Expression {
  enum class Kind : uint8_t {
    kAnd,     // all of children; without any: every record
    kOr,      // one of children (two or more)
    kNot,     // children[0] does not hold
    kTarget,  // there is one target of which children[0] holds, which is made of kAnd, kOr and
              // terms of target.* fields alone
    kTerm,
  };
  Kind kind = Kind::kAnd;
  std::vector<Expression> children;
  Term term;  // of kTerm. A term of a target.* field stands only below a kTarget

  bool operator==(const Expression&) const = default;
};

struct Query {
  Expression root;
  bool operator==(const Query&) const = default;
};

inline constexpr size_t kQueryBytesMax = 4096;
inline constexpr int kQueryDepthMax = 16;
inline constexpr int kQueryTermsMax = 64;
// What a canonical form begins with: the version of the language.
inline constexpr std::string_view kCanonicalPrefix = "v1:";
// A canonical form is longer than what was written: names, times and escapes are spelt out.
inline constexpr size_t kCanonicalBytesMax = 64 * 1024;
inline constexpr size_t kLabelKeyBytesMax = 128;

// The one spelling of a query, with the version of the language in front: `v1: actor.id:ann`. For
// URLs, cursors, saved searches and statements. Parse takes it back and gives an equal query.
std::string Canonical(const Query& query);

// How many terms look for words or phrases: each of them walks through a record's texts.
size_t TextTerms(const Expression& expression);

// Nanoseconds, low <= x < high; what int64 cannot say is no bound.
struct NsRange {
  int64_t low = INT64_MIN;
  int64_t high = INT64_MAX;
  bool operator==(const NsRange&) const = default;
};
NsRange ToNs(const TimeRange& range);

// What every match must lie in; wider than the matches, never narrower.
struct Bounds {
  IndexRange indexes;
  NsRange received_ns;
  bool operator==(const Bounds&) const = default;
};
Bounds BoundsOf(const Expression& expression);

}  // namespace graven::query
