#include "note/checkpoint.h"

#include <utility>

#include "base/check.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "fmt/format.h"
#include "note/note.h"

namespace graven::note {
namespace {

absl::Status MalformedCheckpoint(std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("malformed checkpoint: {}", what));
}

}  // namespace

absl::Status CheckOrigin(std::string_view origin) {
  if (origin.empty()) return absl::InvalidArgumentError("origin: empty");
  if (origin.size() > kKeyNameBytesMax) {
    return absl::InvalidArgumentError(
        fmt::format("origin: {} bytes; at most {}", origin.size(), kKeyNameBytesMax));
  }
  if (!IsKeyName(origin)) {
    return absl::InvalidArgumentError(
        "origin: must be UTF-8 without white space, control characters and '+'");
  }
  return absl::OkStatus();
}

std::string FormatCheckpoint(const Checkpoint& checkpoint) {
  GRAVEN_CHECK(checkpoint.size.value < kLogIndexLimit && !checkpoint.origin.empty());
  std::string text = fmt::format("{}\n{}\n{}\n", checkpoint.origin, checkpoint.size.value,
                                 Base64Encode(checkpoint.root));
  for (const std::string& line : checkpoint.extensions) text += line + "\n";
  return text;
}

absl::StatusOr<Checkpoint> ParseCheckpoint(std::string_view text) {
  RETURN_IF_ERROR(CheckNoteText(text));
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (lines.back().empty()) return MalformedCheckpoint("empty line");
    text.remove_prefix(end + 1);
  }
  if (lines.size() < 3) return MalformedCheckpoint("fewer than three lines");
  Checkpoint checkpoint;
  checkpoint.origin = lines[0];
  const std::optional<uint64_t> size = ParseDecimal(lines[1]);
  if (!size || *size >= kLogIndexLimit) {
    return MalformedCheckpoint("the size is not a canonical decimal number below 2^63");
  }
  checkpoint.size = TreeSize(*size);
  const std::optional<std::string> root = Base64Decode(lines[2]);
  if (!root || root->size() != Hash::kSize)
    return MalformedCheckpoint("the root is not base64 of 32 bytes");
  checkpoint.root = Hash::FromBytes(*root);
  checkpoint.extensions.assign(lines.begin() + 3, lines.end());
  return checkpoint;
}

absl::StatusOr<std::string> SignCheckpoint(const Checkpoint& checkpoint, const SignerKey& key) {
  RETURN_IF_ERROR(CheckOrigin(checkpoint.origin));
  if (checkpoint.origin != key.name()) {
    return absl::InvalidArgumentError("origin: is not the name of the key that is to sign");
  }
  return SignNote(FormatCheckpoint(checkpoint), key);
}

absl::StatusOr<Checkpoint> OpenCheckpoint(std::string_view note, const VerifierKey& key) {
  ASSIGN_OR_RETURN(const Note opened, OpenNote(note, std::span(&key, 1)));
  ASSIGN_OR_RETURN(Checkpoint checkpoint, ParseCheckpoint(opened.text));
  if (checkpoint.origin != key.name()) {
    return absl::InvalidArgumentError(fmt::format("the checkpoint is of the log {}, the key of {}",
                                                  SafeText(checkpoint.origin),
                                                  SafeText(key.name())));
  }
  return checkpoint;
}

}  // namespace graven::note
