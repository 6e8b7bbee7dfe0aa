#include "note/tlog_proof.h"

#include "base/check.h"
#include "base/encoding.h"
#include "fmt/format.h"
#include "merkle/proof.h"

namespace graven::note {
namespace {

constexpr std::string_view kFirstLine = "c2sp.org/tlog-proof@v1";
constexpr std::string_view kExtra = "extra ";
constexpr std::string_view kIndex = "index ";

absl::Status MalformedProof(std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("malformed tlog-proof: {}", what));
}

// Takes the next line, without its line feed; nothing at a text that does not end in one.
std::optional<std::string_view> TakeLine(std::string_view* text) {
  const size_t end = text->find('\n');
  if (end == text->npos) return std::nullopt;
  const std::string_view line = text->substr(0, end);
  text->remove_prefix(end + 1);
  return line;
}

}  // namespace

std::string FormatTlogProof(const TlogProof& proof) {
  GRAVEN_CHECK(proof.hashes.size() <= merkle::kProofHashesMax &&
               proof.index.value < kLogIndexLimit);
  std::string text = fmt::format("{}\n", kFirstLine);
  if (proof.extra) text += fmt::format("{}{}\n", kExtra, Base64Encode(*proof.extra));
  text += fmt::format("{}{}\n", kIndex, proof.index.value);
  for (const Hash& hash : proof.hashes) text += Base64Encode(hash) + "\n";
  text += "\n";
  return text + proof.checkpoint;
}

absl::StatusOr<TlogProof> ParseTlogProof(std::string_view text) {
  if (text.size() > kTlogProofBytesMax) {
    return MalformedProof(fmt::format("{} bytes; at most {}", text.size(), kTlogProofBytesMax));
  }
  TlogProof proof;
  std::optional<std::string_view> line = TakeLine(&text);
  if (line != kFirstLine) return MalformedProof(fmt::format("does not begin with {}", kFirstLine));
  line = TakeLine(&text);
  if (line && line->starts_with(kExtra)) {
    proof.extra = Base64Decode(line->substr(kExtra.size()));
    if (!proof.extra) return MalformedProof("the extra data is not base64");
    line = TakeLine(&text);
  }
  if (!line || !line->starts_with(kIndex)) return MalformedProof("no index line");
  const std::optional<uint64_t> index = ParseDecimal(line->substr(kIndex.size()));
  if (!index || *index >= kLogIndexLimit) {
    return MalformedProof("the index is not a canonical decimal number below 2^63");
  }
  proof.index = LogIndex(*index);
  for (line = TakeLine(&text); line && !line->empty(); line = TakeLine(&text)) {
    if (proof.hashes.size() == merkle::kProofHashesMax) {
      return MalformedProof(fmt::format("more than {} hashes", merkle::kProofHashesMax));
    }
    const std::optional<std::string> hash = Base64Decode(*line);
    if (!hash || hash->size() != Hash::kSize)
      return MalformedProof("a line is no base64 of 32 bytes");
    proof.hashes.push_back(Hash::FromBytes(*hash));
  }
  if (!line) return MalformedProof("no blank line before the checkpoint");
  if (text.empty()) return MalformedProof("no checkpoint");
  proof.checkpoint = text;
  return proof;
}

}  // namespace graven::note
