#pragma once

#include <string_view>

namespace graven::http {

// Whether a call may go to any address, or only to those of the internet at large. A URL that
// somebody else may have chosen, or whose name somebody else may point anywhere, must not become a
// way to this machine or its neighbours.
enum class AddressRule { kAny, kPublicOnly };

// Whether `address` (IPv4 or IPv6, as text) is one of the internet at large: not loopback, private,
// shared (100.64.0.0/10), link-local, unique-local, multicast, reserved, for documentation, nor
// IPv6 that leads to such an IPv4 address (mapped, translated, 6to4, Teredo). False for what is no
// address.
bool IsPublicAddress(std::string_view address);

}  // namespace graven::http
