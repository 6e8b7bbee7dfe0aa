#include "query/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "base/encoding.h"
#include "fmt/format.h"

namespace graven::query {
namespace {

constexpr size_t kAddressTextMax = INET6_ADDRSTRLEN;
constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
constexpr uint8_t kMappedBits = 96;

bool IsMapped(const Network& network) {
  return network.prefix_bits >= kMappedBits &&
         std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), network.address.begin());
}

}  // namespace

std::optional<Network> ParseAddress(std::string_view text) {
  // Nothing longer is an address; what is no address is told fast, because every value is asked.
  if (text.empty() || text.size() >= kAddressTextMax) return std::nullopt;
  char buffer[kAddressTextMax + 1] = {};
  text.copy(buffer, text.size());
  if (std::memchr(buffer, 0, text.size()) != nullptr) return std::nullopt;
  Network network;
  if (inet_pton(AF_INET, buffer, network.address.data() + kMappedPrefix.size()) == 1) {
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), network.address.begin());
    return network;
  }
  if (inet_pton(AF_INET6, buffer, network.address.data()) == 1) return network;
  return std::nullopt;
}

std::optional<Network> ParseNetwork(std::string_view text) {
  const size_t slash = text.find('/');
  std::optional<Network> network = ParseAddress(text.substr(0, slash));
  if (!network || slash == std::string_view::npos) return network;
  const std::optional<uint64_t> bits = ParseDecimal(text.substr(slash + 1));
  const bool is_v4 = text.substr(0, slash).find(':') == std::string_view::npos;
  if (!bits || *bits > (is_v4 ? 32 : 128)) return std::nullopt;
  network->prefix_bits = static_cast<uint8_t>(*bits + (is_v4 ? kMappedBits : 0));
  for (int bit = network->prefix_bits; bit < 128; ++bit) {
    network->address[static_cast<size_t>(bit / 8)] &= static_cast<uint8_t>(~(0x80 >> bit % 8));
  }
  return network;
}

std::string FormatNetwork(const Network& network) {
  char buffer[kAddressTextMax + 1] = {};
  const bool is_v4 = IsMapped(network);
  if (is_v4) {
    inet_ntop(AF_INET, network.address.data() + kMappedPrefix.size(), buffer, sizeof buffer);
  } else {
    inet_ntop(AF_INET6, network.address.data(), buffer, sizeof buffer);
  }
  if (network.prefix_bits == 128) return buffer;
  return fmt::format("{}/{}", buffer, network.prefix_bits - (is_v4 ? kMappedBits : 0));
}

bool Contains(const Network& network, const Network& address) {
  const size_t whole = network.prefix_bits / 8;
  if (!std::equal(network.address.begin(), network.address.begin() + whole,
                  address.address.begin())) {
    return false;
  }
  const int rest = network.prefix_bits % 8;
  if (rest == 0) return true;
  return ((network.address[whole] ^ address.address[whole]) >> (8 - rest)) == 0;
}

}  // namespace graven::query
