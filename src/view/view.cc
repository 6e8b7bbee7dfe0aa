#include "view/view.h"

#include <arpa/inet.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/absl_views.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "engine/error_details.h"
#include "fmt/format.h"
#include "http/target.h"
#include "json/object_text.h"
#include "view/posted.h"
#include "web/arguments.h"
#include "web/errors.h"
#include "web/page_routes.h"

namespace graven::view {
namespace {

// ui/index.html says by it where the page comes from.
constexpr std::string_view kServerMark = "<meta name=\"graven-host\" content=\"server\"";
constexpr size_t kSmallBodyMax = 4 << 10;
constexpr size_t kSeenBodyMax = 2 * kSeenNoteBytesMax;
constexpr int64_t kStopMs = 1'000;

// Within the quotes of an attribute (WHATWG HTML, 13.1.2.3).
std::string AttributeText(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const bool plain = c != '&' && c != '<' && c != '>' && c != '"' && c != '\'';
    escaped += plain ? std::string(1, c) : fmt::format("&#{};", static_cast<int>(c));
  }
  return escaped;
}

http::Response JsonResponse(std::string body) {
  http::Response response;
  response.content_type = "application/json";
  response.body = std::move(body) + "\n";
  return response;
}

// What the page sent cannot be kept: with a reason of its own, so that nobody takes it for a word
// of the server.
http::Response Refused(const absl::Status& status) {
  const absl::Status kept =
      absl::IsInvalidArgument(status) || absl::IsUnauthenticated(status) || absl::IsDataLoss(status)
          ? absl::InvalidArgumentError(status.message())
          : status;
  return web::ErrorResponse(web::HttpStatusOf(kept.code()), kept.code(), "VIEW_MEMORY",
                            fmt::format("the view's memory: {}", ToStd(kept.message())));
}

// A number that a page can count to stands in JSON as one.
std::string Plain(uint64_t number) { return fmt::format("{}", number); }

std::string CheckpointJson(const SeenCheckpoint& one, std::optional<std::string_view> note = {}) {
  json::ObjectText object;
  object.Raw("size", Plain(one.tree.size.value)).Text("root", HexEncode(one.tree.root));
  object.Raw("at", Plain(static_cast<uint64_t>(one.at_ms)));
  object.Raw("witnesses", Plain(one.witnesses));
  if (note) object.Text("note", *note);
  return object.Finish();
}

std::string SeenJson(const Seen& seen) {
  json::ArrayText line;
  for (const SeenCheckpoint& one : seen.line) line.Raw(CheckpointJson(one));
  json::ObjectText object;
  object.Text("key", seen.vkey).Raw("first", CheckpointJson(seen.first));
  object.Raw("last", CheckpointJson(seen.last, seen.note)).Raw("seen", line.Finish());
  return object.Finish();
}

absl::StatusOr<std::string> Parameter(const web::Call& call, std::string_view name) {
  ASSIGN_OR_RETURN(const web::Arguments arguments, web::Arguments::Take(call.query, {name}));
  auto value = arguments.Text(name);
  if (!value) return absl::InvalidArgumentError(fmt::format("{}: required", name));
  return *std::move(value);
}

absl::StatusOr<std::string> LogParameter(const web::Call& call) {
  ASSIGN_OR_RETURN(const web::Arguments arguments,
                   web::Arguments::Take(call.query, {"log", "key"}));
  std::string log = arguments.Text("log").value_or("");
  if (!IsLogName(log)) return absl::InvalidArgumentError("log: it is no name of a log");
  return log;
}

}  // namespace

bool IsLoopback(std::string_view listen) {
  const size_t colon = listen.rfind(':');
  if (colon == listen.npos) return false;
  std::string host(listen.substr(0, colon));
  if (host == "localhost" || host == "[::1]") return true;
  in_addr v4;
  return inet_pton(AF_INET, host.c_str(), &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

absl::StatusOr<std::unique_ptr<View>> View::Start(SeenMemory& memory, ViewOptions options) {
  if (!IsLoopback(options.listen))
    return absl::InvalidArgumentError(
        fmt::format("{} is not a port of this machine alone (127.0.0.1:PORT, [::1]:PORT, "
                    "localhost:PORT): a view shows its reader's memory to nobody else",
                    options.listen));
  std::unique_ptr<View> view(new View(memory, std::move(options)));
  ASSIGN_OR_RETURN(view->relay_, Relay::Make(view->options_.relay));
  RETURN_IF_ERROR(view->AddPage());
  view->AddOwnRoutes();
  view->relay_->AddRoutes(&view->routes_);
  http::ServerOptions server;
  server.listen = {view->options_.listen};
  server.path_prefix = "/" + memory.door();
  server.limits.connections = 128;
  server.limits.sources = kLiveStreamsMax;
  server.limits.bodies_bytes = size_t{8} << 20;
  ASSIGN_OR_RETURN(view->server_, http::Server::Start(*view, std::move(server)));
  return view;
}

View::~View() {
  // Calls that wait for the server end at once, and with them the answers that are owed.
  if (relay_ != nullptr) relay_->Stop();
  if (server_ != nullptr) server_->Stop(kStopMs);
}

absl::Status View::AddPage() {
  std::vector<web::PageFile> files = options_.page;
  const auto index = std::find_if(files.begin(), files.end(), [](const web::PageFile& file) {
    return file.path == "index.html";
  });
  if (index == files.end())
    return absl::FailedPreconditionError(
        "this program was built without the page (GRAVEN_PAGE=OFF): there is nothing to view");
  index_ = index->bytes;
  const size_t mark = index_.find(kServerMark);
  if (mark == index_.npos)
    return absl::FailedPreconditionError(
        "the page in this program does not know of views: build both from one tree");
  index_.replace(mark, kServerMark.size(),
                 fmt::format(R"(<meta name="graven-host" content="view" data-server="{}/")",
                             AttributeText(relay_->server())));
  index->bytes = index_;
  web::AddPageRoutes(files, &routes_);
  return absl::OkStatus();
}

void View::AddPost(std::string pattern, size_t body_bytes_max, web::DirectHandler handler) {
  web::Route route{"POST", std::move(pattern), web::Directly(std::move(handler))};
  route.body_bytes_max = body_bytes_max;
  routes_.Add(std::move(route));
}

void View::AddOwnRoutes() {
  using web::Call;
  const auto get = [this](const char* pattern, web::DirectHandler handler) {
    routes_.Add({"GET", pattern, web::Directly(std::move(handler))});
  };
  get("/view/terms", [this](const Call&) { return Terms(); });
  get("/view/seen", [this](const Call& call) { return GetSeen(call); });
  get("/view/known", [this](const Call& call) { return GetKnown(call); });
  get("/view/findings", [this](const Call& call) { return GetFindings(call); });
  AddPost("/view/seen", kSeenBodyMax, [this](const Call& call) { return PostSeen(call); });
  AddPost("/view/known", kSmallBodyMax, [this](const Call& call) { return PostKnown(call); });
  AddPost("/view/findings", kPostedFindingBytesMax,
          [this](const Call& call) { return PostFinding(call); });
  AddPost("/view/forget", kSmallBodyMax, [this](const Call& call) { return PostForget(call); });
}

http::Admission View::Admit(const http::Request& head) {
  http::Admission admission;
  const web::Routes::Match match = routes_.Find(head.method, head.path);
  if (match.route == nullptr) {
    const bool other_method = !match.allowed.empty();
    admission.refusal =
        other_method
            ? Error(405, "METHOD_NOT_ALLOWED", fmt::format("this path takes {}", match.allowed))
            : Error(404, "ROUTE_NOT_FOUND", "graven view serves nothing there");
    return admission;
  }
  admission.page = match.route->page;
  admission.body_bytes_max = match.route->body_bytes_max;
  // Exactly: a form of another site can send other types, but not this one.
  if (head.method == "POST" && head.Find("content-type") != "application/json")
    admission.refusal = Error(415, "CONTENT_TYPE_UNKNOWN", "Content-Type must be application/json");
  return admission;
}

void View::Handle(const http::Request& request, http::Responder responder) {
  web::Routes::Match match = routes_.Find(request.method, request.path);
  absl::StatusOr<http::Parameters> query = http::ParseQuery(request.query);
  if (!query.ok())
    return std::move(responder).Send(
        Error(400, engine::reason::kRequestInvalid, ToStd(query.status().message())));
  const web::Call call{request, std::move(match.parameters), *std::move(query), ""};
  match.route->handle(call, std::move(responder));
}

http::Response View::Error(int status, std::string_view reason, std::string_view message) {
  return web::ErrorResponse(status, web::CodeOfHttpStatus(status), reason, message);
}

absl::StatusOr<http::Response> View::Terms() const {
  json::ObjectText object;
  object.Text("server", relay_->server()).Text("folder", memory_.folder());
  object.Text("policy", options_.policy_text).Text("version", options_.version);
  return JsonResponse(object.Finish());
}

absl::StatusOr<http::Response> View::GetSeen(const web::Call& call) const {
  ASSIGN_OR_RETURN(const std::string key, Parameter(call, "key"));
  const std::optional<Seen> seen = memory_.Find(key);
  json::ObjectText object;
  return JsonResponse(object.Raw("seen", seen ? SeenJson(*seen) : "null").Finish());
}

absl::StatusOr<http::Response> View::PostSeen(const web::Call& call) {
  const auto posted = ParsePostedTree(call.request.body);
  if (!posted.ok()) return Refused(posted.status());
  const auto raised = memory_.Raise(posted->vkey, posted->expected, posted->note);
  if (!raised.ok()) return Refused(raised.status());
  json::ObjectText object;
  object.Bool("raised", raised->raised);
  object.Raw("seen", raised->seen.vkey.empty() ? "null" : SeenJson(raised->seen));
  return JsonResponse(object.Finish());
}

absl::StatusOr<http::Response> View::GetKnown(const web::Call& call) const {
  ASSIGN_OR_RETURN(const std::string log, LogParameter(call));
  const std::optional<KnownLog> known = memory_.Known(NameOf(log));
  json::ObjectText object;
  if (!known) return JsonResponse(object.Raw("known", "null").Finish());
  json::ObjectText one;
  one.Text("key", known->vkey).Bool("inPolicy", memory_.InPolicy(known->vkey));
  one.Raw("at", Plain(static_cast<uint64_t>(known->at_ms)));
  return JsonResponse(object.Raw("known", one.Finish()).Finish());
}

absl::StatusOr<http::Response> View::PostKnown(const web::Call& call) {
  const auto posted = ParsePostedKey(call.request.body);
  if (!posted.ok()) return Refused(posted.status());
  const absl::Status known = memory_.Know(NameOf(posted->log), posted->vkey);
  return known.ok() ? JsonResponse("{}") : Refused(known);
}

absl::StatusOr<http::Response> View::GetFindings(const web::Call& call) const {
  ASSIGN_OR_RETURN(const std::string log, LogParameter(call));
  json::ArrayText findings;
  ASSIGN_OR_RETURN(const web::Arguments arguments,
                   web::Arguments::Take(call.query, {"log", "key"}));
  const std::string key = arguments.Text("key").value_or("");
  for (const Finding& finding : memory_.Findings(NameOf(log), key)) findings.Raw(finding.json);
  json::ObjectText object;
  return JsonResponse(object.Raw("findings", findings.Finish()).Finish());
}

absl::StatusOr<http::Response> View::PostFinding(const web::Call& call) {
  auto posted = ParsePostedFinding(call.request.body);
  if (!posted.ok()) return Refused(posted.status());
  const absl::Status kept = memory_.AddFinding(NameOf(posted->log), std::move(posted->finding));
  return kept.ok() ? JsonResponse("{}") : Refused(kept);
}

absl::StatusOr<http::Response> View::PostForget(const web::Call& call) {
  const auto posted = ParsePostedKey(call.request.body);
  if (!posted.ok()) return Refused(posted.status());
  const absl::Status forgotten = memory_.Forget(NameOf(posted->log), posted->vkey);
  return forgotten.ok() ? JsonResponse("{}") : Refused(forgotten);
}

}  // namespace graven::view
