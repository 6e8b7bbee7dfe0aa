#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// How text is compared: NFKC with case folded and what is invisible left out (NFKC_Casefold of
// Unicode, by utf8proc), words split at what is neither letter, digit nor mark.
namespace graven::query {

// The version of Unicode that utf8proc knows, "15.0.0". Part of an index's version: words of
// another one may split elsewhere.
std::string_view UnicodeVersion();

// Writes the folded form of `text` into `out`, replacing what was there. Bytes that are not UTF-8
// (records hold none) stay as they are.
void Fold(std::string_view text, std::string* out);

// The next word of a folded text at or after `*at`, which moves behind it; "" when there is none.
std::string_view NextWord(std::string_view folded, size_t* at);

std::vector<std::string> WordsOf(std::string_view folded);

// Whether a word goes on across the border before byte `at`.
bool InsideWord(std::string_view folded, size_t at);

// For each beginning of `pattern`, the length of its longest border: what it begins with and ends
// with, short of all of it. Who looks for the pattern in a text (Knuth, Morris and Pratt) goes on
// from there after a mismatch and reads no byte or word of the text twice: no text that is made up
// to resemble the pattern costs more than its length.
template <typename Pattern>
std::vector<uint32_t> BordersOf(const Pattern& pattern) {
  std::vector<uint32_t> borders(pattern.size(), 0);
  uint32_t border = 0;
  for (size_t i = 1; i < pattern.size(); ++i) {
    while (border > 0 && pattern[i] != pattern[border]) border = borders[border - 1];
    if (pattern[i] == pattern[border]) ++border;
    borders[i] = border;
  }
  return borders;
}

// Fold and NextWord at once, for each text of a record. `scratch` is the caller's; the words are
// views into it.
template <typename Take>
void EachFoldedWord(std::string_view text, std::string* scratch, Take take) {
  Fold(text, scratch);
  size_t at = 0;
  std::string_view word;
  while (!(word = NextWord(*scratch, &at)).empty()) take(word);
}

}  // namespace graven::query
