#pragma once

#include <cstddef>
#include <cstdint>

namespace graven::internal {

// Runs the SHA-256 compression function over `blocks` blocks of 64 bytes with the SHA-NI
// instructions. REQUIRES: the processor has SHA-NI and SSE 4.1. Private to base/sha256.cc.
void Sha256BlocksShani(uint32_t state[8], const uint8_t* data, size_t blocks);

// The same over two independent messages of one length, interleaved to hide latency.
void Sha256BlocksShani2(uint32_t state_a[8], const uint8_t* a, uint32_t state_b[8],
                        const uint8_t* b, size_t blocks);

}  // namespace graven::internal
