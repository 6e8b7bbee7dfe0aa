#include <fmt/format.h>

#include <charconv>

#include "io/durable_file.h"
#include "scrub/place.h"

namespace graven::scrub {
namespace {

constexpr std::string_view kTitle = "graven scrub place 1\n";
constexpr uint64_t kPlaceBytesMax = 4096;

// Takes "name number\n" off the front.
template <typename Number>
bool TakeLine(std::string_view name, std::string_view* text, Number* out) {
  if (!text->starts_with(name)) return false;
  text->remove_prefix(name.size());
  if (!text->starts_with(' ')) return false;
  text->remove_prefix(1);
  const auto read = std::from_chars(text->data(), text->data() + text->size(), *out);
  if (read.ec != std::errc()) return false;
  text->remove_prefix(static_cast<size_t>(read.ptr - text->data()));
  if (!text->starts_with('\n')) return false;
  text->remove_prefix(1);
  return true;
}

}  // namespace

std::string FormatPlace(const Place& place) {
  return fmt::format("{}journal {}\nlog {}\nfirst {}\nrounds {}\nended_ns {}\n", kTitle,
                     place.in_journal ? 1 : 0, place.log_number, place.first, place.rounds,
                     place.last_round_ended_ns);
}

Place ParsePlace(std::string_view text) {
  Place place;
  uint32_t in_journal = 0;
  if (!text.starts_with(kTitle)) return {};
  text.remove_prefix(kTitle.size());
  if (!TakeLine("journal", &text, &in_journal) || !TakeLine("log", &text, &place.log_number) ||
      !TakeLine("first", &text, &place.first) || !TakeLine("rounds", &text, &place.rounds) ||
      !TakeLine("ended_ns", &text, &place.last_round_ended_ns) || !text.empty() || in_journal > 1) {
    return {};
  }
  place.in_journal = in_journal == 1;
  return place;
}

Place ReadPlace(io::FileSystem& fs, const std::string& path) {
  const auto text = io::ReadWholeFile(fs, path, kPlaceBytesMax);
  return text.ok() ? ParsePlace(*text) : Place{};
}

}  // namespace graven::scrub
