#include "upkeep/alert_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/absl_views.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "http/url.h"
#include "io/durable_file.h"
#include "query/parser.h"
#include "store/log_meta.h"
#include "webhook/outbox.h"
#include "webhook/page_link.h"

namespace graven::upkeep {
namespace {

constexpr size_t kSecretBytesMax = 4096;

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= 63 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

absl::StatusOr<search::AlertRule> ReadRule(const AlertSettings& settings) {
  const auto wrong = [&](std::string_view what) {
    return absl::InvalidArgumentError(
        fmt::format("[[alert]] \"{}\": {}", SafeText(settings.name, 64), what));
  };
  search::AlertRule rule;
  if (!IsName(settings.name)) return wrong("name must be [a-z0-9-], 1 to 63 bytes");
  rule.name = settings.name;
  if (!store::IsFolderLogName(settings.log)) return wrong("log: no log can have this name");
  rule.log = settings.log;
  absl::StatusOr<query::Query> query = query::Parse(settings.query);
  if (!query.ok()) return wrong(fmt::format("query: {}", ToStd(query.status().message())));
  rule.query = *std::move(query);
  if (!settings.by.empty()) {
    absl::StatusOr<search::Column> column = search::Column::Find(settings.by);
    if (!column.ok()) return wrong(fmt::format("by: {}", ToStd(column.status().message())));
    rule.by = *std::move(column);
  }
  rule.threshold = settings.threshold;
  rule.window_ns = static_cast<int64_t>(settings.window_s) * kSecondNs;
  return rule;
}

absl::StatusOr<std::string> ReadSecret(const WebhookSettings& hook) {
  if (const absl::Status url = http::ParseUrl(hook.url).status(); !url.ok()) {
    return absl::InvalidArgumentError(fmt::format("webhook.url: {}", ToStd(url.message())));
  }
  absl::StatusOr<std::string> secret =
      io::ReadWholeFile(io::PosixFileSystem(), hook.secret_file, kSecretBytesMax);
  if (!secret.ok()) {
    return absl::InvalidArgumentError(
        fmt::format("webhook.secret_file: {}", ToStd(secret.status().message())));
  }
  while (secret->ends_with('\n')) secret->pop_back();
  if (secret->size() < webhook::kSecretBytesMin) {
    return absl::InvalidArgumentError(fmt::format(
        "webhook.secret_file: the secret is shorter than {} bytes", webhook::kSecretBytesMin));
  }
  return secret;
}

}  // namespace

absl::StatusOr<AlertPlan> ReadAlertPlan(const std::vector<AlertSettings>& alerts,
                                        const WebhookSettings& hook, const std::string& page) {
  AlertPlan plan;
  if (alerts.size() > kAlertRulesMax) {
    return absl::InvalidArgumentError(
        fmt::format("[[alert]]: there are {} rules; at most {}", alerts.size(), kAlertRulesMax));
  }
  for (const AlertSettings& settings : alerts) {
    ASSIGN_OR_RETURN(search::AlertRule rule, ReadRule(settings));
    for (const search::AlertRule& other : plan.rules) {
      if (other.name != rule.name) continue;
      return absl::InvalidArgumentError(
          fmt::format("[[alert]] \"{}\": the name is there twice", rule.name));
    }
    plan.rules.push_back(std::move(rule));
  }
  if (!page.empty()) {
    absl::StatusOr<std::string> url = webhook::ParsePageUrl(page);
    if (!url.ok()) {
      return absl::InvalidArgumentError(
          fmt::format("http.public_url: {}", ToStd(url.status().message())));
    }
    plan.page = *std::move(url);
  }
  if (hook.url.empty()) return plan;
  plan.webhook_url = hook.url;
  plan.webhook_allowed_hosts = hook.allow_hosts;
  plan.webhook_values = hook.values;
  ASSIGN_OR_RETURN(plan.webhook_secret, ReadSecret(hook));
  return plan;
}

}  // namespace graven::upkeep
