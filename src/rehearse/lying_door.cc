#include "rehearse/lying_door.h"

#include <utility>

#include "base/absl_views.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "http/client.h"
#include "nlohmann/json.hpp"

namespace graven::rehearse {
namespace {

constexpr size_t kAnswerBytesMax = size_t{64} << 20;

// A letter in the middle of the longest word turned into its neighbour: still a record, and another
// one. Empty when there is no word.
std::string WithOneBitFlipped(std::string record) {
  size_t longest = 0;
  size_t end_of_longest = 0;
  size_t length = 0;
  for (size_t i = 0; i < record.size(); ++i) {
    length = record[i] >= 'b' && record[i] <= 'y' ? length + 1 : 0;
    if (length <= longest) continue;
    longest = length;
    end_of_longest = i;
  }
  if (longest < 3) return {};
  char& letter = record[end_of_longest - longest / 2];
  letter = static_cast<char>(letter ^ 1);
  return record;
}

absl::StatusOr<http::FetchResponse> Get(const std::string& url) {
  return http::Fetch({.url = url}, {.body_bytes_max = kAnswerBytesMax});
}

http::Response NoStream() {
  http::Response response;
  response.status = 404;
  response.content_type = "application/json";
  response.body =
      R"({"code":"NOT_FOUND","reason":"ROUTE_NOT_FOUND","message":"there is no stream here"})"
      "\n";
  return response;
}

}  // namespace

http::Admission LyingDoor::Site::Admit(const http::Request& head) {
  http::Admission admission{.page = true};
  if (head.method != "GET") admission.refusal = http::TextResponse(405, "only reading");
  return admission;
}

void LyingDoor::Site::Handle(const http::Request& request, http::Responder responder) {
  if (request.path.ends_with("/live")) return std::move(responder).Send(NoStream());
  const std::string url =
      upstream + request.path + (request.query.empty() ? std::string() : "?" + request.query);
  auto answer = Get(url);
  if (!answer.ok()) return std::move(responder).Send(http::TextResponse(502, "no answer"));
  http::Response response;
  response.status = answer->status;
  response.content_type = answer->Header("Content-Type");
  response.content_security_policy = answer->Header("Content-Security-Policy");
  response.body = std::move(answer->body);
  response.compressible = true;
  for (size_t at = response.body.find(truth); at != response.body.npos;
       at = response.body.find(truth, at + lie.size())) {
    response.body.replace(at, truth.size(), lie);
    ++told;
  }
  std::move(responder).Send(std::move(response));
}

absl::StatusOr<std::unique_ptr<LyingDoor>> LyingDoor::Open(const std::string& listen,
                                                           const std::string& upstream,
                                                           const std::string& log, uint64_t index) {
  ASSIGN_OR_RETURN(const http::FetchResponse shown,
                   Get(fmt::format("{}/logs/{}/records/{}", upstream, log, index)));
  const auto json = nlohmann::json::parse(shown.body, nullptr, false);
  if (shown.status != 200 || !json.is_object() || !json.contains("record") ||
      !json["record"].is_string()) {
    return absl::NotFoundError(
        fmt::format("record {}: the server answers {}", index, shown.status));
  }
  std::unique_ptr<LyingDoor> door(new LyingDoor());
  door->site_->upstream = upstream;
  door->site_->truth = json["record"].get<std::string>();
  const auto record = Base64Decode(door->site_->truth);
  const std::string changed = record ? WithOneBitFlipped(*record) : std::string();
  if (changed.empty()) return absl::NotFoundError("the record holds no word to change");
  door->site_->lie = Base64Encode(changed);
  http::ServerOptions options;
  options.listen = {listen};
  ASSIGN_OR_RETURN(door->server_, http::Server::Start(*door->site_, std::move(options)));
  return door;
}

// A page that follows keeps asking: it is not waited for.
LyingDoor::~LyingDoor() {
  if (server_ != nullptr) server_->Stop(0);
}

}  // namespace graven::rehearse
