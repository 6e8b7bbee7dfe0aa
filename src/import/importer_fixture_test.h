#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "graven/v1/event.pb.h"
#include "gtest/gtest.h"
#include "import/importer.h"

// What an import hands over, collected; and input for it.
namespace graven::import {

struct Outcome {
  absl::Status status;
  ImportCounts counts;
  std::vector<v1::Event> events;
  std::vector<std::string> bytes;
  std::vector<std::string> refusals;
  std::vector<uint64_t> left;  // positions of unfinished lines

  std::vector<std::string> ids() const {
    std::vector<std::string> ids;
    for (const v1::Event& event : events) ids.push_back(event.event_id());
    return ids;
  }
};

inline ImportCallbacks Collect(Outcome* outcome) {
  return {.on_event =
              [outcome](const ImportedEvent& imported) {
                v1::Event event;
                EXPECT_TRUE(event.ParseFromArray(imported.bytes.data(),
                                                 static_cast<int>(imported.bytes.size())));
                EXPECT_EQ(event.event_id(), imported.event_id);
                outcome->events.push_back(event);
                outcome->bytes.emplace_back(imported.bytes);
                return absl::OkStatus();
              },
          .on_refused =
              [outcome](const Refusal& refusal) {
                outcome->refusals.push_back(std::string(refusal.place) + " " +
                                            std::to_string(refusal.position) + ": " +
                                            std::string(refusal.reason));
              },
          .on_unfinished = [outcome](std::string_view,
                                     uint64_t position) { outcome->left.push_back(position); },
          .on_progress = nullptr};
}

inline ImportOptions Options(Format format) {
  return {.format = format, .time_zone = "UTC", .host = "box"};
}

inline Outcome Import(const ImportOptions& options, std::string_view text) {
  Outcome outcome;
  outcome.status = ImportText(options, "file", text, Collect(&outcome), &outcome.counts);
  return outcome;
}

inline Outcome ImportCounting(Format format, std::string_view text) {
  ImportOptions options = Options(format);
  options.bad_input = BadInput::kCount;
  return Import(options, text);
}

inline const google::protobuf::Value& Original(const v1::Event& event) {
  return event.details_struct().fields().at("original");
}

inline std::string Record(std::string_view id, std::string_view more = "") {
  return R"({"eventVersion":"1.08","userIdentity":{"type":"IAMUser","principalId":"AID",)"
         R"("arn":"arn:aws:iam::1:user/ben","userName":"ben"},"eventTime":"2023-07-10T11:42:36Z",)"
         R"("eventSource":"ec2.amazonaws.com","eventName":"DescribeInstances",)"
         R"("awsRegion":"us-east-1","sourceIPAddress":"10.0.0.1","userAgent":"cli",)"
         R"("requestID":"r-1",)" +
         std::string(more) + R"("eventID":")" + std::string(id) + R"("})";
}

inline constexpr std::string_view kDpkg =
    "2023-07-10 11:42:36 startup archives unpack\n"
    "2023-07-10 11:42:37 install man-db:amd64 <none> 2.11.2-2\n"
    "2023-07-10 11:42:37 status half-installed man-db:amd64 2.11.2-2\n"
    "2023-07-10 11:42:37 status half-installed man-db:amd64 2.11.2-2\n"
    "2023-07-10 11:42:38 upgrade libc6:amd64 2.36-8 2.36-9\n"
    "2023-07-10 11:42:39 conffile /etc/x.conf keep\n";

inline constexpr std::string_view kLine =
    R"({"actor":{"id":"alice"},"action":"a","occurredAt":"2023-07-10T11:42:36Z"})";

}  // namespace graven::import
