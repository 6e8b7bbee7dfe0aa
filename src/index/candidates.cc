#include "index/candidates.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "query/address.h"

namespace graven::index {
namespace {

// One query over one chunk. A term that the index does not know well is answered with "perhaps".
class Evaluation {
 public:
  Evaluation(const Chunk& chunk, const IdKey& key)
      : chunk_(chunk), id_key_(key), all_(Bitmap::Range(0, chunk.leaves())) {}

  absl::Status Begin() {
    std::string key;
    MakeKey(KeyKind::kOverfull, "", &key);
    ASSIGN_OR_RETURN(overfull_, chunk_.LeavesOf(key));
    return absl::OkStatus();
  }

  absl::StatusOr<Found> Find(const query::Expression& expression) {
    switch (expression.kind) {
      case query::Expression::Kind::kAnd:
        return And(expression);
      case query::Expression::Kind::kOr:
        return Or(expression);
      case query::Expression::Kind::kNot: {
        ASSIGN_OR_RETURN(const Found found, Find(expression.children[0]));
        return Not(found);
      }
      case query::Expression::Kind::kTarget:
        return Target(expression.children[0]);
      case query::Expression::Kind::kTerm:
        return OfTerm(expression.term);
    }
    return Perhaps(all_);
  }

 private:
  static Found Perhaps(Bitmap possible) { return {std::move(possible), Bitmap()}; }
  static Found Exactly(Bitmap leaves) { return {std::move(leaves), std::nullopt}; }
  static const Bitmap& CertainOf(const Found& found) {
    return found.certain ? *found.certain : found.possible;
  }

  Found Not(const Found& found) const {
    Found result = Exactly(all_);
    result.possible -= CertainOf(found);
    if (found.certain) {
      result.certain = all_;
      *result.certain -= found.possible;
    }
    return result;
  }

  absl::StatusOr<Found> And(const query::Expression& expression) {
    Found result = Exactly(all_);
    for (const query::Expression& child : expression.children) {
      if (result.possible.empty()) return Exactly(Bitmap());
      ASSIGN_OR_RETURN(const Found found, Find(child));
      if (result.certain || found.certain) {
        Bitmap certain = CertainOf(result);
        certain &= CertainOf(found);
        result.certain = std::move(certain);
      }
      result.possible &= found.possible;
    }
    return result;
  }

  absl::StatusOr<Found> Or(const query::Expression& expression) {
    Found result = Exactly(Bitmap());
    for (const query::Expression& child : expression.children) {
      ASSIGN_OR_RETURN(const Found found, Find(child));
      if (result.certain || found.certain) {
        Bitmap certain = CertainOf(result);
        certain |= CertainOf(found);
        result.certain = std::move(certain);
      }
      result.possible |= found.possible;
    }
    return result;
  }

  static bool HasAnd(const query::Expression& expression) {
    if (expression.kind == query::Expression::Kind::kAnd && expression.children.size() > 1) {
      return true;
    }
    return std::any_of(expression.children.begin(), expression.children.end(), HasAnd);
  }

  // The terms are of the record, not of one of its targets: with several, an AND is only perhaps of
  // the same one.
  absl::StatusOr<Found> Target(const query::Expression& child) {
    ASSIGN_OR_RETURN(Found found, Find(child));
    if (!HasAnd(child)) return found;
    std::string key;
    MakeKey(KeyKind::kSeveralTargets, "", &key);
    ASSIGN_OR_RETURN(const Bitmap several, chunk_.LeavesOf(key));
    if (several.empty()) return found;
    Bitmap certain = CertainOf(found);
    certain -= several;
    found.certain = std::move(certain);
    return found;
  }

  absl::StatusOr<Found> OfTerm(const query::Term& term) {
    switch (term.field) {
      case query::Field::kTime:
        return OfTimes(query::ToNs(term.times));
      case query::Field::kOccurred:
        return OfOccurred(term.times);
      case query::Field::kIndex:
        return OfIndexes(term.indexes);
      case query::Field::kText:
        return OfWords(term, true);
      case query::Field::kReason:
        // Its words are among those of the text.
        return OfWords(term, false);
      default:
        break;
    }
    if (const auto kind = IdKindOf(term.field)) return OfId(*kind, term);
    if (term.match == query::Match::kNetwork) return OfNetwork(term.network);
    const std::optional<KeyKind> kind = KeyKindOf(term.field);
    if (!kind) return Perhaps(all_);
    if (term.match == query::Match::kEquals) return OfValue(*kind, term);
    if (term.match == query::Match::kPrefix) return OfPrefix(*kind, term);
    return Perhaps(all_);
  }

  // What the index has for certain, with what it may have missed.
  Found WithOverfull(Bitmap leaves) const {
    if (overfull_.empty()) return Exactly(std::move(leaves));
    Found found{leaves, std::move(leaves)};
    found.possible |= overfull_;
    return found;
  }

  bool MakeKeyOf(KeyKind kind, const query::Term& term, std::string_view value,
                 std::string* key) const {
    if (kind == KeyKind::kLabel) return MakeLabelKey(term.label_key, value, key);
    MakeKey(kind, value, key);
    return true;
  }

  absl::StatusOr<Found> OfValue(KeyKind kind, const query::Term& term) {
    std::string key;
    if (!MakeKeyOf(kind, term, term.value, &key)) return Perhaps(overfull_);
    if (term.value.empty() && kind != KeyKind::kLabel) {
      // A record without the field has it empty; one of several targets may.
      if (kind == KeyKind::kTargetType || kind == KeyKind::kTargetId ||
          kind == KeyKind::kTargetName) {
        return Perhaps(all_);
      }
      query::Term any = term;
      any.match = query::Match::kPrefix;
      ASSIGN_OR_RETURN(const Found found, OfPrefix(kind, any));
      return Not(found);
    }
    ASSIGN_OR_RETURN(Bitmap leaves, chunk_.LeavesOf(key));
    Found found = WithOverfull(std::move(leaves));
    if (term.value.size() >= kValueBytesMax) found.certain = Bitmap();
    return found;
  }

  absl::StatusOr<Found> OfPrefix(KeyKind kind, const query::Term& term) {
    std::string key;
    if (!MakeKeyOf(kind, term, term.value, &key)) return Perhaps(overfull_);
    ASSIGN_OR_RETURN(Bitmap leaves, Union(key, [&](std::string_view found) {
                       if (!found.starts_with(key)) return Range::kBehind;
                       // An empty value begins with nothing that a query could ask for.
                       const bool is_empty = term.value.empty() && found.size() == key.size();
                       return is_empty ? Range::kOutside : Range::kWithin;
                     }));
    Found found = WithOverfull(std::move(leaves));
    if (term.value.size() > kValueBytesMax) found.certain = Bitmap();
    return found;
  }

  enum class Range : uint8_t { kWithin, kOutside, kBehind };
  // All leaves of the terms from `key` on that are within, until one is behind.
  absl::StatusOr<Bitmap> Union(std::string_view key,
                               const std::function<Range(std::string_view)>& judge) {
    Bitmap all;
    std::vector<uint32_t> few;
    TermCursor cursor(chunk_);
    RETURN_IF_ERROR(cursor.Seek(key));
    while (cursor.valid()) {
      const Range range = judge(cursor.key());
      if (range == Range::kBehind) break;
      if (range == Range::kWithin && cursor.count() <= kListLeavesMax) {
        RETURN_IF_ERROR(cursor.AppendLeaves(0, &few));
      } else if (range == Range::kWithin) {
        ASSIGN_OR_RETURN(const Bitmap leaves, cursor.Leaves());
        all |= leaves;
      }
      RETURN_IF_ERROR(cursor.Next());
    }
    std::sort(few.begin(), few.end());
    few.erase(std::unique(few.begin(), few.end()), few.end());
    all |= Bitmap::Of(few);
    return all;
  }

  absl::StatusOr<Found> OfId(IdKind kind, const query::Term& term) {
    if (term.match != query::Match::kEquals || term.value.empty()) return Perhaps(all_);
    ASSIGN_OR_RETURN(const std::vector<uint32_t> leaves,
                     chunk_.LeavesOfId(kind, IdFingerprint(id_key_, term.value)));
    if (leaves.empty()) return Exactly(Bitmap());
    return Perhaps(Bitmap::Of(leaves));
  }

  absl::StatusOr<Found> OfNetwork(const query::Network& network) {
    Bitmap leaves;
    for (const auto& lengths : {kNetworkBitsV4, kNetworkBitsV6}) {
      const uint8_t bits = *std::lower_bound(lengths.begin(), lengths.end(), network.prefix_bits);
      std::string key;
      MakeNetworkKey(network, bits, &key);
      const std::string_view same_bits = std::string_view(key).substr(0, 2);
      ASSIGN_OR_RETURN(const Bitmap some, Union(key, [&](std::string_view found) {
                         if (!found.starts_with(same_bits) || found.size() != key.size()) {
                           return Range::kBehind;
                         }
                         query::Network address;
                         std::copy_n(found.begin() + 2, address.address.size(),
                                     address.address.begin());
                         return query::Contains(network, address) ? Range::kWithin : Range::kBehind;
                       }));
      leaves |= some;
    }
    return WithOverfull(std::move(leaves));
  }

  absl::StatusOr<Found> OfWords(const query::Term& term, bool one_is_exact) {
    if (term.match == query::Match::kPrefix) return Perhaps(all_);
    Bitmap possible = all_;
    Found found;
    for (size_t i = 0; i < term.words.size(); ++i) {
      const std::string_view word = term.words[i];
      const bool is_prefix =
          term.match == query::Match::kWords && term.last_is_prefix && i + 1 == term.words.size();
      std::string key;
      MakeKey(KeyKind::kWord, word, &key);
      Bitmap leaves;
      if (is_prefix) {
        ASSIGN_OR_RETURN(leaves, Union(key, [&](std::string_view at) {
                           return at.starts_with(key) ? Range::kWithin : Range::kBehind;
                         }));
      } else {
        ASSIGN_OR_RETURN(leaves, chunk_.LeavesOf(key));
      }
      found = WithOverfull(std::move(leaves));
      // A word that was cut stands for others too.
      if (word.size() >= kValueBytesMax) found.certain = Bitmap();
      possible &= found.possible;
      if (possible.empty()) return Exactly(Bitmap());
    }
    const bool exact = one_is_exact && term.match == query::Match::kWords && term.words.size() == 1;
    return exact ? found : Perhaps(std::move(possible));
  }

  absl::StatusOr<Found> OfTimes(const query::NsRange& times) {
    const query::NsRange everything;
    uint32_t low = 0;
    uint32_t high = chunk_.leaves();
    if (times.low != everything.low) {
      ASSIGN_OR_RETURN(low, chunk_.FirstSince(times.low));
    }
    if (times.high != everything.high) {
      ASSIGN_OR_RETURN(high, chunk_.FirstSince(times.high));
    }
    return Exactly(Bitmap::Range(low, high));
  }

  absl::StatusOr<Found> OfOccurred(const query::TimeRange& times) {
    ASSIGN_OR_RETURN(const std::vector<OccurredGroup> groups, chunk_.Occurred());
    Found found = Exactly(Bitmap());
    Bitmap certain;
    for (uint32_t i = 0; i < groups.size(); ++i) {
      const OccurredGroup& group = groups[i];
      if (group.latest < times.low || group.earliest >= times.high) continue;
      const Bitmap leaves = Bitmap::Range(i * static_cast<uint32_t>(kOccurredPerGroup),
                                          (i + 1) * static_cast<uint32_t>(kOccurredPerGroup));
      found.possible |= leaves;
      if (group.earliest >= times.low && group.latest < times.high) certain |= leaves;
    }
    found.certain = std::move(certain);
    return found;
  }

  absl::StatusOr<Found> OfIndexes(const query::IndexRange& indexes) {
    const uint64_t low = std::max(indexes.low, chunk_.first());
    const uint64_t high = std::min(indexes.high, chunk_.end());
    if (low >= high) return Exactly(Bitmap());
    return Exactly(Bitmap::Range(static_cast<uint32_t>(low - chunk_.first()),
                                 static_cast<uint32_t>(high - chunk_.first())));
  }

  const Chunk& chunk_;
  const IdKey id_key_;
  const Bitmap all_;
  Bitmap overfull_;
};

}  // namespace

ChunkSet::Stretch ChunkSet::From(uint64_t low, uint64_t limit) const {
  const auto after = std::partition_point(chunks_.begin(), chunks_.end(),
                                          [&](const auto& chunk) { return chunk->end() <= low; });
  if (after == chunks_.end()) return {low, limit, nullptr};
  if ((*after)->first() > low) return {low, std::min(limit, (*after)->first()), nullptr};
  return {low, std::min(limit, (*after)->end()), *after};
}

ChunkSet::Stretch ChunkSet::Before(uint64_t high, uint64_t limit) const {
  const auto after = std::partition_point(chunks_.begin(), chunks_.end(),
                                          [&](const auto& chunk) { return chunk->first() < high; });
  if (after == chunks_.begin()) return {limit, high, nullptr};
  const auto& chunk = *std::prev(after);
  if (chunk->end() < high) return {std::max(limit, chunk->end()), high, nullptr};
  return {std::max(limit, chunk->first()), high, chunk};
}

absl::StatusOr<Found> FindInChunk(const Chunk& chunk, const IdKey& key,
                                  const query::Expression& expression) {
  Evaluation evaluation(chunk, key);
  RETURN_IF_ERROR(evaluation.Begin());
  return evaluation.Find(expression);
}

Candidates Find(const ChunkSet& chunks, const query::Expression& expression,
                const ChunkSet::Stretch& stretch) {
  Candidates candidates;
  candidates.low = stretch.low;
  candidates.high = stretch.high;
  if (stretch.chunk == nullptr || stretch.chunk->distrusted()) return candidates;
  absl::StatusOr<Found> found = FindInChunk(*stretch.chunk, chunks.key(), expression);
  if (!found.ok()) {
    if (IsDamage(found.status())) stretch.chunk->Distrust();
    return candidates;
  }
  candidates.chunk = stretch.chunk;
  candidates.found = *std::move(found);
  if (stretch.low == stretch.chunk->first() && stretch.high == stretch.chunk->end()) {
    return candidates;
  }
  const Bitmap within = Bitmap::Range(static_cast<uint32_t>(stretch.low - stretch.chunk->first()),
                                      static_cast<uint32_t>(stretch.high - stretch.chunk->first()));
  candidates.found.possible &= within;
  if (candidates.found.certain) *candidates.found.certain &= within;
  return candidates;
}

}  // namespace graven::index
