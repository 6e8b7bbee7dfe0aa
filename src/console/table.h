#pragma once

#include <string>
#include <vector>

#include "console/terminal.h"

namespace graven::console {

// A table for people. Cells are safe to show (SafeText is the caller's) and hold no colours of
// their own. Columns are as wide as their widest cell; on a terminal the last one is cut to fit.
class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };
  struct Cell {
    std::string text;
    Colour colour = Colour::kPlain;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // REQUIRES: one cell for each column.
  void AddRow(std::vector<Cell> cells);
  bool empty() const { return rows_.empty(); }
  void WriteTo(Terminal& terminal) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

// "name    value", one a line, the names of one width.
class FieldList {
 public:
  void Add(std::string name, std::string text, Colour colour = Colour::kPlain);
  void WriteTo(Terminal& terminal) const;

 private:
  struct Field {
    std::string name;
    Table::Cell cell;
  };
  std::vector<Field> fields_;
};

// Code points of UTF-8 text.
size_t TextColumns(std::string_view text);

// `text` filled up with spaces to `columns`.
std::string Padded(std::string_view text, size_t columns, Table::Align align = Table::Align::kLeft);

// `text` cut to `columns` code points, "…" standing for what was cut.
std::string Cut(std::string_view text, size_t columns);

}  // namespace graven::console
