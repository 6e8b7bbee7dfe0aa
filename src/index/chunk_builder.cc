#include "index/chunk_builder.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "base/random.h"
#include "query/address.h"
#include "query/text.h"

namespace graven::index {
namespace {

constexpr size_t kArenaBytes = size_t{64} << 10;
static_assert(kKeyBytesMax <= kArenaBytes);

// Values are strangers': where they fall in a table must not be theirs to choose.
uint64_t TableSeed() {
  static const uint64_t seed = SystemRandom().Uint64();
  return seed;
}

// Of which a record may have more than one.
bool MayBeMany(char kind) {
  switch (static_cast<KeyKind>(kind)) {
    case KeyKind::kTargetType:
    case KeyKind::kTargetId:
    case KeyKind::kTargetName:
    case KeyKind::kLabel:
    case KeyKind::kWord:
      return true;
    default:
      return false;
  }
}

}  // namespace

size_t ChunkBuilder::KeyHash::operator()(std::string_view key) const {
  return XXH3_64bits_withSeed(key.data(), key.size(), TableSeed());
}

ChunkBuilder::ChunkBuilder(uint64_t first, int level, const IdKey& key)
    : first_(first), level_(level), id_key_(key) {
  GRAVEN_CHECK(first % (uint64_t{1} << level) == 0);
}

ChunkBuilder::~ChunkBuilder() = default;

void ChunkBuilder::Add(const query::RecordView& record) {
  GRAVEN_CHECK(record.index.value == next() && !full());
  leaf_ = static_cast<uint32_t>(received_ns_.size());
  if (leaf_ % (uint32_t{1} << kSmallLevel) == 0) run_bytes_ = 0;
  record_terms_ = 0;
  overfull_ = false;
  // What a record has once comes first, so that the limit never takes it.
  AddValue(KeyKind::kActorId, record.actor_id);
  AddValue(KeyKind::kActorType, record.actor_type);
  AddValue(KeyKind::kActorName, record.actor_name);
  AddValue(KeyKind::kAction, record.action);
  if (const auto word = query::OutcomeWord(record.outcome)) {
    AddValue(KeyKind::kOutcome, *word);
  } else {
    AddValue(KeyKind::kOutcome, fmt::format("{}", record.outcome));
  }
  AddValue(KeyKind::kService, record.service);
  AddValue(KeyKind::kWrittenBy, record.written_by);
  AddAddress(record.ip);
  AddTargets(record);
  for (const query::RecordView::Label& label : record.labels) {
    // An empty value is a value: the label is there.
    if (MakeLabelKey(label.key, label.value, &key_)) {
      AddKey();
    } else {
      overfull_ = true;
    }
  }
  AddWords(record);
  if (overfull_) {
    record_terms_ = 0;
    MakeKey(KeyKind::kOverfull, "", &key_);
    AddKey();
  }
  AddIds(record);
  AddOccurred(record.occurred_at);
  received_ns_.push_back(record.received_at_ns);
}

void ChunkBuilder::AddValue(KeyKind kind, std::string_view value) {
  if (value.empty()) return;
  MakeKey(kind, value, &key_);
  AddKey();
}

void ChunkBuilder::AddKey() {
  const size_t hash = numbers_.hash_function()(key_);
  const auto found = numbers_.find(std::string_view(key_), hash);
  Term* term = found == numbers_.end() ? nullptr : &terms_[found->second];
  if (term != nullptr && term->last_leaf == leaf_ + 1) return;
  const bool is_new_in_run =
      term == nullptr || (term->last_leaf - 1) >> kSmallLevel != leaf_ >> kSmallLevel;
  const size_t cost = is_new_in_run && MayBeMany(key_[0]) ? key_.size() + kTermCostBytes : 0;
  if (record_terms_ == kRecordTermsMax || run_bytes_ + cost > kRunTermBytesMax) {
    overfull_ = true;
    return;
  }
  ++record_terms_;
  run_bytes_ += cost;
  const auto number = term == nullptr ? static_cast<uint32_t>(terms_.size()) : found->second;
  if (term == nullptr) {
    term = &terms_.emplace_back();
    term->key = Keep(key_);
    numbers_.emplace(term->key, number);
  }
  term->last_leaf = leaf_ + 1;
  ++term->leaves;
  pairs_.push_back((uint64_t{number} << 32) | leaf_);
}

std::string_view ChunkBuilder::Keep(std::string_view key) {
  if (arena_left_ < key.size()) {
    arena_.push_back(std::make_unique<char[]>(kArenaBytes));
    arena_left_ = kArenaBytes;
  }
  char* to = arena_.back().get() + (kArenaBytes - arena_left_);
  std::memcpy(to, key.data(), key.size());
  arena_left_ -= key.size();
  return {to, key.size()};
}

void ChunkBuilder::AddTargets(const query::RecordView& record) {
  if (record.targets.size() > 1) {
    MakeKey(KeyKind::kSeveralTargets, "", &key_);
    AddKey();
  }
  for (const query::RecordView::Target& target : record.targets) {
    AddValue(KeyKind::kTargetType, target.type);
    AddValue(KeyKind::kTargetId, target.id);
    AddValue(KeyKind::kTargetName, target.name);
  }
}

void ChunkBuilder::AddAddress(std::string_view text) {
  AddValue(KeyKind::kIp, text);
  if (text.empty()) return;
  const std::optional<query::Network> address = query::ParseAddress(text);
  if (!address) return;
  for (const uint8_t bits : IsV4(*address) ? kNetworkBitsV4 : kNetworkBitsV6) {
    MakeNetworkKey(*address, bits, &key_);
    AddKey();
  }
}

void ChunkBuilder::AddWords(const query::RecordView& record) {
  record.EachText([&](std::string_view text) {
    if (overfull_) return;
    query::EachFoldedWord(text, &folded_, [&](std::string_view word) {
      if (!overfull_) AddValue(KeyKind::kWord, word);
    });
  });
}

void ChunkBuilder::AddIds(const query::RecordView& record) {
  const std::pair<IdKind, std::string_view> ids[] = {{IdKind::kTrace, record.trace},
                                                     {IdKind::kEvent, record.event_id},
                                                     {IdKind::kCorrelation, record.correlation},
                                                     {IdKind::kRequest, record.request},
                                                     {IdKind::kSession, record.session},
                                                     {IdKind::kSpan, record.span}};
  for (const auto& [kind, id] : ids) {
    if (id.empty()) continue;
    ids_[static_cast<size_t>(kind)].push_back(MakeIdEntry(IdFingerprint(id_key_, id), leaf_));
  }
}

void ChunkBuilder::AddOccurred(const record::TimePoint& time) {
  if (leaf_ % kOccurredPerGroup == 0) occurred_.push_back({time, time});
  OccurredGroup& group = occurred_.back();
  group.earliest = std::min(group.earliest, time);
  group.latest = std::max(group.latest, time);
}

std::vector<uint32_t> ChunkBuilder::SortedTerms() const {
  // Most keys differ in their first eight bytes, which lie here together.
  struct Place {
    uint64_t beginning;
    uint32_t number;
  };
  std::vector<Place> places(terms_.size());
  for (uint32_t i = 0; i < places.size(); ++i) {
    char bytes[8] = {};
    std::memcpy(bytes, terms_[i].key.data(), std::min(terms_[i].key.size(), sizeof(bytes)));
    uint64_t beginning = 0;
    for (const char byte : bytes) beginning = beginning << 8 | static_cast<uint8_t>(byte);
    places[i] = {beginning, i};
  }
  std::sort(places.begin(), places.end(), [&](const Place& a, const Place& b) {
    if (a.beginning != b.beginning) return a.beginning < b.beginning;
    return terms_[a.number].key < terms_[b.number].key;
  });
  std::vector<uint32_t> order(places.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = places[i].number;
  return order;
}

std::string ChunkBuilder::Finish(const Hash& subtree_root) {
  GRAVEN_CHECK(full());
  // The pairs by term; within one the leaves stay in their order.
  std::vector<uint64_t> ends(terms_.size() + 1, 0);
  for (size_t i = 0; i < terms_.size(); ++i) ends[i + 1] = ends[i] + terms_[i].leaves;
  std::vector<uint32_t> leaves(pairs_.size());
  std::vector<uint64_t> at(ends.begin(), ends.end() - 1);
  for (const uint64_t pair : pairs_) leaves[at[pair >> 32]++] = static_cast<uint32_t>(pair);

  ChunkEncoder encoder(first_, level_);
  for (const uint32_t number : SortedTerms()) {
    encoder.AddTerm(terms_[number].key,
                    std::span<const uint32_t>(leaves).subspan(ends[number], terms_[number].leaves));
  }
  ChunkEncoder::Columns columns;
  columns.received_ns = received_ns_;
  columns.occurred = occurred_;
  columns.subtree_root = subtree_root;
  for (size_t kind = 0; kind < kIdKinds; ++kind) {
    std::sort(ids_[kind].begin(), ids_[kind].end());
    columns.ids[kind] = std::move(ids_[kind]);
  }
  return encoder.Finish(columns);
}

}  // namespace graven::index
