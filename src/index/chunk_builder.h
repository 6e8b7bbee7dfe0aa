#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/hash.h"
#include "index/chunk_encoder.h"
#include "index/id_fingerprint.h"
#include "query/record_view.h"

namespace graven::index {

// Gathers the terms of the records of one chunk. Not thread-safe.
//
// Memory until Finish: some hundred bytes a record, of hostile records some hundred MiB for 2^16
// (kRecordTermsMax, kRunTermBytesMax).
class ChunkBuilder {
 public:
  // The chunk of 2^level leaves from `first` on, which is a multiple of that.
  ChunkBuilder(uint64_t first, int level, const IdKey& key);
  ~ChunkBuilder();

  // Adds the next record. REQUIRES: its index is the next; there is room.
  void Add(const query::RecordView& record);

  uint64_t next() const { return first_ + received_ns_.size(); }
  bool full() const { return next() == first_ + (uint64_t{1} << level_); }

  // The content; of a chunk that stays in memory the root is left out. REQUIRES: full. Nothing may
  // be called afterwards.
  std::string Finish(const Hash& subtree_root = Hash());

 private:
  struct KeyHash {
    size_t operator()(std::string_view key) const;
  };

  // What a look-up touches lies together: it is the cost of indexing.
  struct Term {
    std::string_view key;
    uint32_t last_leaf = 0;  // the leaf that named it last, and one
    uint32_t leaves = 0;     // how many have it
  };

  // Takes key_ as a term of the current record.
  void AddKey();
  void AddValue(KeyKind kind, std::string_view value);
  void AddTargets(const query::RecordView& record);
  void AddAddress(std::string_view text);
  void AddWords(const query::RecordView& record);
  void AddIds(const query::RecordView& record);
  void AddOccurred(const record::TimePoint& time);
  std::string_view Keep(std::string_view key);
  // The numbers of the terms in the order of their keys.
  std::vector<uint32_t> SortedTerms() const;

  const uint64_t first_;
  const int level_;
  const IdKey id_key_;
  uint32_t leaf_ = 0;
  size_t record_terms_ = 0;
  size_t run_bytes_ = 0;  // of kRunTermBytesMax
  bool overfull_ = false;
  std::string key_;
  std::string folded_;

  std::vector<std::unique_ptr<char[]>> arena_;
  size_t arena_left_ = 0;
  absl::flat_hash_map<std::string_view, uint32_t, KeyHash> numbers_;
  std::vector<Term> terms_;      // by number
  std::vector<uint64_t> pairs_;  // number of the term above, leaf below; leaves ascending

  std::vector<int64_t> received_ns_;
  std::vector<OccurredGroup> occurred_;
  std::array<std::vector<IdEntry>, kIdKinds> ids_;
};

}  // namespace graven::index
