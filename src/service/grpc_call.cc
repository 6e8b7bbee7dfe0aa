#include "service/grpc_call.h"

#include <utility>

#include "engine/error_details.h"
#include "record/traceparent.h"

namespace graven::service {
namespace {

std::string_view ToView(grpc::string_ref text) { return {text.data(), text.size()}; }

// The name of the verified certificate; the transport has checked it before the call.
std::string_view CertificateName(const grpc::ServerContext& context) {
  const auto peer = context.auth_context();
  if (peer == nullptr || !peer->IsPeerAuthenticated()) return {};
  for (const char* property : {"peer_uri", "peer_dns", "x509_common_name"}) {
    const std::vector<grpc::string_ref> values = peer->FindPropertyValues(property);
    if (!values.empty() && !values.front().empty()) return ToView(values.front());
  }
  return {};
}

}  // namespace

std::string_view Metadata(const grpc::ServerContext& context, const char* key) {
  const auto& metadata = context.client_metadata();
  if (metadata.empty()) return {};
  const auto found = metadata.find(key);
  return found == metadata.end() ? std::string_view() : ToView(found->second);
}

absl::Status Identify(const engine::Authenticator& authenticator,
                      const grpc::ServerContext& context, CallerIdentity* identity) {
  const std::string_view traceparent = Metadata(context, "traceparent");
  identity->caller.traceparent =
      record::IsTraceparent(traceparent) ? traceparent : std::string_view();
  identity->caller.written_by = engine::kAnonymous;
  if (!authenticator.required()) return absl::OkStatus();
  engine::CallerFacts facts;
  if (context.client_metadata().contains("authorization")) {
    facts.authorization = Metadata(context, "authorization");
  }
  std::string certificate_name;
  if (authenticator.client_certificates()) {
    certificate_name = std::string(CertificateName(context));
    facts.certificate_name = certificate_name;
  }
  absl::StatusOr<std::string_view> name = authenticator.Identify(facts, &identity->storage);
  if (!name.ok()) return name.status();
  identity->caller.written_by = *name;
  return absl::OkStatus();
}

std::string_view MessageBytes(const grpc::ByteBuffer& message, grpc::Slice* slice) {
  if (!message.TrySingleSlice(slice).ok() && !message.DumpToSingleSlice(slice).ok()) return {};
  return {reinterpret_cast<const char*>(slice->begin()), slice->size()};
}

}  // namespace graven::service
