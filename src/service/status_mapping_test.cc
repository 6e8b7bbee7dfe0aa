#include "service/status_mapping.h"
#include "engine/error_details.h"

#include <gtest/gtest.h>

#include <set>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace graven::service {
namespace {

template <typename Detail>
std::optional<Detail> DetailOf(const grpc::Status& status) {
  google::rpc::Status whole;
  EXPECT_TRUE(whole.ParseFromString(status.error_details()));
  Detail detail;
  for (const auto& any : whole.details()) {
    if (any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

TEST(StatusMapping, EveryCodeKeepsItsNumberItsTextAndGetsAReason) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "what happened");
    const grpc::Status mapped = ToGrpcStatus(status);
    EXPECT_EQ(static_cast<int>(mapped.error_code()), code);
    EXPECT_EQ(mapped.error_message(), "what happened");
    google::rpc::Status whole;
    ASSERT_TRUE(whole.ParseFromString(mapped.error_details()));
    EXPECT_EQ(whole.code(), code);
    EXPECT_EQ(whole.message(), "what happened");
    const auto info = DetailOf<google::rpc::ErrorInfo>(mapped);
    ASSERT_TRUE(info.has_value());
    EXPECT_EQ(info->domain(), "graven");
    EXPECT_FALSE(info->reason().empty());
  }
}

TEST(StatusMapping, FirstReasonStaysAndRetryIsThere) {
  absl::Status status =
      engine::WithReason(absl::ResourceExhaustedError("full"), engine::reason::kQueueFull);
  status = engine::WithRetryDelay(engine::WithReason(status, engine::reason::kDiskFull), 1500);
  const grpc::Status mapped = ToGrpcStatus(status);
  EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(mapped)->reason(), "QUEUE_FULL");
  const auto retry = DetailOf<google::rpc::RetryInfo>(mapped);
  EXPECT_EQ(retry->retry_delay().seconds(), 1);
  EXPECT_EQ(retry->retry_delay().nanos(), 500'000'000);
  EXPECT_TRUE(engine::WithReason(absl::OkStatus(), engine::reason::kQueueFull).ok());
}

TEST(StatusMapping, ManyLongViolationsStayBelowTheLimit) {
  std::vector<record::Violation> violations;
  for (int i = 0; i < 16; ++i) {
    violations.push_back(
        {"events[" + std::to_string(i) + "].details_struct", "rule.id", std::string(400, 'x')});
  }
  const grpc::Status mapped = ToGrpcStatus(engine::InvalidEvents(violations));
  EXPECT_EQ(mapped.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_LE(mapped.error_details().size(), engine::kDetailsBytesMax + 512);
  EXPECT_LE(mapped.error_message().size(), 512u);
  EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(mapped)->reason(), "EVENT_INVALID");
  const auto bad = DetailOf<google::rpc::BadRequest>(mapped);
  ASSERT_TRUE(bad.has_value());
  EXPECT_GE(bad->field_violations_size(), 8);
}

TEST(StatusMapping, LongTextIsCutBetweenCharacters) {
  std::string text(511, 'x');
  text += "\u00e9\u00e9\u00e9";
  const grpc::Status mapped = ToGrpcStatus(absl::NotFoundError(text));
  EXPECT_EQ(mapped.error_message(), std::string(511, 'x'));
}

}  // namespace
}  // namespace graven::service
