#include <arpa/inet.h>

#include <array>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "import/converter.h"
#include "import/json_struct.h"

namespace graven::import {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

// "ec2.amazonaws.com" acts as "ec2".
std::string_view ServicePrefix(std::string_view source) {
  constexpr std::string_view kSuffix = ".amazonaws.com";
  if (source.ends_with(kSuffix)) source.remove_suffix(kSuffix.size());
  return source;
}

bool IsIpAddress(std::string_view text) {
  std::array<char, sizeof(in6_addr)> address;
  std::string terminated(text);
  return inet_pton(AF_INET, terminated.c_str(), address.data()) == 1 ||
         inet_pton(AF_INET6, terminated.c_str(), address.data()) == 1;
}

// The most stable name that the record has for who did it.
std::string_view ActorId(const Struct& record) {
  for (std::string_view name :
       {"arn", "principalId", "invokedBy", "userName", "identityProvider", "accountId"}) {
    std::string_view text = FindText(record, {"userIdentity", name});
    if (!text.empty()) return text;
  }
  std::string_view type = FindText(record, {"userIdentity", "type"});
  return type.empty() ? "unknown" : type;
}

void SetActor(const Struct& record, v1::Event* event) {
  v1::Actor* actor = event->mutable_actor();
  actor->set_id(std::string(ActorId(record)));
  actor->set_type(std::string(FindText(record, {"userIdentity", "type"})));
  std::string_view name = FindText(record, {"userIdentity", "userName"});
  if (name.empty()) {
    name = FindText(record, {"userIdentity", "sessionContext", "sessionIssuer", "userName"});
  }
  actor->set_name(std::string(name));
}

void AddTarget(std::string_view type, std::string_view id, v1::Event* event) {
  if (id.empty()) return;
  v1::Target* target = event->add_targets();
  target->set_type(std::string(type));
  target->set_id(std::string(id));
}

struct Parameter {
  std::string_view name;
  std::string_view type;
};

// Request parameters that name a thing by themselves. More would be guessing.
constexpr Parameter kParameters[] = {
    {"bucketName", "AWS::S3::Bucket"},
    {"roleName", "AWS::IAM::Role"},
    {"roleArn", "AWS::IAM::Role"},
    {"userName", "AWS::IAM::User"},
    {"groupName", "AWS::IAM::Group"},
    {"policyArn", "AWS::IAM::ManagedPolicy"},
    {"instanceProfileName", "AWS::IAM::InstanceProfile"},
    {"instanceId", "AWS::EC2::Instance"},
    {"groupId", "AWS::EC2::SecurityGroup"},
    {"snapshotId", "AWS::EC2::Snapshot"},
    {"volumeId", "AWS::EC2::Volume"},
    {"vpcId", "AWS::EC2::VPC"},
    {"subnetId", "AWS::EC2::Subnet"},
    {"routeTableId", "AWS::EC2::RouteTable"},
    {"internetGatewayId", "AWS::EC2::InternetGateway"},
    {"secretId", "AWS::SecretsManager::Secret"},
    {"keyId", "AWS::KMS::Key"},
    {"functionName", "AWS::Lambda::Function"},
    {"dBInstanceIdentifier", "AWS::RDS::DBInstance"},
    {"trailName", "AWS::CloudTrail::Trail"},
};

void AddTargets(const Struct& record, v1::Event* event) {
  const Value* resources = Find(record, {"resources"});
  if (resources != nullptr) {
    for (const Value& resource : resources->list_value().values()) {
      AddTarget(FindText(resource.struct_value(), {"type"}),
                FindText(resource.struct_value(), {"ARN"}), event);
    }
  }
  if (event->targets_size() > 0) return;
  for (const Parameter& parameter : kParameters) {
    AddTarget(parameter.type, FindText(record, {"requestParameters", parameter.name}), event);
  }
  const Value* instances = Find(record, {"requestParameters", "instancesSet", "items"});
  if (instances == nullptr) return;
  for (const Value& item : instances->list_value().values()) {
    AddTarget("AWS::EC2::Instance", FindText(item.struct_value(), {"instanceId"}), event);
  }
}

bool SaysDenied(std::string_view code) {
  for (std::string_view part :
       {"AccessDenied", "Unauthorized", "Forbidden", "AuthFailure", "NotAuthorized"}) {
    if (code.find(part) != std::string_view::npos) return true;
  }
  return false;
}

void SetOutcome(const Struct& record, v1::Event* event) {
  std::string_view code = FindText(record, {"errorCode"});
  std::string_view message = FindText(record, {"errorMessage"});
  if (code.empty() && message.empty()) {
    // A console login that failed says so only in its answer.
    bool failed = FindText(record, {"responseElements", "ConsoleLogin"}) == "Failure";
    event->set_outcome(failed ? v1::OUTCOME_FAILURE : v1::OUTCOME_SUCCESS);
    return;
  }
  event->set_outcome(SaysDenied(code) ? v1::OUTCOME_DENIED : v1::OUTCOME_FAILURE);
  event->set_outcome_reason(code.empty()      ? std::string(message)
                            : message.empty() ? std::string(code)
                                              : fmt::format("{}: {}", code, message));
}

class CloudTrailConverter : public Converter {
 public:
  absl::Status Convert(std::string_view text, Draft* draft) override {
    ASSIGN_OR_RETURN(JsonObject object, ParseJsonObject(text));
    const Struct& record = object.fields;
    v1::Event& event = draft->event;
    std::string_view id = FindText(record, {"eventID"});
    if (id.empty()) return absl::InvalidArgumentError("it has no eventID");
    std::string_view name = FindText(record, {"eventName"});
    std::string_view source = FindText(record, {"eventSource"});
    if (name.empty() || source.empty()) {
      return absl::InvalidArgumentError("it has no eventName or no eventSource");
    }
    std::optional<record::TimePoint> time = record::ParseRfc3339(FindText(record, {"eventTime"}));
    if (!time) return absl::InvalidArgumentError("its eventTime is not an RFC 3339 time");

    event.set_event_id(std::string(id));
    SetActor(record, &event);
    event.set_action(fmt::format("{}.{}", ServicePrefix(source), name));
    SetTime(*time, &event);
    AddTargets(record, &event);
    SetOutcome(record, &event);
    event.mutable_source()->set_service(std::string(source));
    std::string_view ip = FindText(record, {"sourceIPAddress"});
    // "AWS Internal" and service names stand there too; the original keeps them.
    if (IsIpAddress(ip)) event.mutable_source()->set_ip(std::string(ip));
    event.mutable_source()->set_user_agent(std::string(FindText(record, {"userAgent"})));
    event.set_request_id(std::string(FindText(record, {"requestID"})));
    event.set_correlation_id(std::string(FindText(record, {"sharedEventID"})));
    AddLabel("import.format", "cloudtrail", &event);
    AddLabel("aws.region", FindText(record, {"awsRegion"}), &event);
    AddLabel("aws.account", FindText(record, {"recipientAccountId"}), &event);
    draft->clip_texts = true;
    draft->too_deep = object.too_deep;
    *Original(&event)->mutable_struct_value() = std::move(object.fields);
    return absl::OkStatus();
  }
};

}  // namespace

std::unique_ptr<Converter> MakeCloudTrailConverter() {
  return std::make_unique<CloudTrailConverter>();
}

}  // namespace graven::import
