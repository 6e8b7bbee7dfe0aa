#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace graven::store {

// The key of one log's fingerprints: random, local to the node, kept in the log's metadata.
using FingerprintKey = std::array<uint8_t, 16>;

// 64 bits that stand for an event id: SipHash-1-3 of its bytes. Keyed, because clients choose event
// ids: without the key nobody can aim at a collision. A hit is a hint, to be confirmed on stored
// bytes.
uint64_t EventFingerprint(const FingerprintKey& key, std::string_view event_id);

// What tests replace to make collisions happen.
using FingerprintFunction = uint64_t (*)(const FingerprintKey& key, std::string_view event_id);

}  // namespace graven::store
