#include "base/status_macros.h"
#include "fmt/format.h"
#include "import/converter.h"
#include "import/json_struct.h"

namespace graven::import {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

void SetActor(const Struct& audit, v1::Event* event) {
  std::string_view name = FindText(audit, {"user", "username"});
  v1::Actor* actor = event->mutable_actor();
  actor->set_id(std::string(name.empty() ? "unknown" : name));
  if (name.starts_with("system:serviceaccount:")) {
    actor->set_type("service_account");
  } else if (name.starts_with("system:")) {
    actor->set_type("system");
  } else if (!name.empty()) {
    actor->set_type("user");
  }
  AddLabel("k8s.impersonated_user", FindText(audit, {"impersonatedUser", "username"}), event);
}

void AddTarget(const Struct& audit, v1::Event* event) {
  std::string_view resource = FindText(audit, {"objectRef", "resource"});
  if (resource.empty()) {
    std::string_view uri = FindText(audit, {"requestURI"});
    if (uri.empty()) return;
    v1::Target* target = event->add_targets();
    target->set_type("uri");
    target->set_id(std::string(uri));
    return;
  }
  std::string type(resource);
  std::string_view group = FindText(audit, {"objectRef", "apiGroup"});
  std::string_view subresource = FindText(audit, {"objectRef", "subresource"});
  if (!group.empty()) type = fmt::format("{}/{}", group, type);
  if (!subresource.empty()) type = fmt::format("{}/{}", type, subresource);
  std::string_view space = FindText(audit, {"objectRef", "namespace"});
  std::string_view name = FindText(audit, {"objectRef", "name"});
  v1::Target* target = event->add_targets();
  target->set_type(type);
  target->set_id(space.empty() ? std::string(name) : fmt::format("{}/{}", space, name));
  target->set_name(std::string(name));
}

void SetOutcome(const Struct& audit, v1::Event* event) {
  const Value* code_value = Find(audit, {"responseStatus", "code"});
  double code = code_value == nullptr ? 0 : code_value->number_value();
  bool forbidden = FindText(audit, {"annotations", "authorization.k8s.io/decision"}) == "forbid";
  if (forbidden || code == 401 || code == 403) {
    event->set_outcome(v1::OUTCOME_DENIED);
  } else if (code >= 400 || FindText(audit, {"stage"}) == "Panic") {
    event->set_outcome(v1::OUTCOME_FAILURE);
  } else if (code >= 100) {
    event->set_outcome(v1::OUTCOME_SUCCESS);
  }
  if (event->outcome() != v1::OUTCOME_DENIED && event->outcome() != v1::OUTCOME_FAILURE) return;
  std::string_view message = FindText(audit, {"responseStatus", "message"});
  if (message.empty()) message = FindText(audit, {"responseStatus", "reason"});
  if (message.empty()) message = FindText(audit, {"annotations", "authorization.k8s.io/reason"});
  event->set_outcome_reason(std::string(message));
}

class K8sAuditConverter : public Converter {
 public:
  absl::Status Convert(std::string_view text, Draft* draft) override {
    ASSIGN_OR_RETURN(JsonObject object, ParseJsonObject(text));
    const Struct& audit = object.fields;
    v1::Event& event = draft->event;
    std::string_view id = FindText(audit, {"auditID"});
    std::string_view stage = FindText(audit, {"stage"});
    if (id.empty() || stage.empty()) {
      return absl::InvalidArgumentError("it has no auditID or no stage");
    }
    std::string_view verb = FindText(audit, {"verb"});
    if (verb.empty()) return absl::InvalidArgumentError("it has no verb");
    std::string_view time_text = FindText(audit, {"stageTimestamp"});
    if (time_text.empty()) time_text = FindText(audit, {"requestReceivedTimestamp"});
    std::optional<record::TimePoint> time = record::ParseRfc3339(time_text);
    if (!time) return absl::InvalidArgumentError("it has no time that is one of RFC 3339");

    event.set_event_id(fmt::format("{}/{}", id, stage));
    SetActor(audit, &event);
    event.set_action(std::string(verb));
    SetTime(*time, &event);
    AddTarget(audit, &event);
    SetOutcome(audit, &event);
    event.mutable_source()->set_service("kube-apiserver");
    const Value* ips = Find(audit, {"sourceIPs"});
    if (ips != nullptr && ips->list_value().values_size() > 0) {
      event.mutable_source()->set_ip(ips->list_value().values(0).string_value());
    }
    event.mutable_source()->set_user_agent(std::string(FindText(audit, {"userAgent"})));
    event.set_correlation_id(std::string(id));
    AddLabel("import.format", "k8s-audit", &event);
    AddLabel("k8s.level", FindText(audit, {"level"}), &event);
    AddLabel("k8s.namespace", FindText(audit, {"objectRef", "namespace"}), &event);
    draft->clip_texts = true;
    draft->too_deep = object.too_deep;
    *Original(&event)->mutable_struct_value() = std::move(object.fields);
    return absl::OkStatus();
  }
};

}  // namespace

std::unique_ptr<Converter> MakeK8sAuditConverter() { return std::make_unique<K8sAuditConverter>(); }

}  // namespace graven::import
