#include "base/random.h"

#include <sys/random.h>

#include <cerrno>

#include "base/check.h"

namespace graven {
namespace {

class OsRandom final : public Random {
 public:
  void Fill(std::span<uint8_t> out) override {
    while (!out.empty()) {
      ssize_t n = getrandom(out.data(), out.size(), 0);
      if (n < 0 && errno == EINTR) continue;
      GRAVEN_CHECK(n > 0);
      out = out.subspan(static_cast<size_t>(n));
    }
  }
};

}  // namespace

uint64_t Random::Uint64() {
  uint8_t raw[8];
  Fill(raw);
  uint64_t value = 0;
  for (uint8_t byte : raw) value = value << 8 | byte;
  return value;
}

std::string Random::Bytes(size_t count) {
  std::string out(count, '\0');
  Fill({reinterpret_cast<uint8_t*>(out.data()), out.size()});
  return out;
}

Random& SystemRandom() {
  static OsRandom random;
  return random;
}

}  // namespace graven
