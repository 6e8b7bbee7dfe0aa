#include "witness/witness_site.h"

#include <string>
#include <string_view>
#include <utility>

#include "fmt/format.h"

namespace graven::witness {
namespace {

constexpr std::string_view kAdd = "/add-checkpoint";
constexpr std::string_view kCheckpoint = "/checkpoint";
constexpr size_t kHexBytes = 64;

// The hash in "/<hash>/checkpoint"; empty for another path.
std::string_view OriginHash(std::string_view path) {
  if (path.size() != 1 + kHexBytes + kCheckpoint.size() || !path.ends_with(kCheckpoint)) return {};
  return path.substr(1, kHexBytes);
}

bool IsRead(const http::Request& head) { return head.method == "GET" || head.method == "HEAD"; }

}  // namespace

http::Admission WitnessSite::Admit(const http::Request& head) {
  http::Admission admission;
  const bool add = head.path == kAdd;
  if (!add && head.path != "/" && head.path != "/healthz" && OriginHash(head.path).empty()) {
    admission.refusal = http::TextResponse(404, "no such page");
  } else if (add ? head.method != "POST" : !IsRead(head)) {
    admission.refusal = http::TextResponse(405, "another method is wanted here");
    admission.refusal->headers.push_back({"Allow", add ? "POST" : "GET, HEAD"});
  }
  admission.body_bytes_max = add ? kAddCheckpointBytesMax : 0;
  return admission;
}

void WitnessSite::Handle(const http::Request& request, http::Responder responder) {
  std::move(responder).Send(Answer(request));
}

http::Response WitnessSite::Answer(const http::Request& request) {
  if (request.path == kAdd) {
    WitnessAnswer answer = witness_.AddCheckpointRequest(request.body);
    http::Response response;
    response.status = answer.status;
    response.content_type = std::move(answer.content_type);
    response.body = std::move(answer.body);
    return response;
  }
  if (request.path == "/healthz") return http::TextResponse(200, "ok");
  if (request.path == "/") {
    std::string text = witness_.key().Format() + "\n";
    for (const auto& [origin, size] : witness_.Logs()) {
      text += fmt::format("{} {}\n", size ? std::to_string(*size) : "-", origin);
    }
    return http::TextResponse(200, text);
  }
  std::optional<std::string> note = witness_.LastCosigned(OriginHash(request.path));
  if (!note) return http::TextResponse(404, "nothing was cosigned for such a log");
  http::Response response = http::TextResponse(200, *note);
  response.body = *std::move(note);
  response.cache_control = "no-cache";
  return response;
}

}  // namespace graven::witness
