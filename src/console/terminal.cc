#include "console/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "base/clock.h"
#include "fmt/format.h"

namespace graven::console {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

std::string_view Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

bool LocaleIsUtf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string_view value = Environment(name);
    if (value.empty()) continue;
    return value.find("UTF-8") != value.npos || value.find("utf8") != value.npos ||
           value.find("utf-8") != value.npos;
  }
  return false;
}

const char* CodeOf(Colour colour) {
  switch (colour) {
    case Colour::kPlain:
      return "";
    case Colour::kGreen:
      return "\x1b[32m";
    case Colour::kRed:
      return "\x1b[31m";
    case Colour::kYellow:
      return "\x1b[33m";
    case Colour::kDim:
      return "\x1b[2m";
    case Colour::kBold:
      return "\x1b[1m";
  }
  return "";
}

}  // namespace

Terminal::Terminal(std::FILE* stream)
    : stream_(stream),
      is_terminal_(isatty(fileno(stream)) == 1),
      has_colours_(is_terminal_ && Environment("NO_COLOR").empty() &&
                   Environment("TERM") != "dumb"),
      speaks_utf8_(LocaleIsUtf8()) {}

void Terminal::Write(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), stream_) != bytes.size()) failed_ = true;
}

void Terminal::Line(std::string_view text) {
  Write(text);
  Write("\n");
}

absl::Status Terminal::Finish() {
  if (std::fflush(stream_) != 0) failed_ = true;
  if (failed_) return absl::UnavailableError("the output could not be written whole");
  return absl::OkStatus();
}

std::string Terminal::Paint(Colour colour, std::string_view text) const {
  if (!has_colours_ || colour == Colour::kPlain || text.empty()) return std::string(text);
  return fmt::format("{}{}\x1b[0m", CodeOf(colour), text);
}

size_t Terminal::columns() const {
  winsize size{};
  if (!is_terminal_ || ioctl(fileno(stream_), TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

ProgressLine::ProgressLine(Terminal& terminal, std::string what, Unit unit, uint64_t total)
    : terminal_(terminal),
      what_(std::move(what)),
      unit_(unit),
      total_(total),
      started_ns_(SystemClock().SteadyNs()) {}

ProgressLine::~ProgressLine() {
  if (drawn_ns_ == 0) return;
  terminal_.Write("\r\x1b[K");
  (void)terminal_.Finish();
}

void ProgressLine::Update(uint64_t done) {
  if (!terminal_.is_terminal()) return;
  const int64_t now = SystemClock().SteadyNs();
  if (now - started_ns_ < kSecondNs || now - drawn_ns_ < kSecondNs / 5) return;
  Draw(done, now);
}

void ProgressLine::Draw(uint64_t done, int64_t now_ns) {
  drawn_ns_ = now_ns;
  const double seconds = static_cast<double>(now_ns - started_ns_) / kSecondNs;
  const double rate = static_cast<double>(done) / seconds;
  const bool bytes = unit_ == Unit::kBytes;
  const auto amount = [bytes](uint64_t n) { return bytes ? BytesText(n) : CountText(n); };
  std::string line = fmt::format("\r{}  {}", what_, amount(done));
  if (total_ > 0) {
    line += fmt::format(" of {} ({:.0f} %)", amount(total_), 100.0 * done / total_);
  }
  line += fmt::format("  {}/s", amount(static_cast<uint64_t>(rate)));
  if (total_ > done && rate > 0) {
    line += fmt::format("  {} left", DurationText(static_cast<double>(total_ - done) / rate));
  }
  terminal_.Write(line + "\x1b[K");
  (void)terminal_.Finish();
}

std::string CountText(uint64_t count) {
  const std::string digits = fmt::format("{}", count);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text.push_back(',');
    text.push_back(digits[i]);
  }
  return text;
}

std::string BytesText(uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double amount = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB"}) {
    unit = next;
    amount /= 1024;
    if (amount < 1024) break;
  }
  return fmt::format("{:.1f} {}", amount, unit);
}

std::string DurationText(double seconds) {
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<uint64_t>(seconds);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
}

}  // namespace graven::console
