#include "import/importer.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "base/absl_views.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "import/converter.h"
#include "import/json_elements.h"
#include "import/text_source.h"
#include "record/body_check.h"

namespace graven::import {
namespace {

constexpr uint64_t kProgressBytes = uint64_t{1} << 20;

struct FormatRow {
  Format format;
  std::string_view name;
};
constexpr FormatRow kFormats[] = {
    {Format::kCloudTrail, "cloudtrail"},
    {Format::kK8sAudit, "k8s-audit"},
    {Format::kDpkg, "dpkg"},
    {Format::kJsonLines, "jsonl"},
};

absl::StatusOr<std::unique_ptr<Converter>> MakeConverter(const ImportOptions& options) {
  switch (options.format) {
    case Format::kCloudTrail:
      return MakeCloudTrailConverter();
    case Format::kK8sAudit:
      return MakeK8sAuditConverter();
    case Format::kDpkg:
      return MakeDpkgConverter(options);
    case Format::kJsonLines:
      return MakeJsonLinesConverter();
  }
  GRAVEN_CHECK(false);
}

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

// A message that names the file; the code stays.
absl::Status InFile(std::string_view path, const absl::Status& status) {
  return {status.code(), ToAbsl(fmt::format("{}: {}", path, ToStd(status.message())))};
}

// One import: the files one after the other through one converter.
class ImportRun {
 public:
  ImportRun(const ImportOptions& options, const ImportCallbacks& callbacks, ImportCounts* counts,
            std::unique_ptr<Converter> converter, uint64_t bytes_total)
      : options_(options),
        callbacks_(callbacks),
        counts_(*counts),
        converter_(std::move(converter)),
        bytes_total_(bytes_total) {}

  // Reads one file. `file_bytes` is what it takes on the disk.
  absl::Status File(std::string_view path, uint64_t file_bytes, TextSource& source) {
    path_ = path;
    converter_->StartFile();
    LineReader lines(source);
    RETURN_IF_ERROR(options_.format == Format::kCloudTrail ? Whole("", "Records", file_bytes, lines)
                    : options_.format == Format::kK8sAudit ? K8sAudit(file_bytes, source, lines)
                                                           : Lines(source, lines));
    bytes_before_ += std::max(file_bytes, source.bytes_done());
    Progress(0, true);
    return absl::OkStatus();
  }

 private:
  absl::Status Lines(TextSource& source, LineReader& lines) {
    std::string_view line;
    for (uint64_t number = 1;; ++number) {
      ASSIGN_OR_RETURN(bool more, NextLine(lines, number, &line));
      if (!more) return absl::OkStatus();
      if (lines.unfinished() && converter_->CutLineLooksWhole() && source.may_grow()) {
        return LeaveForLater(number);
      }
      if (!IsBlank(line)) RETURN_IF_ERROR(Take(line, number, "line"));
      Progress(source.bytes_done(), false);
    }
  }

  // What is being written at this moment would be recorded cut, and once more when it is whole.
  absl::Status LeaveForLater(uint64_t number) {
    ++counts_.unfinished;
    if (callbacks_.on_unfinished) callbacks_.on_unfinished(path_, number);
    return absl::OkStatus();
  }

  // An audit log has one event or list of events a line; a saved request of the webhook is one
  // object over many lines. The first line tells: if it is whole, so are the others.
  absl::Status K8sAudit(uint64_t file_bytes, TextSource& source, LineReader& lines) {
    std::string_view line;
    bool first = true;
    for (uint64_t number = 1;; ++number) {
      ASSIGN_OR_RETURN(bool more, NextLine(lines, number, &line));
      if (!more) return absl::OkStatus();
      if (IsBlank(line)) continue;
      JsonElements probe(line, "items");
      while (probe.Next().has_value()) continue;
      if (first && !probe.complete()) {
        return Whole(std::string(line) + "\n", "items", file_bytes, lines);
      }
      first = false;
      if (!probe.complete()) {
        RETURN_IF_ERROR(Refuse("it is not well-formed JSON", number, "line", false));
        continue;
      }
      JsonElements elements(line, "items");
      while (std::optional<std::string_view> element = elements.Next()) {
        RETURN_IF_ERROR(Take(*element, number, "line"));
      }
      Progress(source.bytes_done(), false);
    }
  }

  // Everything at once: `front`, already taken from `lines`, and the rest.
  absl::Status Whole(std::string front, std::string_view list_name, uint64_t file_bytes,
                     LineReader& lines) {
    absl::StatusOr<std::string> rest = lines.Rest();
    if (!rest.ok()) return InFile(path_, rest.status());
    std::string text = std::move(front) + *rest;
    JsonElements elements(text, list_name);
    uint64_t number = 0;
    while (std::optional<std::string_view> element = elements.Next()) {
      RETURN_IF_ERROR(Take(*element, ++number, "element"));
      Progress(static_cast<uint64_t>(static_cast<double>(file_bytes) *
                                     static_cast<double>(elements.offset()) /
                                     static_cast<double>(text.size())),
               false);
    }
    if (elements.complete()) return absl::OkStatus();
    return Refuse(fmt::format("the text is cut or is not JSON at byte {}", elements.offset()),
                  number + 1, "element", false);
  }

  absl::StatusOr<bool> NextLine(LineReader& lines, uint64_t number, std::string_view* line) {
    absl::StatusOr<bool> more = lines.Next(line);
    if (!more.ok()) {
      return InFile(path_,
                    {more.status().code(),
                     ToAbsl(fmt::format("line {}: {}", number, ToStd(more.status().message())))});
    }
    return more;
  }

  absl::Status Take(std::string_view text, uint64_t position, std::string_view place) {
    Draft draft;
    absl::Status converted = converter_->Convert(text, &draft);
    if (!converted.ok()) return Refuse(ToStd(converted.message()), position, place, false);
    if (draft.clip_texts) ClipToLimits(&draft.event);
    std::string bytes = SerializeDeterministic(draft.event);
    std::vector<record::Violation> violations = Check(bytes);
    if (draft.too_deep) {
      violations.insert(violations.begin(),
                        {"details_struct", "wire.nesting", "nests deeper than a record may"});
    }
    bool oversize = !violations.empty() && IsOversize(violations.front());
    bool digested = oversize && options_.oversize == Oversize::kDigest;
    if (digested) {
      ReplaceByDigest(text, &draft.event);
      bytes = SerializeDeterministic(draft.event);
      violations = Check(bytes);
    }
    if (!violations.empty()) return Refuse(Reason(violations.front()), position, place, oversize);
    RETURN_IF_ERROR(callbacks_.on_event({.event_id = draft.event.event_id(),
                                         .bytes = bytes,
                                         .path = path_,
                                         .position = position,
                                         .digested = digested}));
    ++counts_.events;
    counts_.digested += digested ? 1 : 0;
    return absl::OkStatus();
  }

  std::vector<record::Violation> Check(std::string_view bytes) const {
    std::vector<record::Violation> violations;
    record::EventFacts facts;
    record::CheckBody(record::BodyKind::kEvent, bytes, options_.rules, &facts, &violations);
    return violations;
  }

  static bool IsOversize(const record::Violation& violation) {
    return violation.rule == "body.bytes" || violation.rule == "wire.nesting";
  }

  static std::string Reason(const record::Violation& violation) {
    std::string field = violation.field.empty() ? "the event" : violation.field;
    return fmt::format("{} {}", field, violation.description);
  }

  // Counts a refusal and tells it: to the callback, or as the error that ends the import, not both.
  // What is oversize never ends it: it was asked to be refused.
  absl::Status Refuse(std::string_view reason, uint64_t position, std::string_view place,
                      bool oversize) {
    ++counts_.refused;
    counts_.oversize_refused += oversize ? 1 : 0;
    if (!oversize && options_.bad_input == BadInput::kStop) {
      return InFile(path_,
                    absl::InvalidArgumentError(fmt::format("{} {}: {}", place, position, reason)));
    }
    if (callbacks_.on_refused) {
      callbacks_.on_refused(
          {.path = path_, .position = position, .place = place, .reason = reason});
    }
    return absl::OkStatus();
  }

  void Progress(uint64_t bytes_of_file, bool always) {
    uint64_t done = bytes_before_ + bytes_of_file;
    if (!callbacks_.on_progress || (!always && done < told_ + kProgressBytes)) return;
    told_ = done;
    callbacks_.on_progress(done, bytes_total_);
  }

  const ImportOptions& options_;
  const ImportCallbacks& callbacks_;
  ImportCounts& counts_;
  std::unique_ptr<Converter> converter_;
  uint64_t bytes_total_;
  uint64_t bytes_before_ = 0;  // of the files already read
  uint64_t told_ = 0;
  std::string_view path_;
};

}  // namespace

std::optional<Format> ParseFormat(std::string_view name) {
  for (const FormatRow& row : kFormats) {
    if (row.name == name) return row.format;
  }
  return std::nullopt;
}

std::string_view FormatName(Format format) {
  for (const FormatRow& row : kFormats) {
    if (row.format == format) return row.name;
  }
  return "";
}

absl::Status ImportFiles(const ImportOptions& options, std::span<const std::string> paths,
                         const ImportCallbacks& callbacks, ImportCounts* counts) {
  ASSIGN_OR_RETURN(std::unique_ptr<Converter> converter, MakeConverter(options));
  uint64_t bytes_total = 0;
  for (const std::string& path : paths) bytes_total += FileBytes(path);
  ImportRun run(options, callbacks, counts, std::move(converter), bytes_total);
  for (const std::string& path : paths) {
    absl::StatusOr<std::unique_ptr<TextSource>> source = OpenFileSource(path);
    if (!source.ok()) return InFile(path, source.status());
    RETURN_IF_ERROR(run.File(path, FileBytes(path), **source));
  }
  return absl::OkStatus();
}

absl::Status ImportText(const ImportOptions& options, std::string_view path, std::string_view text,
                        const ImportCallbacks& callbacks, ImportCounts* counts) {
  ASSIGN_OR_RETURN(std::unique_ptr<Converter> converter, MakeConverter(options));
  ImportRun run(options, callbacks, counts, std::move(converter), text.size());
  std::unique_ptr<TextSource> source = OpenTextSource(text);
  return run.File(path, text.size(), *source);
}

}  // namespace graven::import
