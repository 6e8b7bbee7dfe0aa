#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "query/expression.h"

namespace graven::query {

// One address, IPv4 or IPv6 in any spelling of RFC 4291, without zone, port or brackets. Nothing:
// it is not one. `prefix_bits` is 128.
std::optional<Network> ParseAddress(std::string_view text);

// The same, or with "/bits"; bits of the host are cleared.
std::optional<Network> ParseNetwork(std::string_view text);

// "10.0.0.0/8"; "2001:db8::1" when all bits count. RFC 5952.
std::string FormatNetwork(const Network& network);

bool Contains(const Network& network, const Network& address);

}  // namespace graven::query
