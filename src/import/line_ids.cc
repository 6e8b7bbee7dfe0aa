#include "base/encoding.h"
#include "base/sha256.h"
#include "fmt/format.h"
#include "import/converter.h"

namespace graven::import {
namespace {

// Each part behind its length, so that no two lists of parts make one text.
void AppendPart(std::string_view part, std::string* out) {
  *out += fmt::format("{}:", part.size());
  out->append(part);
}

}  // namespace

LineIds::LineIds(std::string_view format, std::string_view host) : format_(format), host_(host) {}

void LineIds::StartFile() {
  started_ = false;
  seen_.clear();
}

std::string LineIds::Next(std::string_view line) {
  if (!started_) {
    std::string name = "graven/import/file/v1\n";
    AppendPart(format_, &name);
    AppendPart(host_, &name);
    AppendPart(line, &name);
    file_ = Sha256(name);
    started_ = true;
  }
  std::string text = "graven/import/line/v1\n";
  text.append(file_.view());
  AppendPart(line, &text);
  Hash place = Sha256(text);
  uint64_t before = seen_[GetFixed64(place.view().data())]++;
  text += fmt::format("{}", before);
  return fmt::format("{}-{}", format_, HexEncode(Sha256(text)).substr(0, 32));
}

}  // namespace graven::import
