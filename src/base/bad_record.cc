#include "base/bad_record.h"

#include <string>

#include "absl/strings/cord.h"
#include "base/encoding.h"

namespace graven {

absl::Status WithBadRecord(absl::Status status, LogIndex index) {
  if (absl::IsDataLoss(status) && !status.GetPayload(kBadRecordPayload)) {
    status.SetPayload(kBadRecordPayload, absl::Cord(std::to_string(index.value)));
  }
  return status;
}

std::optional<LogIndex> BadRecordOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kBadRecordPayload);
  if (!payload) return std::nullopt;
  const auto index = ParseDecimal(std::string(*payload));
  return index ? std::optional<LogIndex>(LogIndex(*index)) : std::nullopt;
}

}  // namespace graven
