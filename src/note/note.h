#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "note/keys.h"

// Signed notes (C2SP signed-note): a text that ends in a line feed, a blank line, and one line for
// each signature. Pure: no I/O, no clock; any thread.
namespace graven::note {

inline constexpr size_t kNoteBytesMax = 1'000'000;
inline constexpr size_t kNoteSignaturesMax = 100;

// One signature line.
struct NoteSignature {
  std::string name;
  uint32_t key_id = 0;
  // What follows the key id; its form depends on the key's type.
  std::string signature;

  bool operator==(const NoteSignature&) const = default;
};

struct Note {
  // What is signed; ends in a line feed.
  std::string text;
  // Each key's first signature, in the note's order.
  std::vector<NoteSignature> verified;
  // Lines of keys that were not given, each once. Nothing is known about them.
  std::vector<NoteSignature> unknown;
};

// Takes a note apart; every signature is `unknown`. kInvalidArgument: malformed, larger than
// kNoteBytesMax, or with more than kNoteSignaturesMax signatures.
absl::StatusOr<Note> ParseNote(std::string_view note);

// Takes a note apart and verifies it: at least one of `keys` signed it, and no line of a known key
// is wrong. kInvalidArgument: as ParseNote. kDataLoss: the signature of a known key does not
// verify. kUnauthenticated: none of `keys` signed it.
absl::StatusOr<Note> OpenNote(std::string_view note, std::span<const VerifierKey> keys);

// Signs `text`; the same bytes every time. kInvalidArgument: the text cannot be a note's, or the
// key is no log key (type 0x01).
absl::StatusOr<std::string> SignNote(std::string_view text, const SignerKey& key);

// "— <name> <base64>" and a line feed.
std::string FormatSignatureLine(const NoteSignature& signature);

// OK when `text` can be a note's text: UTF-8 without control characters but line feeds, not empty,
// ends in a line feed. kInvalidArgument.
absl::Status CheckNoteText(std::string_view text);

}  // namespace graven::note
