#pragma once

#include <optional>
#include <string_view>

namespace graven::import {

// Finds, in a text of JSON values one after the other, the objects that are events: the elements of
// the top-level member `list_name` of each value that has one ({"Records": [...]}), or the value
// itself. Only strings and brackets are understood here; what is inside an element is judged by
// whoever parses it, so that one bad element does not hide the next.
class JsonElements {
 public:
  // `text` must outlive the elements.
  JsonElements(std::string_view text, std::string_view list_name)
      : text_(text), list_name_(list_name) {}

  // The next element's text, or nothing at the end or at damage.
  std::optional<std::string_view> Next();

  // After the end: whether the text ended where a text may end. False: cut or not JSON at
  // `offset()`.
  bool complete() const { return complete_; }
  size_t offset() const { return at_; }

 private:
  void SkipBlank();
  bool SkipString();
  // Moves past one value, brackets balanced.
  bool SkipValue();
  // At the `{` of a top-level value: moves into its list, if it has one.
  bool EnterList();
  std::optional<std::string_view> NextOfList();

  std::string_view text_;
  std::string_view list_name_;
  size_t at_ = 0;
  size_t outer_end_ = 0;  // in a list: the end of the value that it is in
  bool in_list_ = false;
  bool complete_ = false;
};

}  // namespace graven::import
