#include "web/basic_routes.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace graven::web {
namespace {

std::string_view StateWord(ledger::WriteState state) {
  switch (state) {
    case ledger::WriteState::kActive:
      return "ok";
    case ledger::WriteState::kDiskFull:
      return "disk full";
    case ledger::WriteState::kReadOnly:
      return "read-only";
    case ledger::WriteState::kStopped:
      return "writes stopped";
  }
  return "unknown";
}

std::string EscapeHtml(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

http::Response FrontPage(const ledger::Ledger& ledger, const std::string& version) {
  std::string rows;
  for (const ledger::LogRef log : ledger.Logs()) {
    const ledger::LogInfo info = ledger.Info(log);
    const std::string name = EscapeHtml(info.name);
    // Relative, so that it holds behind a prefix.
    rows += fmt::format(
        "<li><a href=\"logs/{0}/checkpoint\">{0}</a>: {1} records, origin <code>{2}</code>, key "
        "<code>{3}</code></li>\n",
        name, info.published_size.value, EscapeHtml(info.origin), EscapeHtml(info.vkey));
  }
  http::Response page;
  page.content_type = "text/html; charset=utf-8";
  page.cache_control = "no-cache";
  page.body = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Graven</title>\n"
      "<h1>Graven {}</h1>\n<p>Append-only logs, each with its newest signed checkpoint. A key that "
      "comes from the server itself proves nothing: ask for it "
      "elsewhere.</p>\n<ul>\n{}</ul>\n</html>\n",
      EscapeHtml(version), rows);
  return page;
}

}  // namespace

void AddBasicRoutes(const ledger::Ledger& ledger, Routes* routes) {
  Route health{"GET", "/healthz",
               Directly([](const Call&) { return http::TextResponse(200, "ok"); })};
  health.open = true;
  routes->Add(std::move(health));
  Route ready{"GET", "/readyz", Directly([&ledger](const Call&) {
                const ledger::WriteState state = ledger.status().write_state;
                return http::TextResponse(state == ledger::WriteState::kActive ? 200 : 503,
                                          StateWord(state));
              })};
  ready.open = true;
  routes->Add(std::move(ready));
}

void AddPlainFrontPage(const ledger::Ledger& ledger, std::string version, Routes* routes) {
  Route front{"GET", "/", Directly([&ledger, version = std::move(version)](const Call&) {
                return FrontPage(ledger, version);
              })};
  front.page = true;
  routes->Add(std::move(front));
}

}  // namespace graven::web
