#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// Addresses on the page (ui/), for whoever reads a notice. They hold where to look and nothing of
// what stands there.
namespace graven::webhook {

// Of a link; where it would be longer the query is left out, for it says less than the range.
inline constexpr size_t kLinkBytesMax = 2000;

// Where the page is served: an http or https URL, with a path prefix where there is one. The same
// without slashes at its end. kInvalidArgument: no such URL, or one with a query.
absl::StatusOr<std::string> ParsePageUrl(std::string_view text);

// `page` is what ParsePageUrl gave.
std::string LinkToRecord(std::string_view page, std::string_view log, uint64_t index);
// What the log's signatures and checkpoints say.
std::string LinkToTrust(std::string_view page, std::string_view log);
// What matches a canonical query among the records from `first` to before `end`.
std::string LinkToMatches(std::string_view page, std::string_view log, std::string_view canonical,
                          uint64_t first, uint64_t end);

}  // namespace graven::webhook
