#include "console/table.h"

#include <algorithm>

#include "base/check.h"

namespace graven::console {
namespace {

bool StartsCodePoint(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

}  // namespace

size_t TextColumns(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), StartsCodePoint));
}

std::string Padded(std::string_view text, size_t columns, Table::Align align) {
  const size_t used = TextColumns(text);
  const std::string fill(used < columns ? columns - used : 0, ' ');
  return align == Table::Align::kLeft ? std::string(text) + fill : fill + std::string(text);
}

std::string Cut(std::string_view text, size_t columns) {
  if (TextColumns(text) <= columns) return std::string(text);
  size_t kept = 0;
  size_t seen = 0;
  for (; kept < text.size(); ++kept) {
    if (StartsCodePoint(text[kept]) && seen++ + 1 >= columns) break;
  }
  return std::string(text.substr(0, kept)) + "…";
}

void Table::AddRow(std::vector<Cell> cells) {
  GRAVEN_CHECK(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

void Table::WriteTo(Terminal& terminal) const {
  std::vector<size_t> widths;
  for (size_t c = 0; c < columns_.size(); ++c) {
    size_t width = TextColumns(columns_[c].title);
    for (const auto& row : rows_) width = std::max(width, TextColumns(row[c].text));
    widths.push_back(width);
  }
  const auto write_row = [&](const auto& cell_of) {
    std::string line;
    size_t used = 0;
    for (size_t c = 0; c < columns_.size(); ++c) {
      const bool last = c + 1 == columns_.size();
      const Cell cell = cell_of(c);
      std::string text = cell.text;
      if (last && terminal.columns() > used + 8) text = Cut(text, terminal.columns() - used);
      if (!last || columns_[c].align == Align::kRight) {
        text = Padded(text, widths[c], columns_[c].align);
      }
      line += terminal.Paint(cell.colour, text);
      if (!last) line += "  ";
      used += widths[c] + 2;
    }
    terminal.Line(line);
  };
  write_row([&](size_t c) { return Cell{columns_[c].title, Colour::kBold}; });
  for (const auto& row : rows_) {
    write_row([&row](size_t c) { return row[c]; });
  }
}

void FieldList::Add(std::string name, std::string text, Colour colour) {
  fields_.push_back({std::move(name), {std::move(text), colour}});
}

void FieldList::WriteTo(Terminal& terminal) const {
  size_t width = 0;
  for (const Field& field : fields_) width = std::max(width, TextColumns(field.name));
  for (const Field& field : fields_) {
    terminal.Line(terminal.Paint(Colour::kDim, Padded(field.name, width)) + "  " +
                  terminal.Paint(field.cell.colour, field.cell.text));
  }
}

}  // namespace graven::console
