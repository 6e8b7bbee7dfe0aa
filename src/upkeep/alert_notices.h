#pragma once

#include <string>

#include "base/log_index.h"
#include "search/alert.h"

namespace graven::upkeep {

// What the webhook says of alerts, as JSON. docs/search.md has the form.
struct NoticeContext {
  const search::AlertRule& rule;
  std::string log;
  std::string origin;
  std::string page;     // what notices link to; "": they do not
  bool values = false;  // whether they say which value was counted
};

std::string NoticeOf(const NoticeContext& context, const search::Alert& alert);
// Nobody judged the records from `first` to before `end`.
std::string NoticeOfSkipped(const NoticeContext& context, LogIndex first, LogIndex end);

}  // namespace graven::upkeep
