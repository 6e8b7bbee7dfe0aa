#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/encoding.h"
#include "base/random.h"
#include "fmt/format.h"
#include "merkle/frontier.h"
#include "merkle/leaf.h"
#include "merkle/proof.h"
#include "note/checkpoint.h"
#include "note/keys.h"
#include "note/receipt_file.h"
#include "record/encoded_test.h"
#include "record/record.h"

// A small log, written by hand for the tests.
namespace graven::verify {

// Serves proofs over leaves held in memory.
class LeavesInMemory : public merkle::NodeSource {
 public:
  explicit LeavesInMemory(std::span<const Hash> leaves) : leaves_(leaves) {}
  absl::StatusOr<Hash> Node(int level, uint64_t index) override {
    merkle::Frontier frontier;
    frontier.AppendAll(leaves_.subspan(index << level, size_t{1} << level));
    return frontier.Root();
  }

 private:
  std::span<const Hash> leaves_;
};

struct WrittenLog {
  note::SignerKey key;
  std::vector<std::string> records;
  std::vector<Hash> leaves;
  std::vector<std::string> event_ids;

  static note::SignerKey NewKey(const std::string& origin) {
    return *note::SignerKey::Generate(origin, note::KeyType::kEd25519, SystemRandom());
  }

  explicit WrittenLog(size_t count, const std::string& origin = "log.example/audit")
      : key(NewKey(origin)) {
    for (size_t i = 0; i < count; ++i)
      Add(fmt::format("body {}", i), 1000 * static_cast<int64_t>(i + 1));
  }

  void Add(std::string_view body, int64_t received_at_ns) {
    // The body is a bare event_id, field 1.
    event_ids.emplace_back(body);
    const Hash previous = leaves.empty() ? record::GenesisHash(key.name()) : leaves.back();
    AddWith(LogIndex(records.size()), previous, body, received_at_ns);
  }

  // As damaged as the caller likes.
  void AddWith(LogIndex index, const Hash& previous, std::string_view body,
               int64_t received_at_ns) {
    record::RecordHeader header;
    header.index = index;
    header.received_at_ns = received_at_ns;
    header.previous_hash = previous;
    header.written_by = "anonymous";
    std::string event = "\x0a";
    event += static_cast<char>(body.size());
    event += body;
    header.body = event;
    std::string record = record::Encoded(header);
    leaves.push_back(merkle::HashLeaf(record));
    records.push_back(std::move(record));
  }

  Hash Root(size_t size) const {
    merkle::Frontier frontier;
    frontier.AppendAll(std::span(leaves).first(size));
    return frontier.Root();
  }

  std::string Checkpoint(size_t size) const {
    return *note::SignCheckpoint({key.name(), TreeSize(size), Root(size), {}}, key);
  }

  std::vector<Hash> Proof(size_t index, size_t size) const {
    LeavesInMemory source(leaves);
    return *merkle::InclusionProof(source, LogIndex(index), TreeSize(size));
  }

  std::string Receipt(size_t index, size_t size) const {
    return note::MakeReceipt(records[index], LogIndex(index), Proof(index, size), Checkpoint(size));
  }

  // Each record behind its length.
  std::string Export(size_t first, size_t end) const {
    std::string bytes;
    for (size_t i = first; i < end; ++i) {
      char length[kVarintBytesMax];
      bytes.append(length, PutVarint(length, records[i].size()));
      bytes += records[i];
    }
    return bytes;
  }
};

}  // namespace graven::verify
