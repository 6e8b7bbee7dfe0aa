#pragma once

#include <string_view>

namespace graven::record {

// Whether `text` is a W3C traceparent that a record may carry: 55 characters, "00-<32 hex>-<16
// hex>- <2 hex>" in lower case, neither id all zero; a later version than 00, but not ff, in the
// same form.
bool IsTraceparent(std::string_view text);

}  // namespace graven::record
