// The only file compiled for SHA-NI; base/sha256.cc asks the processor before it calls in here.
// Instructions and register layout: Intel Architecture Instruction Set Extensions, "Intel SHA
// Extensions".
#include "base/sha256_shani.h"

#include <immintrin.h>

namespace graven::internal {
namespace {

alignas(16) constexpr uint32_t kRound[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// One message in flight: the state in the two registers that sha256rnds2 wants (ABEF and CDGH), and
// the last sixteen words of the message schedule.
struct Lane {
  __m128i abef, cdgh, abef_start, cdgh_start;
  __m128i words[4];

  void Load(const uint32_t state[8]) {
    __m128i dcba =
        _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(state)), 0xb1);
    __m128i hgfe =
        _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(state + 4)), 0x1b);
    abef = _mm_alignr_epi8(dcba, hgfe, 8);
    cdgh = _mm_blend_epi16(hgfe, dcba, 0xf0);
  }

  void Store(uint32_t state[8]) const {
    __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
    __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(state), _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(state + 4), _mm_alignr_epi8(dchg, feba, 8));
  }

  void Begin(const uint8_t* block) {
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    for (int i = 0; i < 4; ++i) {
      words[i] =
          _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 16 * i)), swap);
    }
    abef_start = abef;
    cdgh_start = cdgh;
  }

  // Rounds 4g to 4g+3; from g = 4 on the schedule is extended first.
  template <int g>
  void FourRounds() {
    constexpr int kNow = g & 3;
    if constexpr (g >= 4) {
      __m128i w1 = words[(g + 1) & 3], w2 = words[(g + 2) & 3], w3 = words[(g + 3) & 3];
      __m128i next = _mm_sha256msg1_epu32(words[kNow], w1);
      next = _mm_add_epi32(next, _mm_alignr_epi8(w3, w2, 4));
      words[kNow] = _mm_sha256msg2_epu32(next, w3);
    }
    __m128i sum = _mm_add_epi32(words[kNow],
                                _mm_load_si128(reinterpret_cast<const __m128i*>(kRound + 4 * g)));
    cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
    abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
  }

  void End() {
    abef = _mm_add_epi32(abef, abef_start);
    cdgh = _mm_add_epi32(cdgh, cdgh_start);
  }
};

template <int g, typename... Lanes>
inline __attribute__((always_inline)) void AllRounds(Lanes&... lanes) {
  (lanes.template FourRounds<g>(), ...);
  if constexpr (g < 15) AllRounds<g + 1>(lanes...);
}

}  // namespace

void Sha256BlocksShani(uint32_t state[8], const uint8_t* data, size_t blocks) {
  Lane lane;
  lane.Load(state);
  for (; blocks > 0; --blocks, data += 64) {
    lane.Begin(data);
    AllRounds<0>(lane);
    lane.End();
  }
  lane.Store(state);
}

void Sha256BlocksShani2(uint32_t state_a[8], const uint8_t* a, uint32_t state_b[8],
                        const uint8_t* b, size_t blocks) {
  Lane one, two;
  one.Load(state_a);
  two.Load(state_b);
  for (; blocks > 0; --blocks, a += 64, b += 64) {
    one.Begin(a);
    two.Begin(b);
    AllRounds<0>(one, two);
    one.End();
    two.End();
  }
  one.Store(state_a);
  two.Store(state_b);
}

}  // namespace graven::internal
