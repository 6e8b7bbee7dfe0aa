#pragma once

#include <string_view>

#include "base/hash.h"
#include "base/sha256.h"
#include "store/fingerprint.h"

namespace graven::index {

// The key of one log's fingerprints of ids in its index. From the log's genesis hash, not random:
// replicas must come to the same bytes, and so must whoever builds an index again to compare it. To
// make ids whose 32 bits are equal is work in proportion to them, for each log anew, and all that
// it gains is that records are read which do not match.
using IdKey = store::FingerprintKey;

inline IdKey MakeIdKey(const Hash& genesis_hash) {
  const Hash hash = Sha256(std::string("graven/index/v1\n").append(genesis_hash.view()));
  IdKey key;
  std::copy_n(hash.bytes.begin(), key.size(), key.begin());
  return key;
}

inline uint32_t IdFingerprint(const IdKey& key, std::string_view id) {
  return static_cast<uint32_t>(store::EventFingerprint(key, id));
}

}  // namespace graven::index
