#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "fmt/format.h"
#include "merkle/frontier.h"
#include "merkle/leaf.h"
#include "merkle/proof.h"
#include "note/checkpoint.h"
#include "note/keys.h"
#include "witness/add_checkpoint.h"

// A log with two histories and one key, as a dishonest operator has it, for the tests.
namespace graven::witness {

class ForkedLog {
 public:
  // Both histories are the same up to `fork`, and both have `size` leaves.
  ForkedLog(const std::string& origin, uint64_t fork, uint64_t size)
      : key(*note::SignerKey::Generate(origin, note::KeyType::kEd25519, SystemRandom())) {
    for (uint64_t i = 0; i < size; ++i) {
      for (int side = 0; side < 2; ++side) {
        leaves_[side].push_back(merkle::HashLeaf(fmt::format("{} {}", i, i < fork ? 0 : side)));
      }
    }
  }

  Hash Root(int side, uint64_t size) const {
    merkle::Frontier frontier;
    frontier.AppendAll(std::span(leaves_[side]).first(size));
    return frontier.Root();
  }

  std::string Checkpoint(int side, uint64_t size) const {
    return *note::SignCheckpoint({key.name(), TreeSize(size), Root(side, size), {}}, key);
  }

  std::vector<Hash> Proof(int side, uint64_t old_size, uint64_t size) const {
    if (old_size == 0 || old_size > size) return {};
    Leaves source{std::span(leaves_[side])};
    return *merkle::ConsistencyProof(source, TreeSize(old_size), TreeSize(size));
  }

  std::string Request(int side, uint64_t old_size, uint64_t size) const {
    return FormatAddCheckpoint(
        {TreeSize(old_size), Proof(side, old_size, size), Checkpoint(side, size)});
  }

  const note::SignerKey key;

 private:
  class Leaves : public merkle::NodeSource {
   public:
    explicit Leaves(std::span<const Hash> leaves) : leaves_(leaves) {}
    absl::StatusOr<Hash> Node(int level, uint64_t index) override {
      merkle::Frontier frontier;
      frontier.AppendAll(leaves_.subspan(index << level, size_t{1} << level));
      return frontier.Root();
    }

   private:
    std::span<const Hash> leaves_;
  };

  std::vector<Hash> leaves_[2];
};

}  // namespace graven::witness
