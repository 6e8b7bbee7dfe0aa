#include "note/note.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/encoding.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "fmt/format.h"

namespace graven::note {
namespace {

constexpr std::string_view kSignatureMark = "\xe2\x80\x94 ";  // em dash, space
constexpr size_t kKeyIdBytes = 4;

absl::Status MalformedNote(std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("malformed note: {}", what));
}

absl::Status CheckCharacters(std::string_view text) {
  while (!text.empty()) {
    uint32_t code_point = 0;
    const size_t size = DecodeUtf8(text, &code_point);
    if (size == 0) return MalformedNote("not UTF-8");
    if (code_point < 0x20 && code_point != '\n') return MalformedNote("control character");
    text.remove_prefix(size);
  }
  return absl::OkStatus();
}

absl::StatusOr<NoteSignature> ParseSignatureLine(std::string_view line) {
  if (!line.starts_with(kSignatureMark)) return MalformedNote("a line is no signature line");
  line.remove_prefix(kSignatureMark.size());
  const size_t space = line.find(' ');
  if (space == line.npos) return MalformedNote("a signature line has no signature");
  const std::string_view name = line.substr(0, space);
  if (!IsKeyName(name)) return MalformedNote("a signature line has no key name");
  const std::optional<std::string> raw = Base64Decode(line.substr(space + 1));
  if (!raw || raw->size() <= kKeyIdBytes)
    return MalformedNote("a signature is not base64 or too short");
  NoteSignature signature;
  signature.name = name;
  for (size_t i = 0; i < kKeyIdBytes; ++i) {
    signature.key_id = signature.key_id << 8 | static_cast<uint8_t>((*raw)[i]);
  }
  signature.signature = raw->substr(kKeyIdBytes);
  return signature;
}

// Fills `signatures` from the lines of the block, which all end in a line feed.
absl::Status ParseSignatures(std::string_view block, std::vector<NoteSignature>* signatures) {
  if (block.empty()) return MalformedNote("no signature");
  if (!block.ends_with('\n')) return MalformedNote("the last signature line does not end");
  while (!block.empty()) {
    if (signatures->size() == kNoteSignaturesMax) {
      return MalformedNote(fmt::format("more than {} signatures", kNoteSignaturesMax));
    }
    const size_t end = block.find('\n');
    ASSIGN_OR_RETURN(NoteSignature signature, ParseSignatureLine(block.substr(0, end)));
    signatures->push_back(std::move(signature));
    block.remove_prefix(end + 1);
  }
  return absl::OkStatus();
}

// What OpenNote does, but for asking whether anybody known signed.
absl::StatusOr<Note> TakeApart(std::string_view note, std::span<const VerifierKey> keys) {
  if (note.size() > kNoteBytesMax) {
    return MalformedNote(fmt::format("{} bytes; at most {}", note.size(), kNoteBytesMax));
  }
  RETURN_IF_ERROR(CheckCharacters(note));
  // The last one: a text may have blank lines of its own.
  const size_t split = note.rfind("\n\n");
  if (split == note.npos) return MalformedNote("no blank line before the signatures");
  Note opened;
  opened.text = note.substr(0, split + 1);
  std::vector<NoteSignature> signatures;
  RETURN_IF_ERROR(ParseSignatures(note.substr(split + 2), &signatures));

  std::set<std::pair<std::string, uint32_t>> seen;
  for (NoteSignature& signature : signatures) {
    const auto key = std::find_if(keys.begin(), keys.end(), [&](const VerifierKey& candidate) {
      return candidate.key_id() == signature.key_id && candidate.name() == signature.name;
    });
    if (key == keys.end()) {
      if (std::find(opened.unknown.begin(), opened.unknown.end(), signature) ==
          opened.unknown.end()) {
        opened.unknown.push_back(std::move(signature));
      }
      continue;
    }
    if (!seen.emplace(signature.name, signature.key_id).second) continue;
    if (!key->Verifies(opened.text, signature.signature)) {
      return absl::DataLossError(
          fmt::format("the signature of {} does not verify", SafeText(signature.name)));
    }
    opened.verified.push_back(std::move(signature));
  }
  return opened;
}

}  // namespace

absl::Status CheckNoteText(std::string_view text) {
  if (text.empty() || !text.ends_with('\n')) {
    return MalformedNote("the text is empty or does not end in a line feed");
  }
  if (text.size() > kNoteBytesMax) {
    return MalformedNote(fmt::format("{} bytes; at most {}", text.size(), kNoteBytesMax));
  }
  return CheckCharacters(text);
}

absl::StatusOr<Note> OpenNote(std::string_view note, std::span<const VerifierKey> keys) {
  ASSIGN_OR_RETURN(Note opened, TakeApart(note, keys));
  if (opened.verified.empty()) {
    return absl::UnauthenticatedError("none of the known keys signed the note");
  }
  return opened;
}

absl::StatusOr<Note> ParseNote(std::string_view note) { return TakeApart(note, {}); }

absl::StatusOr<std::string> SignNote(std::string_view text, const SignerKey& key) {
  RETURN_IF_ERROR(CheckNoteText(text));
  if (key.type() != KeyType::kEd25519) {
    return absl::InvalidArgumentError("key: a cosigner's key does not sign notes of its own");
  }
  return fmt::format(
      "{}\n{}", text,
      FormatSignatureLine({key.name(), key.verifier().key_id(), key.SignMessage(text)}));
}

std::string FormatSignatureLine(const NoteSignature& signature) {
  std::string raw;
  for (int shift = 24; shift >= 0; shift -= 8) {
    raw += static_cast<char>(signature.key_id >> shift);
  }
  raw += signature.signature;
  return fmt::format("{}{} {}\n", kSignatureMark, signature.name, Base64Encode(raw));
}

}  // namespace graven::note
