#include "console/table.h"

#include <cstdio>
#include <string>

#include "console/terminal.h"
#include "gtest/gtest.h"

namespace graven::console {
namespace {

// What `write` writes to a stream that is no terminal.
template <typename Write>
std::string Written(Write write) {
  std::FILE* file = std::tmpfile();
  {
    Terminal terminal(file);
    write(terminal);
    EXPECT_TRUE(terminal.Finish().ok());
  }
  std::rewind(file);
  std::string text(4096, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
}

TEST(Table, ColumnsAreAsWideAsTheirWidestCell) {
  Table table({{"LOG"}, {"RECORDS", Table::Align::kRight}, {"STATE"}});
  table.AddRow({{"default"}, {"12,345"}, {"active", Colour::kGreen}});
  table.AddRow({{"é"}, {"7"}, {"READ-ONLY", Colour::kRed}});
  EXPECT_EQ(Written([&](Terminal& terminal) { table.WriteTo(terminal); }),
            "LOG      RECORDS  STATE\n"
            "default   12,345  active\n"
            "é              7  READ-ONLY\n");
}

TEST(Table, NothingButATerminalGetsColours) {
  FieldList fields;
  fields.Add("state", "serving", Colour::kGreen);
  fields.Add("a", "b");
  EXPECT_EQ(Written([&](Terminal& terminal) { fields.WriteTo(terminal); }),
            "state  serving\na      b\n");
}

TEST(Table, CutCountsCodePointsAndKeepsThemWhole) {
  EXPECT_EQ(Cut("äöü", 3), "äöü");
  EXPECT_EQ(Cut("äöüß", 3), "äö…");
  EXPECT_EQ(Cut("abcdef", 1), "…");
  EXPECT_EQ(Padded("ä", 3), "ä  ");
  EXPECT_EQ(Padded("ä", 3, Table::Align::kRight), "  ä");
}

TEST(Terminal, AWriteThatFailsIsSaid) {
  std::FILE* full = std::fopen("/dev/full", "w");
  ASSERT_NE(full, nullptr);
  Terminal terminal(full);
  terminal.Line("lost");
  EXPECT_EQ(terminal.Finish().code(), absl::StatusCode::kUnavailable);
  std::fclose(full);
}

TEST(Terminal, ProgressSaysNothingWhereNobodyLooks) {
  EXPECT_EQ(Written([](Terminal& terminal) {
              ProgressLine progress(terminal, "read", ProgressLine::Unit::kBytes, 10);
              progress.Update(5);
            }),
            "");
}

TEST(Terminal, NumbersForPeople) {
  EXPECT_EQ(CountText(0), "0");
  EXPECT_EQ(CountText(999), "999");
  EXPECT_EQ(CountText(1000), "1,000");
  EXPECT_EQ(CountText(1234567), "1,234,567");
  EXPECT_EQ(BytesText(1023), "1023 B");
  EXPECT_EQ(BytesText(1536), "1.5 KiB");
  EXPECT_EQ(BytesText(uint64_t{5} << 30), "5.0 GiB");
  EXPECT_EQ(DurationText(4.25), "4.2 s");
  EXPECT_EQ(DurationText(200), "3 min 20 s");
  EXPECT_EQ(DurationText(7500), "2 h 5 min");
}

}  // namespace
}  // namespace graven::console
