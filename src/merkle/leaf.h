#pragma once

#include <string_view>

#include "base/hash.h"
#include "base/sha256.h"

namespace graven::merkle {

// The hash of a leaf: SHA-256(0x00 || record) (RFC 6962 section 2.1). It is the record's hash too.
inline Hash HashLeaf(std::string_view record) { return Sha256Prefixed(0x00, record); }

// The root of a tree without leaves: SHA-256("").
inline Hash EmptyRoot() { return Sha256({}); }

}  // namespace graven::merkle
