#include "web/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/error_details.h"

namespace graven::web {
namespace {

using ::testing::HasSubstr;

TEST(ErrorResponse, EveryCodeHasItsHttpStatus) {
  const struct {
    absl::StatusCode code;
    const char* name;
    int http_status;
  } kCases[] = {
      {absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT", 400},
      {absl::StatusCode::kUnauthenticated, "UNAUTHENTICATED", 401},
      {absl::StatusCode::kPermissionDenied, "PERMISSION_DENIED", 403},
      {absl::StatusCode::kNotFound, "NOT_FOUND", 404},
      {absl::StatusCode::kAlreadyExists, "ALREADY_EXISTS", 409},
      {absl::StatusCode::kAborted, "ABORTED", 409},
      {absl::StatusCode::kResourceExhausted, "RESOURCE_EXHAUSTED", 429},
      {absl::StatusCode::kFailedPrecondition, "FAILED_PRECONDITION", 400},
      {absl::StatusCode::kDataLoss, "DATA_LOSS", 500},
      {absl::StatusCode::kUnavailable, "UNAVAILABLE", 503},
      {absl::StatusCode::kDeadlineExceeded, "DEADLINE_EXCEEDED", 504},
      {absl::StatusCode::kUnimplemented, "UNIMPLEMENTED", 501},
  };
  for (const auto& one : kCases) {
    const http::Response response = ErrorResponse(absl::Status(one.code, "words"));
    EXPECT_EQ(response.status, one.http_status);
    EXPECT_THAT(response.body,
                HasSubstr(std::string("{\"code\":\"") + one.name + "\",\"reason\":"));
  }
}

TEST(ErrorResponse, NamesTheLineAndTheFieldOfAnEvent) {
  const absl::Status status =
      engine::InvalidEvents({{"events[1].actor.id", "event.actor.required", "is required"},
                             {"events[2]", "wire", "bad"}});
  const http::Response response = ErrorResponse(status, {1, 4, 9});
  EXPECT_THAT(response.body, HasSubstr(R"("reason":"EVENT_INVALID","field":"actor.id",)"));
  EXPECT_THAT(response.body, HasSubstr(R"(,"line":"4","violations":[{"field":"actor.id",)"));
  EXPECT_THAT(response.body, HasSubstr(R"({"field":"","description":"bad [wire]","line":"9"})"));
  // Of a body that is one event there is no line.
  EXPECT_EQ(ErrorResponse(status).body.find("line"), std::string::npos);
}

TEST(ErrorResponse, OverloadSaysWhenToComeBack) {
  const http::Response response =
      ErrorResponse(engine::WithRetryDelay(absl::ResourceExhaustedError("full"), 1100));
  ASSERT_EQ(response.headers.size(), 1U);
  EXPECT_EQ(response.headers[0].name, "Retry-After");
  EXPECT_EQ(response.headers[0].value, "2");
  EXPECT_THAT(response.body, HasSubstr(R"("retryDelay":"1.100s")"));
}

TEST(ErrorResponse, WhatTheServerItselfRefusesHasTheSameForm) {
  for (const int http_status : {400, 401, 403, 404, 405, 408, 413, 414, 415, 421, 431, 500, 503}) {
    const http::Response response =
        ErrorResponse(http_status, CodeOfHttpStatus(http_status), "SOME_REASON", "words");
    EXPECT_EQ(response.status, http_status);
    EXPECT_THAT(response.body,
                HasSubstr(R"(,"reason":"SOME_REASON","field":"","message":"words"})"));
  }
  EXPECT_EQ(CodeOfHttpStatus(404), absl::StatusCode::kNotFound);
  EXPECT_EQ(CodeOfHttpStatus(503), absl::StatusCode::kUnavailable);
  EXPECT_EQ(CodeOfHttpStatus(413), absl::StatusCode::kInvalidArgument);
}

TEST(ErrorResponse, TextOfStrangersIsJsonAllTheSame) {
  const http::Response response =
      ErrorResponse(engine::InvalidField("a\"b\n\xc3\xa9", "no \x1b[31m"));
  EXPECT_THAT(response.body, HasSubstr("\"field\":\"a\\\"b\\n\xc3\xa9\""));
  EXPECT_EQ(response.body.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace graven::web
