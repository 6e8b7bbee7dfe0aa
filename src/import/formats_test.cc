#include "import/importer.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/encoding.h"
#include "gmock/gmock.h"
#include "graven/v1/record.pb.h"
#include "import/importer_fixture_test.h"
#include "record/encoded_test.h"
#include "record/record.h"

namespace graven::import {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(CloudTrail, RecordBecomesAnEvent) {
  Outcome outcome = Import(
      Options(Format::kCloudTrail),
      R"({"Records":[)" + Record("id-1", R"("requestParameters":{"bucketName":"b"},)") + "]}");
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  ASSERT_THAT(outcome.events, SizeIs(1));
  const v1::Event& event = outcome.events[0];
  EXPECT_EQ(event.event_id(), "id-1");
  EXPECT_EQ(event.actor().id(), "arn:aws:iam::1:user/ben");
  EXPECT_EQ(event.actor().type(), "IAMUser");
  EXPECT_EQ(event.actor().name(), "ben");
  EXPECT_EQ(event.action(), "ec2.DescribeInstances");
  EXPECT_EQ(event.occurred_at().seconds(), 1'688'989'356);
  EXPECT_EQ(event.outcome(), v1::OUTCOME_SUCCESS);
  EXPECT_EQ(event.source().service(), "ec2.amazonaws.com");
  EXPECT_EQ(event.source().ip(), "10.0.0.1");
  EXPECT_EQ(event.source().user_agent(), "cli");
  EXPECT_EQ(event.request_id(), "r-1");
  ASSERT_EQ(event.targets_size(), 1);
  EXPECT_EQ(event.targets(0).type(), "AWS::S3::Bucket");
  EXPECT_EQ(event.targets(0).id(), "b");
  EXPECT_EQ(Original(event).struct_value().fields().at("eventVersion").string_value(), "1.08");
}

TEST(CloudTrail, ErrorsAreFailuresOrDenials) {
  Outcome outcome =
      Import(Options(Format::kCloudTrail),
             R"({"Records":[)" + Record("1", R"("errorCode":"Client.UnauthorizedOperation",)") +
                 "," + Record("2", R"("errorCode":"AccessDenied","errorMessage":"no",)") + "," +
                 Record("3", R"("errorCode":"ThrottlingException",)") + "," +
                 Record("4", R"("responseElements":{"ConsoleLogin":"Failure"},)") + "]}");
  ASSERT_THAT(outcome.events, SizeIs(4));
  EXPECT_EQ(outcome.events[0].outcome(), v1::OUTCOME_DENIED);
  EXPECT_EQ(outcome.events[1].outcome(), v1::OUTCOME_DENIED);
  EXPECT_EQ(outcome.events[1].outcome_reason(), "AccessDenied: no");
  EXPECT_EQ(outcome.events[2].outcome(), v1::OUTCOME_FAILURE);
  EXPECT_EQ(outcome.events[3].outcome(), v1::OUTCOME_FAILURE);
}

TEST(CloudTrail, NumbersThatADoubleDoesNotHoldStayText) {
  Outcome outcome = Import(
      Options(Format::kCloudTrail),
      Record("1", R"("n":{"a":9007199254740992,"b":9007199254740993,"c":-9007199254740993,)"
                  R"("d":123456789012345678901234567890,"e":1.5,"f":0.1234567890123456789},)"));
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  const auto& numbers =
      Original(outcome.events[0]).struct_value().fields().at("n").struct_value().fields();
  EXPECT_EQ(numbers.at("a").number_value(), 9007199254740992.0);
  EXPECT_EQ(numbers.at("b").string_value(), "9007199254740993");
  EXPECT_EQ(numbers.at("c").string_value(), "-9007199254740993");
  EXPECT_EQ(numbers.at("d").string_value(), "123456789012345678901234567890");
  EXPECT_EQ(numbers.at("e").number_value(), 1.5);
  EXPECT_EQ(numbers.at("f").string_value(), "0.1234567890123456789");
}

TEST(CloudTrail, BadElementStopsAndIsNamed) {
  std::string text = R"({"Records":[)" + Record("1") + R"(,{"eventID":"2"},)" + Record("3") + "]}";
  Outcome outcome = Import(Options(Format::kCloudTrail), text);
  EXPECT_EQ(outcome.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(outcome.status.message(), "file: element 2: it has no eventName or no eventSource");
  EXPECT_THAT(outcome.ids(), ElementsAre("1"));
}

TEST(CloudTrail, BadElementsAreCounted) {
  std::string text = R"({"Records":[)" + Record("1") + R"(,{"eventID":"2"},7,{"a":tru},)" +
                     Record("4", R"("a":1,"a":2,)") + "," + Record("5") + "]}";
  Outcome outcome = ImportCounting(Format::kCloudTrail, text);
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_THAT(outcome.ids(), ElementsAre("1", "5"));
  EXPECT_EQ(outcome.counts.events, 2U);
  EXPECT_EQ(outcome.counts.refused, 4U);
  EXPECT_THAT(outcome.refusals, ElementsAre("element 2: it has no eventName or no eventSource",
                                            "element 3: it is not an object",
                                            HasSubstr("element 4: it is not well-formed JSON"),
                                            "element 5: an object has two members of one name"));
}

TEST(CloudTrail, CutFileIsRefusedAfterItsWholeElements) {
  std::string text = R"({"Records":[)" + Record("1") + "," + Record("2");
  Outcome outcome = ImportCounting(Format::kCloudTrail, text.substr(0, text.size() - 4));
  EXPECT_EQ(outcome.counts.refused, 1U);
  EXPECT_THAT(outcome.refusals, ElementsAre(HasSubstr("is cut or is not JSON")));
}

TEST(CloudTrail, LongTextsAreCutAndNamed) {
  std::string agent(2000, 'a');
  for (size_t i = 1; i + 1 < agent.size(); i += 2) agent.replace(i, 2, "\xc3\xa4");
  std::string record = Record("1");
  record.replace(record.find("\"cli\""), 5, "\"" + agent + "\"");
  Outcome outcome = Import(Options(Format::kCloudTrail), record);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  const v1::Event& event = outcome.events[0];
  EXPECT_EQ(event.source().user_agent(), agent.substr(0, 1023));
  auto clipped = std::ranges::find(event.labels(), "import.clipped", &v1::Label::key);
  ASSERT_NE(clipped, event.labels().end());
  EXPECT_EQ(clipped->value(), "source.user_agent");
  EXPECT_EQ(Original(event).struct_value().fields().at("userAgent").string_value(), agent);
}

constexpr std::string_view kAudit =
    R"({"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a-1",)"
    R"("stage":"ResponseComplete","requestURI":"/api/v1/namespaces/n/pods/p","verb":"delete",)"
    R"("user":{"username":"system:serviceaccount:n:sa"},"sourceIPs":["10.1.1.1","10.2.2.2"],)"
    R"("userAgent":"kubectl","objectRef":{"resource":"pods","namespace":"n","name":"p"},)"
    R"("responseStatus":{"code":403,"message":"no"},)"
    R"("requestReceivedTimestamp":"2023-07-10T11:42:36.000001Z",)"
    R"("stageTimestamp":"2023-07-10T11:42:36.500002Z"})";

TEST(K8sAudit, EventBecomesAnEvent) {
  Outcome outcome = Import(Options(Format::kK8sAudit), kAudit);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  ASSERT_THAT(outcome.events, SizeIs(1));
  const v1::Event& event = outcome.events[0];
  EXPECT_EQ(event.event_id(), "a-1/ResponseComplete");
  EXPECT_EQ(event.actor().id(), "system:serviceaccount:n:sa");
  EXPECT_EQ(event.actor().type(), "service_account");
  EXPECT_EQ(event.action(), "delete");
  EXPECT_EQ(event.occurred_at().nanos(), 500'002'000);
  EXPECT_EQ(event.targets(0).type(), "pods");
  EXPECT_EQ(event.targets(0).id(), "n/p");
  EXPECT_EQ(event.outcome(), v1::OUTCOME_DENIED);
  EXPECT_EQ(event.outcome_reason(), "no");
  EXPECT_EQ(event.source().ip(), "10.1.1.1");
}

TEST(K8sAudit, LinesListsAndPrettyListsAreRead) {
  std::string one(kAudit);
  std::string two = one;
  two.replace(two.find("a-1"), 3, "a-2");
  std::string lines = one + "\n\n" + two + "\n";
  std::string list = R"({"kind":"EventList","items":[)" + one + "," + two + "]}\n";
  std::string pretty = "{\n \"items\": [\n" + one + ",\n" + two + "\n ]\n}\n";
  for (const std::string& text : {lines, list, pretty}) {
    Outcome outcome = Import(Options(Format::kK8sAudit), text);
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    EXPECT_THAT(outcome.ids(), ElementsAre("a-1/ResponseComplete", "a-2/ResponseComplete"));
  }
}

TEST(K8sAudit, BadLineIsNamedAndTheNextIsRead) {
  std::string text = std::string(kAudit) + "\n{\"auditID\":\n" + std::string(kAudit) + "\n";
  Outcome outcome = ImportCounting(Format::kK8sAudit, text);
  EXPECT_THAT(outcome.events, SizeIs(2));
  EXPECT_THAT(outcome.refusals, ElementsAre("line 2: it is not well-formed JSON"));
}

TEST(Dpkg, LinesBecomeEvents) {
  Outcome outcome = Import(Options(Format::kDpkg), kDpkg);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  ASSERT_THAT(outcome.events, SizeIs(6));
  EXPECT_EQ(outcome.events[0].action(), "dpkg.startup.archives");
  EXPECT_EQ(outcome.events[1].action(), "dpkg.install");
  EXPECT_EQ(outcome.events[1].targets(0).id(), "man-db:amd64");
  EXPECT_EQ(outcome.events[1].actor().id(), "dpkg@box");
  EXPECT_EQ(outcome.events[1].occurred_at().seconds(), 1'688'989'357);
  EXPECT_EQ(Original(outcome.events[1]).string_value(),
            "2023-07-10 11:42:37 install man-db:amd64 <none> 2.11.2-2");
  EXPECT_EQ(outcome.events[2].action(), "dpkg.status.half-installed");
  EXPECT_EQ(outcome.events[4].action(), "dpkg.upgrade");
  EXPECT_EQ(outcome.events[5].targets(0).type(), "file");
  std::vector<std::string> ids = outcome.ids();
  EXPECT_THAT(std::set<std::string>(ids.begin(), ids.end()), SizeIs(6)) << "repeated lines differ";
}

TEST(Dpkg, UnfinishedLastLineIsLeftUntilItIsWhole) {
  constexpr std::string_view kCut = "2023-07-10 11:43:00 upgrade libc6:amd64 2.36-9 1.0";
  Outcome first = Import(Options(Format::kDpkg), std::string(kDpkg) + std::string(kCut));
  ASSERT_TRUE(first.status.ok()) << first.status;
  EXPECT_THAT(first.events, SizeIs(6));
  EXPECT_EQ(first.counts.unfinished, 1U);
  EXPECT_EQ(first.counts.refused, 0U);
  EXPECT_THAT(first.left, ElementsAre(7U));
  Outcome then = Import(Options(Format::kDpkg), std::string(kDpkg) + std::string(kCut) + "-2\n");
  ASSERT_THAT(then.events, SizeIs(7));
  EXPECT_EQ(then.counts.unfinished, 0U);
  EXPECT_EQ(then.events[6].labels(3).value(), "1.0-2");
}

TEST(Dpkg, GrownFileGivesOnlyItsNewLinesAsNew) {
  Outcome before = Import(Options(Format::kDpkg), kDpkg);
  std::string grown(kDpkg);
  grown += "2023-07-10 11:42:37 status half-installed man-db:amd64 2.11.2-2\n";
  Outcome after = Import(Options(Format::kDpkg), grown);
  std::vector<std::string> ids = after.ids();
  ASSERT_THAT(ids, SizeIs(7));
  EXPECT_TRUE(std::equal(before.bytes.begin(), before.bytes.end(), after.bytes.begin()));
  EXPECT_EQ(std::ranges::count(ids, ids.back()), 1);
}

TEST(Dpkg, OtherMachineOrOtherBeginningIsAnotherFile) {
  Outcome here = Import(Options(Format::kDpkg), kDpkg);
  ImportOptions elsewhere = Options(Format::kDpkg);
  elsewhere.host = "other";
  EXPECT_NE(Import(elsewhere, kDpkg).ids(), here.ids());
  Outcome rotated = Import(Options(Format::kDpkg), kDpkg.substr(kDpkg.find('\n') + 1));
  EXPECT_NE(rotated.ids()[0], here.ids()[1]);
}

TEST(Dpkg, LocalTimeIsResolved) {
  ImportOptions berlin = Options(Format::kDpkg);
  berlin.time_zone = "Europe/Berlin";
  // 2023-10-29: 03:00 summer time became 02:00.
  Outcome outcome = Import(berlin,
                           "2023-10-29 01:30:00 install a <none> 1\n"
                           "2023-10-29 02:30:00 install b <none> 1\n"
                           "2023-10-29 02:45:00 install c <none> 1\n"
                           "2023-10-29 02:15:00 install d <none> 1\n"
                           "2023-10-29 03:30:00 install e <none> 1\n");
  if (outcome.status.code() == absl::StatusCode::kInvalidArgument) {
    GTEST_SKIP() << "this machine has no time zones: " << outcome.status;
  }
  ASSERT_THAT(outcome.events, SizeIs(5));
  int64_t first = 1'698'535'800;  // 2023-10-28T23:30:00Z
  std::vector<int64_t> minutes;
  for (const v1::Event& event : outcome.events) {
    minutes.push_back((event.occurred_at().seconds() - first) / 60);
  }
  EXPECT_THAT(minutes, ElementsAre(0, 60, 75, 105, 180));
  EXPECT_EQ(outcome.events[0].details_struct().fields().at("utc_offset").string_value(), "+02:00");
  EXPECT_EQ(outcome.events[4].details_struct().fields().at("utc_offset").string_value(), "+01:00");
}

TEST(Dpkg, HostileLinesAreRefused) {
  Outcome outcome = ImportCounting(Format::kDpkg,
                                   "2023-07-10 11:42:36 startup archives unpack\n"
                                   "hello\n"
                                   "2023-13-10 11:42:36 install a <none> 1\n"
                                   "2023-07-10 11:42:36 install \xff <none> 1\n"
                                   "\n"
                                   "2023-07-10 11:42:36 install \x1b[31m <none> 1\r\n");
  EXPECT_THAT(outcome.events, SizeIs(2));
  EXPECT_THAT(outcome.refusals,
              ElementsAre(HasSubstr("line 2"), HasSubstr("line 3"), "line 4: it is not UTF-8"));
}

TEST(Dpkg, UnknownZoneIsInvalidArgument) {
  ImportOptions options = Options(Format::kDpkg);
  options.time_zone = "Mars/Olympus";
  EXPECT_EQ(Import(options, kDpkg).status.code(), absl::StatusCode::kInvalidArgument);
}

TEST(JsonLines, LinesWithoutIdsGetTheSameOnesAgain) {
  std::string text = std::string(kLine) + "\n" + std::string(kLine) + "\n";
  Outcome once = Import(Options(Format::kJsonLines), text);
  ASSERT_TRUE(once.status.ok()) << once.status;
  ASSERT_THAT(once.events, SizeIs(2));
  EXPECT_NE(once.ids()[0], once.ids()[1]);
  Outcome grown = Import(Options(Format::kJsonLines), text + std::string(kLine));
  ASSERT_THAT(grown.events, SizeIs(3));
  EXPECT_TRUE(std::equal(once.bytes.begin(), once.bytes.end(), grown.bytes.begin()));
}

TEST(JsonLines, OwnIdStays) {
  std::string line = R"({"eventId":"mine",)" + std::string(kLine.substr(1));
  EXPECT_THAT(Import(Options(Format::kJsonLines), line).ids(), ElementsAre("mine"));
}

TEST(JsonLines, BadLinesAreNamed) {
  std::string twice = R"(,"labels":[{"key":"k"},{"key":"k"}]})";
  std::string text = std::string(kLine) +
                     "\n{\"actor\":{}}\n{\"nope\":1}\n[]\n{\"action\":\"a\",\"action\":\"b\"}\n" +
                     std::string(kLine.substr(0, kLine.size() - 1)) + twice;
  Outcome outcome = ImportCounting(Format::kJsonLines, text);
  EXPECT_THAT(outcome.events, SizeIs(1));
  EXPECT_THAT(outcome.refusals, ElementsAre("line 2: actor.id is required, and it is not there",
                                            HasSubstr("line 3: it is not the JSON of an Event"),
                                            "line 4: it is not an object",
                                            "line 5: an object has two members of one name",
                                            "line 6: labels have two entries of one key"));
}

TEST(JsonLines, LineOfAnExportGivesTheEventOfItsRecordAndItsId) {
  v1::Event event;
  event.set_event_id("mine");
  event.mutable_actor()->set_id("alice");
  event.set_action("a.b");
  event.mutable_occurred_at()->set_seconds(5);
  v1::Entry entry;
  entry.set_actor("bob");
  entry.set_action("c.d");
  entry.set_timestamp("2026-01-02T03:04:05.5Z");
  const auto line = [](record::BodyKind kind, const std::string& body, std::string_view assigned) {
    record::RecordHeader header;
    header.index = LogIndex(7);
    header.received_at_ns = 1'000;
    header.written_by = "anonymous";
    header.assigned_event_id = assigned;
    header.kind = kind;
    header.body = body;
    std::string bytes = record::Encoded(header);
    return R"({"index":7,"action":"not.believed","record":")" + Base64Encode(bytes) + "\"}\n";
  };
  Outcome outcome =
      Import(Options(Format::kJsonLines),
             line(record::BodyKind::kEvent, event.SerializeAsString(), "") +
                 line(record::BodyKind::kEntry, entry.SerializeAsString(), "given-by-the-server"));
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  ASSERT_THAT(outcome.ids(), ElementsAre("mine", "given-by-the-server"));
  EXPECT_EQ(outcome.bytes[0], event.SerializeAsString());
  EXPECT_EQ(outcome.events[1].actor().id(), "bob");
  EXPECT_EQ(outcome.events[1].action(), "c.d");
  EXPECT_EQ(outcome.events[1].occurred_at().nanos(), 500'000'000);
}

TEST(JsonLines, DamagedRecordOfAnExportIsRefused) {
  Outcome outcome =
      ImportCounting(Format::kJsonLines, "{\"record\":\"!\"}\n{\"record\":\"AAAA\"}\n");
  EXPECT_TRUE(outcome.events.empty());
  EXPECT_THAT(outcome.refusals, ElementsAre("line 1: \"record\" is no base64",
                                            HasSubstr("line 2: \"record\" is no record")));
}

}  // namespace
}  // namespace graven::import
