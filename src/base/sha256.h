#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/hash.h"

namespace graven {

// SHA-256 (FIPS 180-4). The fastest form that the processor has is chosen once, at the first call:
// SHA-NI where there, OpenSSL otherwise. Thread-safe.
Hash Sha256(std::string_view data);

// SHA-256(prefix || data) without copying `data`: the leaves of RFC 6962 begin with 0x00.
Hash Sha256Prefixed(uint8_t prefix, std::string_view data);

// SHA-256(0x01 || left || right) (RFC 6962 section 2.1), the inner node of every tree here.
Hash Sha256Node(const Hash& left, const Hash& right);

// parents[i] = Sha256Node(children[2i], children[2i + 1]) for i < pairs. `parents` may be
// `children`.
void Sha256Nodes(const Hash* children, size_t pairs, Hash* parents);

}  // namespace graven
