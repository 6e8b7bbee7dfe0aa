#include "witness/submission.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/absl_views.h"
#include "base/encoding.h"
#include "base/sha256.h"
#include "base/text_safety.h"
#include "fmt/format.h"
#include "note/checkpoint.h"
#include "note/cosignature.h"
#include "note/note.h"
#include "witness/add_checkpoint.h"

namespace graven::witness {
namespace {

constexpr int kTries = 3;
constexpr int64_t kRetryAfterSMax = 600;
constexpr size_t kReplyBytesMax = 64 << 10;

class HttpDoor final : public WitnessDoor {
 public:
  absl::StatusOr<http::FetchResponse> Fetch(const http::FetchRequest& request) override {
    auto response = client_.Fetch(request);
    // A connection kept from the last time may be gone. Asking twice does no harm: what was done
    // already is answered with a conflict.
    if (absl::IsUnavailable(response.status())) response = client_.Fetch(request);
    return response;
  }
  void Cancel() override { client_.Cancel(); }

 private:
  static http::FetchOptions Options() {
    http::FetchOptions options;
    options.connect_timeout = std::chrono::seconds(3);
    options.total_timeout = std::chrono::seconds(10);
    options.body_bytes_max = kReplyBytesMax;
    return options;
  }

  http::Client client_{Options()};
};

std::string Url(const WitnessAddress& witness, std::string_view path) {
  std::string_view prefix = witness.url;
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  return fmt::format("{}/{}", prefix, path);
}

SubmissionResult Result(Verdict verdict, std::string problem) {
  SubmissionResult result;
  result.verdict = verdict;
  result.problem = std::move(problem);
  return result;
}

// The witness's line out of a 200; nothing when none verifies.
std::optional<std::string> TakeCosignature(const std::string& checkpoint, std::string_view body,
                                           const note::VerifierKey& key) {
  // A blank line would make another text of what we signed.
  if (body.find("\n\n") != body.npos || body.starts_with('\n')) return std::nullopt;
  const auto note = note::OpenNote(checkpoint + std::string(body), std::span(&key, 1));
  if (!note.ok()) return std::nullopt;
  for (const note::NoteSignature& signature : note->verified) {
    const auto cosignature = note::DecodeCosignature(signature.signature);
    if (cosignature.ok() && cosignature->time_s > 0) return note::FormatSignatureLine(signature);
  }
  return std::nullopt;
}

// The size in a 409.
std::optional<TreeSize> SizeOf(const http::FetchResponse& response) {
  if (!response.Header("content-type").starts_with(kSizeContentType)) return std::nullopt;
  std::string_view body = response.body;
  if (body.ends_with('\n')) body.remove_suffix(1);
  const std::optional<uint64_t> size = ParseDecimal(body);
  if (!size || *size >= kLogIndexLimit) return std::nullopt;
  return TreeSize(*size);
}

// What is left after 200 and the conflicts.
SubmissionResult OtherStatus(const http::FetchResponse& response) {
  const std::string said = SafeText(response.body, 80);
  switch (response.status) {
    case 400:
      return Result(Verdict::kRefused, fmt::format("calls the request malformed: {}", said));
    case 403:
      return Result(Verdict::kRefused, "does not trust the log's key (403)");
    case 404:
      return Result(Verdict::kRefused, "does not know the log (404); register it there");
    default:
      break;
  }
  SubmissionResult result =
      Result(Verdict::kUnreached, fmt::format("answered {}: {}", response.status, said));
  const std::optional<uint64_t> wait = ParseDecimal(response.Header("retry-after"));
  if (wait) {
    result.retry_after_s = static_cast<int64_t>(std::min<uint64_t>(*wait, kRetryAfterSMax));
  }
  return result;
}

// It claims to have seen something that is not of our tree.
SubmissionResult Contradiction(WitnessDoor& door, const WitnessAddress& witness, FedLogs& logs,
                               uint32_t log, std::string problem) {
  if (LookAtShown(door, witness, logs, log) == Shown::kStopped) {
    return Result(Verdict::kStopped, std::move(problem));
  }
  return Result(Verdict::kSuspect, problem + ", and shows no checkpoint that would prove it");
}

}  // namespace

std::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kCosigned:
      return "cosigned";
    case Verdict::kAhead:
      return "ahead";
    case Verdict::kRefused:
      return "refused";
    case Verdict::kSuspect:
      return "suspect";
    case Verdict::kUnreached:
      return "unreached";
    case Verdict::kStopped:
      return "stopped";
  }
  return "";
}

std::unique_ptr<WitnessDoor> MakeHttpDoor() { return std::make_unique<HttpDoor>(); }

SubmissionResult Submit(WitnessDoor& door, const WitnessAddress& witness, FedLogs& logs,
                        uint32_t log, const SignedState& target, TreeSize* known_size) {
  bool learnt_anew = false;
  for (int tries = 0; tries < kTries; ++tries) {
    if (*known_size > target.size) return Result(Verdict::kAhead, "has cosigned a larger tree");
    AddCheckpoint request{*known_size, {}, target.checkpoint};
    if (known_size->value != 0) {
      auto proof = logs.ConsistencyProof(log, *known_size, target.size);
      if (!proof.ok()) {
        return Result(Verdict::kUnreached,
                      fmt::format("no proof for it: {}", ToStd(proof.status().message())));
      }
      request.proof = *std::move(proof);
    }
    const auto response = door.Fetch({"POST",
                                      Url(witness, "add-checkpoint"),
                                      {{"Content-Type", "text/plain; charset=utf-8"}},
                                      FormatAddCheckpoint(request)});
    if (!response.ok()) {
      return Result(Verdict::kUnreached, std::string(ToStd(response.status().message())));
    }
    if (response->status == 200) {
      auto line = TakeCosignature(target.checkpoint, response->body, witness.key);
      if (!line) {
        return Result(Verdict::kSuspect, "answered 200 without a valid signature of its key");
      }
      *known_size = target.size;
      SubmissionResult result = Result(Verdict::kCosigned, "");
      result.line = *std::move(line);
      return result;
    }
    const std::optional<TreeSize> size = response->status == 409 ? SizeOf(*response) : std::nullopt;
    if (size && *size <= logs.NewestSize(log)) {
      *known_size = *size;
      continue;
    }
    if (size) {
      return Contradiction(door, witness, logs, log,
                           fmt::format("says that it has cosigned a tree of {} records, and {} are "
                                       "signed here",
                                       size->value, logs.NewestSize(log).value));
    }
    // Some older ones say 409 without a size where the roots differ.
    if (response->status != 422 && response->status != 409) return OtherStatus(*response);
    if (known_size->value != 0 && !learnt_anew) {
      // Perhaps only our memory of its size is wrong: it tells with a conflict.
      learnt_anew = true;
      *known_size = TreeSize(0);
      continue;
    }
    return Contradiction(door, witness, logs, log,
                         fmt::format("says that this tree does not continue the one that it saw "
                                     "({})",
                                     response->status));
  }
  return Result(Verdict::kSuspect, "names another size each time that it is asked");
}

Shown LookAtShown(WitnessDoor& door, const WitnessAddress& witness, FedLogs& logs, uint32_t log) {
  const note::VerifierKey key = logs.Key(log);
  const auto response =
      door.Fetch({"GET", Url(witness, HexEncode(Sha256(key.name())) + "/checkpoint"), {}, ""});
  if (!response.ok()) return Shown::kNoAnswer;
  if (response->status != 200) return Shown::kNothing;
  // Only our own signature proves anything; that of the witness is not even looked at.
  const auto shown = note::OpenCheckpoint(response->body, key);
  if (!shown.ok()) return Shown::kNothing;
  const TreeSize newest = logs.NewestSize(log);
  std::string what;
  if (shown->size > newest) {
    what = fmt::format("of {} records, and only {} were signed as far as is known here",
                       shown->size.value, newest.value);
  } else {
    const auto root = logs.RootAt(log, shown->size);
    if (!root.ok() || *root == shown->root) return Shown::kNothing;
    what = fmt::format("of {} records with another root than the tree here has", shown->size.value);
  }
  logs.StopSigning(fmt::format(
      "witness {} shows a checkpoint of {} with our own valid signature {}: this folder was rolled "
      "back or changed, so nothing more is signed and no events are taken. Keep the folder as it "
      "is, fetch {} as evidence, and restore the newest copy of data and guard together",
      SafeText(witness.name), SafeText(key.name()), what,
      Url(witness, HexEncode(Sha256(key.name())) + "/checkpoint")));
  return Shown::kStopped;
}

}  // namespace graven::witness
