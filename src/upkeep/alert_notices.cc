#include "upkeep/alert_notices.h"

#include <fmt/format.h>

#include "base/clock.h"
#include "json/object_text.h"
#include "query/parser.h"
#include "webhook/page_link.h"

namespace graven::upkeep {

std::string NoticeOf(const NoticeContext& context, const search::Alert& alert) {
  const search::AlertRule& rule = context.rule;
  json::ObjectText notice;
  notice.Text("kind", "alert").Text("id", fmt::format("{}-{}", rule.name, alert.id));
  notice.Text("alert", rule.name).Text("log", context.log);
  notice.Text("origin", context.origin).Text("query", query::Canonical(rule.query));
  if (rule.by) notice.Text("by", rule.by->name());
  if (rule.by && context.values) notice.Text("value", alert.value);
  notice.Uint64("count", alert.count).Uint64("threshold", rule.threshold);
  notice.Uint64("windowSeconds", static_cast<uint64_t>(rule.window_ns / kSecondNs));
  notice.Uint64("firstIndex", alert.first.value).Uint64("lastIndex", alert.last.value);
  notice.TimeNs("firstReceivedAt", alert.first_received_ns);
  notice.TimeNs("lastReceivedAt", alert.last_received_ns);
  if (!context.page.empty()) {
    notice.Text("link",
                webhook::LinkToMatches(context.page, context.log, query::Canonical(rule.query),
                                       alert.first.value, alert.last.value + 1));
  }
  return notice.Finish();
}

std::string NoticeOfSkipped(const NoticeContext& context, LogIndex first, LogIndex end) {
  json::ObjectText notice;
  notice.Text("kind", "not-judged");
  notice.Text("id", fmt::format("{}-not-judged-{}-{}", context.rule.name, first.value, end.value));
  notice.Text("alert", context.rule.name).Text("log", context.log);
  notice.Text("origin", context.origin);
  notice.Uint64("firstIndex", first.value).Uint64("lastIndex", end.value - 1);
  if (!context.page.empty()) {
    notice.Text("link", webhook::LinkToRecord(context.page, context.log, first.value));
  }
  return notice.Finish();
}

}  // namespace graven::upkeep
