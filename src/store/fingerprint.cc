#include "store/fingerprint.h"

#include <bit>
#include <cstring>

#include "base/encoding.h"

namespace graven::store {
namespace {

struct SipState {
  uint64_t v0, v1, v2, v3;

  void Round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }

  void Take(uint64_t word) {
    v3 ^= word;
    Round();
    v0 ^= word;
  }
};

}  // namespace

uint64_t EventFingerprint(const FingerprintKey& key, std::string_view event_id) {
  const uint64_t k0 = GetFixed64(reinterpret_cast<const char*>(key.data()));
  const uint64_t k1 = GetFixed64(reinterpret_cast<const char*>(key.data()) + 8);
  SipState state{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                 k1 ^ 0x7465646279746573};
  std::string_view left = event_id;
  for (; left.size() >= 8; left.remove_prefix(8)) state.Take(GetFixed64(left.data()));
  char last[8] = {};
  std::memcpy(last, left.data(), left.size());
  last[7] = static_cast<char>(event_id.size());
  state.Take(GetFixed64(last));
  state.v2 ^= 0xff;
  for (int i = 0; i < 3; ++i) state.Round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace graven::store
