#include "import/json_elements.h"

namespace graven::import {

void JsonElements::SkipBlank() {
  while (at_ < text_.size() &&
         (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
    ++at_;
  }
}

bool JsonElements::SkipString() {
  for (++at_; at_ < text_.size(); ++at_) {
    if (text_[at_] == '\\') {
      ++at_;
    } else if (text_[at_] == '"') {
      ++at_;
      return true;
    }
  }
  at_ = text_.size();
  return false;
}

bool JsonElements::SkipValue() {
  size_t depth = 0;
  size_t start = at_;
  while (at_ < text_.size()) {
    char c = text_[at_];
    if (c == '"') {
      if (!SkipString()) return false;
      if (depth == 0) return true;
      continue;
    }
    if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return at_ > start;
      if (--depth == 0) {
        ++at_;
        return true;
      }
    } else if (depth == 0 &&
               (c == ',' || c == ':' || c == ' ' || c == '\n' || c == '\r' || c == '\t')) {
      return at_ > start;
    }
    ++at_;
  }
  return depth == 0 && at_ > start;
}

bool JsonElements::EnterList() {
  size_t start = at_;
  if (!SkipValue()) return false;
  outer_end_ = at_;
  at_ = start + 1;
  while (true) {
    SkipBlank();
    if (at_ >= outer_end_ || text_[at_] != '"') break;
    size_t name_start = at_ + 1;
    if (!SkipString()) break;
    std::string_view name = text_.substr(name_start, at_ - 1 - name_start);
    SkipBlank();
    if (at_ >= outer_end_ || text_[at_] != ':') break;
    ++at_;
    SkipBlank();
    if (name == list_name_ && at_ < outer_end_ && text_[at_] == '[') {
      ++at_;
      in_list_ = true;
      return true;
    }
    if (!SkipValue()) break;
    SkipBlank();
    if (at_ < outer_end_ && text_[at_] == ',') ++at_;
  }
  at_ = start;
  return true;
}

std::optional<std::string_view> JsonElements::NextOfList() {
  SkipBlank();
  if (at_ < outer_end_ && text_[at_] == ',') {
    ++at_;
    SkipBlank();
  }
  if (at_ < outer_end_ && text_[at_] == ']') {
    in_list_ = false;
    at_ = outer_end_;
    return std::nullopt;
  }
  size_t start = at_;
  if (!SkipValue() || at_ > outer_end_) return std::nullopt;
  return text_.substr(start, at_ - start);
}

std::optional<std::string_view> JsonElements::Next() {
  while (true) {
    if (in_list_) {
      std::optional<std::string_view> element = NextOfList();
      // Still in the list, and no element: the text is damaged here.
      if (element || in_list_) return element;
    }
    SkipBlank();
    if (at_ >= text_.size()) {
      complete_ = true;
      return std::nullopt;
    }
    size_t start = at_;
    if (text_[at_] == '{') {
      if (!EnterList()) return std::nullopt;
      if (in_list_) continue;
    }
    if (!SkipValue()) return std::nullopt;
    return text_.substr(start, at_ - start);
  }
}

}  // namespace graven::import
