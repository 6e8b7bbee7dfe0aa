#include "witness/add_checkpoint.h"

#include <optional>

#include "base/check.h"
#include "base/encoding.h"
#include "fmt/format.h"

namespace graven::witness {
namespace {

constexpr std::string_view kOld = "old ";

absl::Status Malformed(size_t line, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("request: line {}: {}", line, what));
}

}  // namespace

std::string FormatAddCheckpoint(const AddCheckpoint& request) {
  GRAVEN_CHECK(request.proof.size() <= kAddCheckpointHashesMax &&
               request.old_size.value < kLogIndexLimit);
  std::string body = fmt::format("{}{}\n", kOld, request.old_size.value);
  for (const Hash& hash : request.proof) body += Base64Encode(hash) + "\n";
  body += "\n";
  return body + request.checkpoint;
}

absl::StatusOr<AddCheckpoint> ParseAddCheckpoint(std::string_view body) {
  if (body.size() > kAddCheckpointBytesMax) {
    return absl::InvalidArgumentError(
        fmt::format("request: {} bytes; at most {}", body.size(), kAddCheckpointBytesMax));
  }
  AddCheckpoint request;
  for (size_t number = 1;; ++number) {
    const size_t end = body.find('\n');
    if (end == body.npos) return Malformed(number, "does not end in a line feed");
    const std::string_view line = body.substr(0, end);
    body.remove_prefix(end + 1);
    if (number == 1) {
      const std::optional<uint64_t> size =
          line.starts_with(kOld) ? ParseDecimal(line.substr(kOld.size())) : std::nullopt;
      if (!size || *size >= kLogIndexLimit) {
        return Malformed(number, "not of the form: old SIZE, a decimal number below 2^63");
      }
      request.old_size = TreeSize(*size);
      continue;
    }
    if (line.empty()) break;
    if (request.proof.size() == kAddCheckpointHashesMax) {
      return Malformed(number, fmt::format("more than {} hashes", kAddCheckpointHashesMax));
    }
    const std::optional<std::string> hash = Base64Decode(line);
    if (!hash || hash->size() != Hash::kSize) return Malformed(number, "no base64 of 32 bytes");
    request.proof.push_back(Hash::FromBytes(*hash));
  }
  if (body.empty()) return absl::InvalidArgumentError("request: there is no checkpoint in it");
  request.checkpoint = body;
  return request;
}

}  // namespace graven::witness
