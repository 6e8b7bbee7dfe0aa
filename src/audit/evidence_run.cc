#include "audit/verify_run.h"
#include "base/absl_views.h"
#include "base/text_safety.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "verify/evidence.h"

namespace graven::audit {
using console::Colour;
using console::CommandContext;
using console::CommandResult;
using console::ExitCode;
using console::Terminal;
using console::Unreachable;

namespace {

std::string_view WhoseWord(const verify::JudgedEvidence& judged) {
  if (judged.signed_by_log) return "The log's own signatures prove it.";
  switch (judged.verdict) {
    case verify::EvidenceVerdict::kWithheld:
      return "That it does not show that tree is the word of whoever made the file: ask for it.";
    case verify::EvidenceVerdict::kNothing:
      return "";
    default:
      return "That the log answered so is the word of whoever made the file: answers are not "
             "signed.";
  }
}

}  // namespace

CommandResult VerifyEvidence(CommandContext& context, const std::string& path,
                             const std::optional<note::VerifierKey>& key) {
  const auto text = io::ReadWholeFile(io::PosixFileSystem(), path, verify::kEvidenceBytesMax);
  if (!text.ok()) return Unreachable(path, text.status());
  const auto evidence = verify::ParseEvidence(*text);
  if (!evidence.ok()) return evidence.status();
  const verify::JudgedEvidence judged = verify::JudgeEvidence(*evidence, key);
  const bool shown = judged.verdict != verify::EvidenceVerdict::kNothing;
  const ExitCode code = shown ? ExitCode::kDone : ExitCode::kNo;
  if (context.json()) {
    context.PrintJson({{"verdict", verify::VerdictName(judged.verdict)},
                       {"signed_by_log", judged.signed_by_log},
                       {"trust", key ? "KEY_PINNED" : "SELF_CONSISTENT"},
                       {"origin", judged.origin},
                       {"because", judged.because},
                       {"found_at_unix_seconds", evidence->found_s},
                       {"said", evidence->said}});
    return code;
  }
  Terminal& out = context.out();
  out.Line(out.Paint(shown ? Colour::kRed : Colour::kYellow,
                     fmt::format("{}  {}: {}", verify::VerdictName(judged.verdict),
                                 SafeText(judged.origin), SafeText(judged.because))));
  if (const std::string_view word = WhoseWord(judged); !word.empty())
    out.Line(fmt::format("  {}", word));
  out.Line(fmt::format("  its maker says: {}", SafeText(evidence->said)));
  if (!key) out.Line("  key not pinned: the file names its own; give the log's with --key");
  return code;
}

}  // namespace graven::audit
