#include "http/address_rule.h"

#include <arpa/inet.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

namespace graven::http {
namespace {

struct Block4 {
  uint32_t network;
  int bits;
};

// IANA's special-purpose registry of IPv4 (RFC 6890 and later), and what is not unicast.
constexpr Block4 kNotPublic4[] = {
    {0x00000000, 8},   // this network
    {0x0A000000, 8},   // private
    {0x64400000, 10},  // shared by carriers
    {0x7F000000, 8},   // loopback
    {0xA9FE0000, 16},  // link-local, clouds' metadata
    {0xAC100000, 12},  // private
    {0xC0000000, 24},  // protocol assignments
    {0xC0000200, 24},  // documentation
    {0xC0586300, 24},  // 6to4 relays
    {0xC0A80000, 16},  // private
    {0xC6120000, 15},  // benchmarks
    {0xC6336400, 24},  // documentation
    {0xCB007100, 24},  // documentation
    {0xE0000000, 4},   // multicast
    {0xF0000000, 4},   // reserved, broadcast
};

bool IsPublic4(uint32_t address) {
  for (const Block4& block : kNotPublic4)
    if ((address ^ block.network) >> (32 - block.bits) == 0) return false;
  return true;
}

uint32_t BigEndian32(const uint8_t* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

bool IsPublic6(const std::array<uint8_t, 16>& address) {
  constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  constexpr std::array<uint8_t, 12> kTranslated = {0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0};
  const uint32_t first = BigEndian32(address.data());
  if (std::memcmp(address.data(), kMapped.data(), kMapped.size()) == 0 ||
      std::memcmp(address.data(), kTranslated.data(), kTranslated.size()) == 0)
    return IsPublic4(BigEndian32(address.data() + 12));
  if (first >> 16 == 0x2002) return IsPublic4(BigEndian32(address.data() + 2));
  // 2001::/23 is for protocols (Teredo among them), 2001:db8::/32 and 3fff::/20 for documentation.
  if (first >> 9 == 0x20010000 >> 9 || first == 0x20010DB8 || first >> 12 == 0x3FFF0000 >> 12)
    return false;
  // All that is global unicast so far lies in 2000::/3.
  return first >> 29 == 1;
}

}  // namespace

bool IsPublicAddress(std::string_view address) {
  // A zone ("fe80::1%eth0") is only ever of a link.
  const std::string text(address);
  in_addr four{};
  if (inet_pton(AF_INET, text.c_str(), &four) == 1) return IsPublic4(ntohl(four.s_addr));
  std::array<uint8_t, 16> six{};
  if (inet_pton(AF_INET6, text.c_str(), six.data()) == 1) return IsPublic6(six);
  return false;
}

}  // namespace graven::http
