#include "store/fingerprint.h"

#include <gtest/gtest.h>

#include <string>

namespace graven::store {
namespace {

TEST(EventFingerprint, IsSipHash13) {
  FingerprintKey key;
  for (uint8_t i = 0; i < 16; ++i) key[i] = i;
  std::string id;
  for (char c = 0; c < 15; ++c) id.push_back(c);
  // As `openssl mac -macopt c-rounds:1 -macopt d-rounds:3 -macopt size:8 SIPHASH` says, read
  // little-endian.
  EXPECT_EQ(EventFingerprint(key, ""), 0xabac0158050fc4dcU);
  EXPECT_EQ(EventFingerprint(key, std::string_view("\0", 1)), 0xc9f49bf37d57ca93U);
  EXPECT_EQ(EventFingerprint(key, id), 0xd320d86d2a519956U);
}

TEST(EventFingerprint, DependsOnKeyAndEveryByte) {
  FingerprintKey key{};
  const std::string id = "0191e0c8-7f2a-7b3c-9d4e-5f6a7b8c9d0e";
  const uint64_t fingerprint = EventFingerprint(key, id);
  for (size_t i = 0; i < id.size(); ++i) {
    std::string other = id;
    other[i] ^= 1;
    EXPECT_NE(EventFingerprint(key, other), fingerprint);
  }
  key[15] = 1;
  EXPECT_NE(EventFingerprint(key, id), fingerprint);
}

}  // namespace
}  // namespace graven::store
