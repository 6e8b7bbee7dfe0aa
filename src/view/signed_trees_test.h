#pragma once

#include <string>
#include <utility>

#include "base/clock.h"
#include "base/seeded_random_test.h"
#include "base/sha256.h"
#include "fmt/format.h"
#include "note/checkpoint.h"
#include "note/cosignature.h"
#include "note/policy.h"
#include "view/seen_files.h"

namespace graven::view {

class HandClock final : public Clock {
 public:
  int64_t WallNs() override { return now_ms * 1'000'000; }
  int64_t SteadyNs() override { return WallNs(); }
  int64_t now_ms = 1'700'000'000'000;
};

// A key, and what it would sign of a tree that is named by a word.
class Signer {
 public:
  explicit Signer(std::string_view name, uint64_t seed,
                  note::KeyType type = note::KeyType::kEd25519)
      : key_(Make(name, seed, type)) {}

  std::string vkey() const { return key_.verifier().Format(); }

  std::string Note(uint64_t size, std::string_view word = "tree",
                   const Signer* witness = nullptr) const {
    const note::Checkpoint checkpoint{key_.name(), TreeSize(size), RootOf(size, word), {}};
    std::string note = *note::SignCheckpoint(checkpoint, key_);
    if (witness != nullptr)
      note += *note::Cosign(note::FormatCheckpoint(checkpoint), 1'700'000'000, witness->key_);
    return note;
  }
  static Hash RootOf(uint64_t size, std::string_view word = "tree") {
    return Sha256(fmt::format("{} {}", word, size));
  }
  static SeenTree Tree(uint64_t size, std::string_view word = "tree") {
    return {TreeSize(size), RootOf(size, word)};
  }

 private:
  static note::SignerKey Make(std::string_view name, uint64_t seed, note::KeyType type) {
    SeededRandom random(seed);
    return *note::SignerKey::Generate(name, type, random);
  }

  const note::SignerKey key_;
};

// A policy of one log and one witness.
struct Parties {
  Signer log{"log.example/audit", 1};
  Signer other{"log.example/other", 2};
  Signer witness{"witness.example/w", 3, note::KeyType::kCosignature};
  std::string policy_text =
      fmt::format("log {}\nwitness w {}\nquorum w\n", log.vkey(), witness.vkey());
  note::Policy policy = *note::Policy::Parse(policy_text);
};

}  // namespace graven::view
