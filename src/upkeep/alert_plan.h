#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "search/alert.h"

namespace graven::upkeep {

// [[alert]]: a query with a threshold and a window.
struct AlertSettings {
  std::string name;
  std::string log = "default";
  std::string query;
  std::string by;  // field whose values are counted apart; "": all together
  uint64_t threshold = 1;
  uint64_t window_s = 60;
};

// Where alerts are sent; no URL: nowhere.
struct WebhookSettings {
  std::string url;
  std::string secret_file;
  // Hosts of the URL that may have an address of a private network.
  std::vector<std::string> allow_hosts;
  // Whether a notice says which value was counted: that is content of records.
  bool values = false;
};

inline constexpr size_t kAlertRulesMax = 100;

// What the configuration says of alerts, read and found possible.
struct AlertPlan {
  std::vector<search::AlertRule> rules;
  std::string webhook_url;  // "": no webhook
  std::string webhook_secret;
  std::vector<std::string> webhook_allowed_hosts;
  bool webhook_values = false;
  std::string page;  // what notices link to (webhook/page_link.h); "": they do not
  // Ranges that a rule has stepped over and the log `_system` has not taken: with so many the rule
  // waits.
  size_t skipped_waiting_max = 1000;
};

// `page`: where the page is served, for people; "": nobody said. kInvalidArgument: names the rule
// or key.
absl::StatusOr<AlertPlan> ReadAlertPlan(const std::vector<AlertSettings>& alerts,
                                        const WebhookSettings& hook, const std::string& page);

}  // namespace graven::upkeep
