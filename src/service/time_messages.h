#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <optional>

#include "record/time_text.h"

// Nanoseconds since 1970 as protobuf has times.
namespace graven::service {

inline void SetTime(int64_t ns, google::protobuf::Timestamp* time) {
  const record::TimePoint at = record::FromNs(ns);
  time->set_seconds(at.seconds);
  time->set_nanos(at.nanos);
}

// Nothing: before 1970, not sayable in nanoseconds, or no time at all.
inline std::optional<int64_t> TimeNs(const google::protobuf::Timestamp& time) {
  if (time.seconds() < 0 || time.nanos() < 0 || time.nanos() > 999'999'999) return std::nullopt;
  return record::ToNs({time.seconds(), time.nanos()});
}

}  // namespace graven::service
