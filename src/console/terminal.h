#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace graven::console {

enum class Colour { kPlain, kGreen, kRed, kYellow, kDim, kBold };

// Where a command writes: standard output or standard error, and what is on the other end. One
// thread. Colours only on a terminal, and never with NO_COLOR or TERM=dumb.
class Terminal {
 public:
  // `stream` stays open as long as the object.
  explicit Terminal(std::FILE* stream);
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void Write(std::string_view bytes);
  void Line(std::string_view text);
  // Hands everything to the stream. kUnavailable when something could not be written: the disk is
  // full, or the reader went away.
  absl::Status Finish();

  // `text` in a colour, or as it is. `text` is safe to show: SafeText is the caller's.
  std::string Paint(Colour colour, std::string_view text) const;

  bool is_terminal() const { return is_terminal_; }
  bool speaks_utf8() const { return speaks_utf8_; }
  // Columns of the terminal; 0 when there is none.
  size_t columns() const;

 private:
  std::FILE* const stream_;
  const bool is_terminal_;
  const bool has_colours_;
  const bool speaks_utf8_;
  bool failed_ = false;
};

// One line on a terminal that says how far a long piece of work is: done, rate, time left. Says
// nothing in the first second, nor when `terminal` is none.
class ProgressLine {
 public:
  enum class Unit { kEvents, kBytes };

  // `total` 0: not known.
  ProgressLine(Terminal& terminal, std::string what, Unit unit, uint64_t total);
  // Removes the line.
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // Cheap: draws at most five times a second.
  void Update(uint64_t done);
  void SetTotal(uint64_t total) { total_ = total; }

 private:
  void Draw(uint64_t done, int64_t now_ns);

  Terminal& terminal_;
  const std::string what_;
  const Unit unit_;
  uint64_t total_;
  const int64_t started_ns_;
  int64_t drawn_ns_ = 0;
};

// "1,234,567".
std::string CountText(uint64_t count);
// "1.2 GiB".
std::string BytesText(uint64_t bytes);
// "4.2 s", "3 min 20 s", "2 h 5 min".
std::string DurationText(double seconds);

}  // namespace graven::console
