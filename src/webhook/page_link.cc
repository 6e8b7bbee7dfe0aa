#include "webhook/page_link.h"

#include "base/status_macros.h"
#include "fmt/format.h"
#include "http/url.h"

namespace graven::webhook {
namespace {

// What a canonical query begins with.
constexpr std::string_view kVersionPrefix = "v1:";

}  // namespace

absl::StatusOr<std::string> ParsePageUrl(std::string_view text) {
  RETURN_IF_ERROR(http::ParseUrl(text).status());
  if (text.find('?') != std::string_view::npos) {
    return absl::InvalidArgumentError("the URL of a page must have no query");
  }
  while (text.ends_with('/')) text.remove_suffix(1);
  return std::string(text);
}

std::string LinkToRecord(std::string_view page, std::string_view log, uint64_t index) {
  return fmt::format("{}/#/{}/record/{}", page, log, index);
}

std::string LinkToTrust(std::string_view page, std::string_view log) {
  return fmt::format("{}/#/{}/trust", page, log);
}

std::string LinkToMatches(std::string_view page, std::string_view log, std::string_view canonical,
                          uint64_t first, uint64_t end) {
  if (canonical.starts_with(kVersionPrefix)) canonical.remove_prefix(kVersionPrefix.size());
  while (canonical.starts_with(' ')) canonical.remove_prefix(1);
  const std::string range = fmt::format("index:{}..{}", first, end);
  const auto link = [&](const std::string& query) {
    return fmt::format("{}/#/{}/explore?q={}", page, log, http::UrlEncode(query));
  };
  if (canonical.empty()) return link(range);
  std::string whole = link(fmt::format("({}) {}", canonical, range));
  return whole.size() <= kLinkBytesMax ? whole : link(range);
}

}  // namespace graven::webhook
