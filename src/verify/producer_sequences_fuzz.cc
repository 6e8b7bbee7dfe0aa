#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "verify/producer_sequences.h"

// Bodies of records as a hostile writer may send them, one after the other: a byte of length, then
// as many of a body.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace graven;
  std::string_view left(reinterpret_cast<const char*>(data), size);
  verify::ProducerSequences sequences({});
  uint64_t index = 0;
  while (!left.empty()) {
    const size_t length = static_cast<uint8_t>(left.front());
    left.remove_prefix(1);
    record::RecordHeader header;
    header.index = LogIndex(index++);
    header.received_at_ns = static_cast<int64_t>(index);
    header.written_by = "anonymous";
    header.body = left.substr(0, length);
    left.remove_prefix(header.body.size());
    sequences.Add(header);
  }
  sequences.CheckDeadlines(INT64_MAX);
  const verify::ProducerReport report = sequences.Report();
  GRAVEN_CHECK(report.findings.size() <= verify::kProducerFindingsKept);
  GRAVEN_CHECK(report.findings.size() <= report.total());
  return 0;
}
