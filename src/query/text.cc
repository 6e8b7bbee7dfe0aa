#include "query/text.h"

#include <utf8proc.h>

#include <cstdlib>

#include "record/utf8.h"

namespace graven::query {
namespace {

constexpr auto kFolding = static_cast<utf8proc_option_t>(
    UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE);

bool IsAsciiWordByte(uint8_t c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
}

bool IsWordCharacter(utf8proc_int32_t character) {
  if (character < 0x80) return IsAsciiWordByte(static_cast<uint8_t>(character));
  const utf8proc_category_t category = utf8proc_category(character);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}

// Whether the character at `at` belongs to a word; `*size` gets its bytes. A byte that begins no
// character is a separator.
bool WordCharacterAt(std::string_view text, size_t at, size_t* size) {
  const auto first = static_cast<uint8_t>(text[at]);
  *size = 1;
  if (first < 0x80) return IsAsciiWordByte(first);
  utf8proc_int32_t character;
  const utf8proc_ssize_t taken =
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
                       static_cast<utf8proc_ssize_t>(text.size() - at), &character);
  if (taken <= 0) return false;
  *size = static_cast<size_t>(taken);
  return IsWordCharacter(character);
}

void LowerAscii(std::string_view text, std::string* out) {
  out->resize(text.size());
  char* to = out->data();
  for (const char c : text) *to++ = static_cast<char>(c + (c >= 'A' && c <= 'Z' ? 'a' - 'A' : 0));
}

}  // namespace

std::string_view UnicodeVersion() { return utf8proc_unicode_version(); }

void Fold(std::string_view text, std::string* out) {
  if (record::IsAscii(text)) {
    LowerAscii(text, out);
    return;
  }
  utf8proc_uint8_t* folded = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &folded, kFolding);
  if (size < 0) {
    LowerAscii(text, out);
  } else {
    out->assign(reinterpret_cast<const char*>(folded), static_cast<size_t>(size));
  }
  std::free(folded);
}

std::string_view NextWord(std::string_view folded, size_t* at) {
  size_t size = 0;
  size_t begin = *at;
  while (begin < folded.size() && !WordCharacterAt(folded, begin, &size)) begin += size;
  size_t end = begin;
  while (end < folded.size() && WordCharacterAt(folded, end, &size)) end += size;
  *at = end;
  return folded.substr(begin, end - begin);
}

std::vector<std::string> WordsOf(std::string_view folded) {
  std::vector<std::string> words;
  size_t at = 0;
  std::string_view word;
  while (!(word = NextWord(folded, &at)).empty()) words.emplace_back(word);
  return words;
}

bool InsideWord(std::string_view folded, size_t at) {
  if (at == 0 || at >= folded.size()) return false;
  size_t before = at - 1;
  while (before > 0 && (static_cast<uint8_t>(folded[before]) & 0xC0) == 0x80) --before;
  size_t size;
  return WordCharacterAt(folded, before, &size) && before + size == at &&
         WordCharacterAt(folded, at, &size);
}

}  // namespace graven::query
