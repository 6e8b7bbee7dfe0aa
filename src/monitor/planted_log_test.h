#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/hand_clock_test.h"
#include "base/seeded_random_test.h"
#include "fmt/format.h"
#include "merkle/leaf.h"
#include "merkle/proof.h"
#include "merkle/slow_tree.h"
#include "monitor/log_source.h"
#include "note/checkpoint.h"
#include "record/encoded_test.h"
#include "record/record.h"

namespace graven::monitor {

// A history that a log may have, with all its records and hashes.
class History {
 public:
  History(std::string origin, uint64_t count, uint64_t other_from = ~uint64_t{0})
      : origin_(std::move(origin)), previous_(record::GenesisHash(origin_)) {
    for (uint64_t i = 0; i < count; ++i) Add(i >= other_from ? "other" : "body");
  }

  void Add(std::string_view body, std::optional<Hash> previous = std::nullopt,
           int64_t later_ns = 1) {
    record::RecordHeader header;
    header.index = LogIndex(records.size());
    header.received_at_ns = time_ns_ += later_ns;
    header.previous_hash = previous.value_or(previous_);
    header.written_by = "anonymous";
    header.body = body;
    std::string bytes = record::Encoded(header);
    previous_ = merkle::HashLeaf(bytes);
    records.push_back(std::move(bytes));
    leaves.push_back(previous_);
  }

  Hash Root(uint64_t size) const { return merkle::SlowRoot(std::span(leaves).first(size)); }

  std::vector<std::string> records;
  std::vector<Hash> leaves;

 private:
  std::string origin_;
  Hash previous_;
  int64_t time_ns_ = 1'000'000'000;
};

// A log that answers what the test plants.
class PlantedLog final : public LogSource {
 public:
  explicit PlantedLog(uint64_t count)
      : random_(5),
        key(*note::SignerKey::Generate("example.com/log", note::KeyType::kEd25519, random_)),
        history(key.name(), count) {}

  std::string Sign(const History& of, uint64_t size) const {
    return *note::SignCheckpoint({key.name(), TreeSize(size), of.Root(size), {}}, key);
  }

  absl::StatusOr<std::string> Checkpoint() override {
    if (!way.ok()) return way;
    if (!checkpoint.empty()) return checkpoint;
    return Sign(history, shown.value_or(history.records.size()));
  }

  absl::Status Read(LogIndex first, TreeSize size, const RecordFunction& on_record) override {
    if (!way.ok()) return way;
    for (uint64_t i = first.value; i < size.value; ++i) {
      if (i >= history.records.size() || i >= kept_back_from) return absl::OkStatus();
      ++reads;
      std::string record = history.records[i];
      if (tamper) tamper(i, record);
      if (const absl::Status taken = on_record(record); !taken.ok()) return taken;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<AnsweredProof> Prove(LogIndex index, TreeSize size) override {
    if (!way.ok()) return way;
    if (no_proofs) return absl::NotFoundError("no proofs here");
    if (size.value > history.leaves.size()) return absl::NotFoundError("no such tree");
    return AnsweredProof{
        history.leaves[index.value],
        merkle::SlowInclusion(index.value, std::span(history.leaves).first(size.value))};
  }

  std::string Name() const override { return "the planted log"; }
  void Cancel() override {}

 private:
  SeededRandom random_;

 public:
  note::SignerKey key;
  History history;
  absl::Status way;               // of reaching it
  std::string checkpoint;         // instead of its own
  std::optional<uint64_t> shown;  // size of the checkpoint, instead of all
  uint64_t kept_back_from = ~uint64_t{0};
  bool no_proofs = false;
  std::function<void(uint64_t index, std::string& record)> tamper;
  uint64_t reads = 0;
};

}  // namespace graven::monitor
