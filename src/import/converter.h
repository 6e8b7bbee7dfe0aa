#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/hash.h"
#include "google/protobuf/struct.pb.h"
#include "graven/v1/event.pb.h"
#include "import/importer.h"
#include "record/time_text.h"

// The inside of the room: one converter for each format, and what they share. How to add a format:
// a converter here, a row in ParseFormat, MakeConverter and the table of importer.h.

namespace graven::import {

// An event on its way out.
struct Draft {
  v1::Event event;
  bool too_deep = false;    // the original nests deeper than a record may, and is not whole
  bool clip_texts = false;  // texts longer than a field holds are cut and named in a label; the
                            // original has them whole
};

// Turns one line or element into an event. One for each import; told where files begin.
class Converter {
 public:
  virtual ~Converter() = default;

  // Before the first line of each file.
  virtual void StartFile() {}

  // Whether the beginning of a line may pass for a whole one. JSON shows by itself where it ends.
  virtual bool CutLineLooksWhole() const { return false; }

  // kInvalidArgument: why it cannot be an event.
  virtual absl::Status Convert(std::string_view text, Draft* draft) = 0;
};

std::unique_ptr<Converter> MakeCloudTrailConverter();
std::unique_ptr<Converter> MakeK8sAuditConverter();
// kInvalidArgument: unknown time zone.
absl::StatusOr<std::unique_ptr<Converter>> MakeDpkgConverter(const ImportOptions& options);
std::unique_ptr<Converter> MakeJsonLinesConverter();

// Ids for lines that have none: the same when the same file is read again after it has grown, was
// renamed or compressed. A file is known by `host` and its first line.
class LineIds {
 public:
  LineIds(std::string_view format, std::string_view host);

  void StartFile();
  // "dpkg-<32 hex digits>".
  std::string Next(std::string_view line);

 private:
  std::string format_;
  std::string host_;
  bool started_ = false;
  Hash file_;
  // How often each line, by the first 8 bytes of its hash, has been seen in this file.
  std::unordered_map<uint64_t, uint64_t> seen_;
};

void SetTime(record::TimePoint time, v1::Event* event);
// Nothing for an empty value.
void AddLabel(std::string_view key, std::string_view value, v1::Event* event);
// details_struct.original, the converter's own form of what was read.
google::protobuf::Value* Original(v1::Event* event);

// Cuts the texts and lists of `event` that are longer than the table of rules allows, details
// apart, and names them in the label "import.clipped".
void ClipToLimits(v1::Event* event);

// Puts the digest of `original` in the place of the event's details, and says so in a label.
void ReplaceByDigest(std::string_view original, v1::Event* event);

// The same bytes for equal events, maps sorted.
std::string SerializeDeterministic(const v1::Event& event);

}  // namespace graven::import
