#include "base/sha256.h"

#include <openssl/sha.h>

#include <cstring>

#include "base/sha256_shani.h"

// OpenSSL's low-level calls are deprecated but the fastest fallback: the EVP layer costs as much
// again for the 65 bytes of an inner node (docs/decisions/0003-own-sha256.md).
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace graven {
namespace {

constexpr uint32_t kInitial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

bool HasShani() {
  static const bool has = [] {
    __builtin_cpu_init();
    unsigned eax = 7, ebx = 0, ecx = 0, edx = 0;
    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    return (ebx >> 29 & 1) != 0 && __builtin_cpu_supports("sse4.1") &&
           __builtin_cpu_supports("ssse3");
  }();
  return has;
}

Hash Finish(const uint32_t state[8]) {
  Hash hash;
  for (int i = 0; i < 8; ++i) {
    uint32_t word = __builtin_bswap32(state[i]);
    std::memcpy(hash.bytes.data() + 4 * i, &word, 4);
  }
  return hash;
}

// Pads the last `size` < 64 bytes of a message of `total` bytes and runs the one or two final
// blocks.
void FinalBlocks(uint32_t state[8], const uint8_t* rest, size_t size, uint64_t total) {
  uint8_t block[128] = {};
  if (size > 0) std::memcpy(block, rest, size);
  block[size] = 0x80;
  size_t blocks = size < 56 ? 1 : 2;
  uint64_t bits = __builtin_bswap64(total * 8);
  std::memcpy(block + 64 * blocks - 8, &bits, 8);
  internal::Sha256BlocksShani(state, block, blocks);
}

Hash ShaniPrefixed(uint8_t prefix, std::string_view data) {
  uint32_t state[8];
  std::memcpy(state, kInitial, sizeof state);
  const auto* bytes = reinterpret_cast<const uint8_t*>(data.data());
  uint8_t first[64];
  first[0] = prefix;
  size_t head = data.size() < 63 ? data.size() : 63;
  if (head > 0) std::memcpy(first + 1, bytes, head);
  if (head < 63) {
    FinalBlocks(state, first, head + 1, data.size() + 1);
    return Finish(state);
  }
  internal::Sha256BlocksShani(state, first, 1);
  size_t rest = data.size() - 63;
  internal::Sha256BlocksShani(state, bytes + 63, rest / 64);
  FinalBlocks(state, bytes + 63 + rest / 64 * 64, rest % 64, data.size() + 1);
  return Finish(state);
}

// The 65 bytes of an inner node and their padding: two blocks.
void LayOutNode(const Hash& left, const Hash& right, uint8_t block[128]) {
  static constexpr uint8_t kTail[63] = {0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0,   0,
                                        0,    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0,   0,
                                        0,    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0,   0,
                                        0,    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x08};
  block[0] = 0x01;
  std::memcpy(block + 1, left.bytes.data(), 32);
  std::memcpy(block + 33, right.bytes.data(), 32);
  std::memcpy(block + 65, kTail, sizeof kTail);
}

}  // namespace

Hash Sha256(std::string_view data) {
  if (!HasShani()) {
    Hash hash;
    SHA256(reinterpret_cast<const uint8_t*>(data.data()), data.size(), hash.bytes.data());
    return hash;
  }
  uint32_t state[8];
  std::memcpy(state, kInitial, sizeof state);
  const auto* bytes = reinterpret_cast<const uint8_t*>(data.data());
  internal::Sha256BlocksShani(state, bytes, data.size() / 64);
  FinalBlocks(state, bytes + data.size() / 64 * 64, data.size() % 64, data.size());
  return Finish(state);
}

Hash Sha256Prefixed(uint8_t prefix, std::string_view data) {
  if (HasShani()) return ShaniPrefixed(prefix, data);
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, &prefix, 1);
  SHA256_Update(&context, data.data(), data.size());
  Hash hash;
  SHA256_Final(hash.bytes.data(), &context);
  return hash;
}

Hash Sha256Node(const Hash& left, const Hash& right) {
  uint8_t block[128];
  LayOutNode(left, right, block);
  if (!HasShani()) return Sha256({reinterpret_cast<const char*>(block), 65});
  uint32_t state[8];
  std::memcpy(state, kInitial, sizeof state);
  internal::Sha256BlocksShani(state, block, 2);
  return Finish(state);
}

void Sha256Nodes(const Hash* children, size_t pairs, Hash* parents) {
  size_t i = 0;
  if (HasShani()) {
    for (; i + 2 <= pairs; i += 2) {
      uint8_t block_a[128], block_b[128];
      LayOutNode(children[2 * i], children[2 * i + 1], block_a);
      LayOutNode(children[2 * i + 2], children[2 * i + 3], block_b);
      uint32_t a[8], b[8];
      std::memcpy(a, kInitial, sizeof a);
      std::memcpy(b, kInitial, sizeof b);
      internal::Sha256BlocksShani2(a, block_a, b, block_b, 2);
      parents[i] = Finish(a);
      parents[i + 1] = Finish(b);
    }
  }
  for (; i < pairs; ++i) parents[i] = Sha256Node(children[2 * i], children[2 * i + 1]);
}

}  // namespace graven
