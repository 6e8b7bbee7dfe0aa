#include "web/append_events.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/encoding.h"
#include "base/status_macros.h"
#include "engine/append_message.h"
#include "engine/error_details.h"
#include "json/event_json.h"
#include "json/object_text.h"
#include "record/traceparent.h"
#include "web/arguments.h"
#include "web/errors.h"

namespace graven::web {
namespace {

constexpr std::string_view kBlank = " \t\r";

// What a body holds.
struct Body {
  engine::AppendOrder order;
  std::vector<uint64_t> lines;  // of each event, when it is JSON Lines
};

// Whether the body is JSON Lines; its type is one of those that the route takes.
bool IsLines(const http::Request& request) {
  std::string_view type = request.Find("content-type").value_or("");
  constexpr std::string_view kJson = "application/json";
  return type.size() < kJson.size() || (type.size() > kJson.size() && type[kJson.size()] == 'l') ||
         type.find("ndjson") != type.npos;
}

absl::Status TakeArguments(const Call& call, engine::AppendOrder* order) {
  ASSIGN_OR_RETURN(const Arguments arguments,
                   Arguments::Take(call.query, {"wait", "wait_ms", "expected_last_hash"}));
  ASSIGN_OR_RETURN(order->expected_last_hash, arguments.HashValue("expected_last_hash"));
  const std::string wait = arguments.Text("wait").value_or("durable");
  if (wait != "durable" && wait != "published" && wait != "cosigned") {
    return engine::InvalidField("wait", "must be durable, published or cosigned");
  }
  order->wait_level = wait == "cosigned"    ? engine::kLevelCosigned
                      : wait == "published" ? engine::kLevelPublished
                                            : engine::kLevelDurable;
  ASSIGN_OR_RETURN(const uint64_t wait_ms, arguments.Number("wait_ms", 1000));
  if (wait_ms > engine::kWaitNsMax / 1'000'000) {
    return engine::InvalidField("wait_ms", "must be at most 60000");
  }
  order->wait_ns = static_cast<int64_t>(wait_ms) * 1'000'000;
  return absl::OkStatus();
}

// Event number `number` of the request.
absl::Status AddEvent(const ApiParts& parts, std::string_view text, size_t number,
                      engine::AppendOrder* order) {
  const auto refuse = [number](std::string field, std::string description) {
    const std::string path = field.empty() ? fmt::format("events[{}]", number)
                                           : fmt::format("events[{}].{}", number, field);
    return engine::InvalidEvents({{path, "json", std::move(description)}});
  };
  if (text.size() > kEventJsonBytesMax) {
    return refuse("",
                  fmt::format("has {} bytes of JSON; at most {}", text.size(), kEventJsonBytesMax));
  }
  json::JsonProblem problem;
  std::string& event = order->events.emplace_back();
  if (json::EventFromJson(parts.types, text, &event, &problem)) return absl::OkStatus();
  return refuse(std::move(problem.field), std::move(problem.description));
}

absl::Status AddLines(const ApiParts& parts, std::string_view text, Body* body) {
  for (uint64_t line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view event = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (event.find_first_not_of(kBlank) == event.npos) continue;
    if (body->order.events.size() == engine::kEventsPerRequestMax) {
      return engine::InvalidField(
          "events", fmt::format("there are more than {}", engine::kEventsPerRequestMax));
    }
    body->lines.push_back(line);
    RETURN_IF_ERROR(AddEvent(parts, event, body->order.events.size(), &body->order));
  }
  if (!body->order.events.empty()) return absl::OkStatus();
  return engine::InvalidField("events", "there is none");
}

// Some numbers are longer as protobuf than as text.
std::optional<http::Response> CheckSize(const engine::AppendOrder& order) {
  size_t bytes = 0;
  for (const std::string& event : order.events) bytes += event.size();
  if (bytes <= engine::kRequestBytesMax) return std::nullopt;
  return ErrorResponse(
      413, absl::StatusCode::kInvalidArgument, "BODY_TOO_LARGE",
      fmt::format("the events take {} bytes, {} more than the {} of one request", bytes,
                  bytes - engine::kRequestBytesMax, engine::kRequestBytesMax));
}

// What to answer at once, if the body cannot be appended.
std::optional<http::Response> Read(const ApiParts& parts, const Call& call, Body* body) {
  const http::Request& request = call.request;
  if (request.Find("content-encoding").value_or("identity") != "identity") {
    return ErrorResponse(415, absl::StatusCode::kInvalidArgument, "CONTENT_ENCODING_UNKNOWN",
                         "a body with a Content-Encoding is not taken");
  }
  body->order.log = call.parameters[0];
  body->order.written_by = call.identity;
  const std::string_view traceparent = request.Find("traceparent").value_or("");
  if (record::IsTraceparent(traceparent)) body->order.traceparent = traceparent;
  absl::Status status = TakeArguments(call, &body->order);
  if (status.ok()) {
    status = IsLines(request) ? AddLines(parts, request.body, body)
                              : AddEvent(parts, request.body, 0, &body->order);
  }
  if (!status.ok()) return ErrorResponse(status, body->lines);
  return CheckSize(body->order);
}

http::Response Receipts(const engine::AppendAnswer& answer) {
  json::ArrayText receipts;
  for (size_t i = 0; i < answer.receipts.size(); ++i) {
    const ledger::EventReceipt& one = answer.receipts[i];
    json::ObjectText receipt;
    receipt.Text("log", answer.log);
    receipt.Uint64("index", one.index.value);
    receipt.Bytes("recordHash", one.record_hash.view());
    receipt.Text("recordHashHex", HexEncode(one.record_hash));
    receipt.TimeNs("receivedAt", one.received_at_ns);
    receipt.Text("eventId", answer.event_ids[i]);
    receipt.Bool("duplicate", one.duplicate);
    if (i < answer.tlog_proofs.size()) receipt.Bytes("tlogProof", answer.tlog_proofs[i]);
    receipts.Raw(receipt.Finish());
  }
  json::ObjectText body;
  body.Raw("receipts", receipts.Finish());
  body.Text("level", answer.level == engine::kLevelCosigned    ? "RECEIPT_LEVEL_COSIGNED"
                     : answer.level == engine::kLevelPublished ? "RECEIPT_LEVEL_PUBLISHED"
                                                               : "RECEIPT_LEVEL_DURABLE");
  http::Response response;
  response.content_type = "application/json";
  response.body = body.Finish() + "\n";
  return response;
}

}  // namespace

void AppendEvents(const ApiParts& parts, const Call& call, http::Responder responder) {
  Body body;
  if (auto refusal = Read(parts, call, &body)) {
    return std::move(responder).Send(*std::move(refusal));
  }
  // A std::function has to be copyable.
  auto waiting = std::make_shared<http::Responder>(std::move(responder));
  parts.door.Append(std::move(body.order), [waiting, lines = std::move(body.lines)](
                                               const absl::StatusOr<engine::AppendAnswer>& answer) {
    std::move(*waiting).Send(answer.ok() ? Receipts(*answer)
                                         : ErrorResponse(answer.status(), lines));
  });
}

}  // namespace graven::web
