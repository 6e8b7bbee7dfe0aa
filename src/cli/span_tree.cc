#include "cli/span_tree.h"

#include <map>
#include <string_view>
#include <utility>

namespace graven::cli {
namespace {

class Tree {
 public:
  explicit Tree(const std::vector<SpanNames>& records)
      : records_(records), shown_(records.size(), false) {
    for (size_t i = 0; i < records.size(); ++i) {
      if (!records[i].span.empty()) spans_[records[i].span].own.push_back(i);
    }
    for (size_t i = 0; i < records.size(); ++i) {
      const SpanNames& names = records[i];
      if (!names.span.empty() && spans_[names.span].own.front() != i) continue;
      const auto parent = spans_.find(names.parent);
      if (names.parent == names.span || parent == spans_.end()) {
        roots_.push_back(i);
      } else {
        parent->second.below.push_back(i);
      }
    }
  }

  std::vector<TreeLine> Lines() {
    for (const size_t root : roots_) Add(root);
    // Spans that name each other as parents have no root: they are shown all the same.
    for (size_t i = 0; i < records_.size(); ++i) {
      if (!shown_[i]) Add(i);
    }
    return std::move(lines_);
  }

 private:
  struct Span {
    std::vector<size_t> own;    // its records
    std::vector<size_t> below;  // the first record of each that it caused
  };

  // A stack of our own: the thread's would not last for every depth.
  void Add(size_t root) {
    std::vector<TreeLine> waiting = {{root, 0}};
    while (!waiting.empty()) {
      const TreeLine next = waiting.back();
      waiting.pop_back();
      if (shown_[next.record]) continue;
      const std::string& name = records_[next.record].span;
      if (name.empty()) {
        Show(next);
        continue;
      }
      const Span& span = spans_[name];
      for (const size_t record : span.own) Show({record, next.depth});
      for (auto child = span.below.rbegin(); child != span.below.rend(); ++child) {
        waiting.push_back({*child, next.depth + 1});
      }
    }
  }

  void Show(const TreeLine& line) {
    shown_[line.record] = true;
    lines_.push_back(line);
  }

  const std::vector<SpanNames>& records_;
  std::map<std::string_view, Span> spans_;
  std::vector<size_t> roots_;
  std::vector<bool> shown_;
  std::vector<TreeLine> lines_;
};

}  // namespace

std::vector<TreeLine> SpanTree(const std::vector<SpanNames>& records) {
  return Tree(records).Lines();
}

}  // namespace graven::cli
