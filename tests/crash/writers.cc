#include "writers.h"

#include <algorithm>
#include <utility>

#include "record/wire.h"

namespace graven::crash {
namespace {

constexpr std::string_view kWriterNames[] = {"anonymous", "spiffe://example/payroll",
                                             "CN=backup,O=Example", "token:ci"};
constexpr std::string_view kTraceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

constexpr size_t kRequestOverheadBytes = 512;
constexpr size_t kRecordOverheadBytes = 256;

std::string EncodeEvent(const std::string& id, uint64_t content, bool other_order) {
  std::string actor, time, body;
  record::AppendBytesField(1, fmt::format("user-{}", content % 7), &actor);
  record::AppendVarintField(1, 1'700'000'000 + content, &time);
  // The same message in any order of its fields.
  if (!id.empty() && !other_order) record::AppendBytesField(1, id, &body);
  if (other_order) record::AppendBytesField(5, time, &body);
  record::AppendBytesField(2, actor, &body);
  record::AppendBytesField(3, fmt::format("action.{}", content), &body);
  if (!other_order) record::AppendBytesField(5, time, &body);
  // Some events are small, some cross many sectors.
  const size_t padding = content % 23 == 0 ? content % 4001 : content % 97;
  if (padding > 0) record::AppendBytesField(7, std::string(padding, 'x'), &body);
  if (!id.empty() && other_order) record::AppendBytesField(1, id, &body);
  return body;
}

std::string EncodeEntry(const std::string& id, uint64_t content) {
  std::string body;
  record::AppendBytesField(1, id, &body);
  record::AppendBytesField(2, fmt::format("user-{}", content % 7), &body);
  record::AppendBytesField(3, "2024-02-29T23:59:59.5Z", &body);
  record::AppendBytesField(4, fmt::format("action.{}", content), &body);
  return body;
}

}  // namespace

EventPointer Writers::Encode(std::string id, uint64_t content, bool id_assigned,
                             bool other_order) const {
  auto event = std::make_shared<EventSpec>();
  event->id = std::move(id);
  event->content = content;
  event->id_assigned = id_assigned;
  event->wants_traceparent = content % 5 == 0;
  if (content % 11 == 3 && !id_assigned) {
    event->kind = record::BodyKind::kEntry;
    event->body = EncodeEntry(event->id, content);
  } else {
    event->body = EncodeEvent(id_assigned ? "" : event->id, content, other_order);
  }
  return event;
}

EventPointer Writers::NewEvent(uint64_t writer) {
  std::string id = fmt::format("w{}-{}", writer, writers_[writer].next_id++);
  const bool assigned = world_.choices.Percent(10);
  if (assigned) world_.tally.Add(Kind::kAssignedId);
  return Encode(std::move(id), ++made_, assigned, false);
}

// An event that is stored already, mostly a recent one: the same bytes, the same message in other
// bytes, or something else under the same id.
EventPointer Writers::OldEvent(const LogModel& log) {
  Choices& choices = world_.choices;
  const uint64_t size = log.size();
  const uint64_t back = choices.Percent(70)
                            ? choices.Below(std::min<uint64_t>(size, 2 * log.window))
                            : choices.Below(size);
  const EventPointer& old = log.at(size - 1 - back).event;
  const uint64_t dice = choices.Below(100);
  if (dice < 60 || old->id_assigned || old->kind == record::BodyKind::kEntry) return old;
  if (dice < 80 && !old->bare) return Encode(old->id, old->content, false, true);
  return Encode(old->id, ++made_, false, false);
}

std::unique_ptr<Ticket> Writers::Finish(const LogModel& log, uint64_t writer,
                                        std::vector<EventPointer> specs) {
  auto ticket = std::make_unique<Ticket>();
  ticket->log = log.name;
  ticket->writer = writer;
  ticket->specs = std::move(specs);
  size_t bytes = kRequestOverheadBytes;
  for (const EventPointer& event : ticket->specs) {
    sequencer::NewEvent& added = ticket->events.emplace_back();
    added.kind = event->kind;
    added.body = event->body;
    added.event_id = event->id;
    added.id_assigned = event->id_assigned;
    added.wants_traceparent = event->wants_traceparent;
    bytes += kRecordOverheadBytes + event->body.size();
  }
  sequencer::Request& request = ticket->request;
  request.log_number = log.number;
  request.proposed_at_ns = world_.clock.WallNs();
  request.written_by = kWriterNames[writer % std::size(kWriterNames)];
  request.traceparent = writer % 2 == 0 ? kTraceparent : std::string_view();
  request.events = ticket->events;
  request.bytes = bytes;
  request.owner = ticket.get();
  return ticket;
}

void Writers::AddPrecondition(const LogModel& log, Ticket& ticket) {
  const uint64_t dice = world_.choices.Below(100);
  if (dice < 15) {
    ticket.request.expected_last_hash = log.LastHash();
  } else if (dice < 20) {
    ticket.request.expected_last_hash = log.size() < 2 ? Hash{} : log.hash(log.size() - 2);
  }
}

std::unique_ptr<Ticket> Writers::Compose(const LogModel& log) {
  Choices& choices = world_.choices;
  const uint64_t number = choices.Below(writers_.size());
  Writer& writer = writers_[number];
  if (!writer.unknown.empty() && choices.Percent(60)) {
    // The retry: the same events with the same ids, and the precondition of then, stale or not.
    std::unique_ptr<Ticket> old = std::move(writer.unknown.back());
    writer.unknown.pop_back();
    old->request.proposed_at_ns = world_.clock.WallNs();
    old->retry = true;
    return old;
  }
  std::vector<EventPointer> specs;
  const uint64_t count = choices.Percent(70) ? 1 : choices.Between(2, 12);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t dice = choices.Below(100);
    if (dice < 12 && log.size() > 0) {
      specs.push_back(OldEvent(log));
    } else if (dice < 18 && !specs.empty()) {
      const EventPointer& same = specs[choices.Below(specs.size())];
      specs.push_back(choices.Percent(85) ? same : Encode(same->id, ++made_, false, false));
    } else {
      specs.push_back(NewEvent(number));
    }
  }
  if (count > 1) world_.tally.Add(Kind::kManyEvents);
  std::unique_ptr<Ticket> ticket = Finish(log, number, std::move(specs));
  AddPrecondition(log, *ticket);
  return ticket;
}

std::unique_ptr<Ticket> Writers::ComposeLarge(const LogModel& log, uint64_t events) {
  const uint64_t number = world_.choices.Below(writers_.size());
  std::vector<EventPointer> specs;
  specs.reserve(events);
  for (uint64_t i = 0; i < events; ++i) {
    auto event = std::make_shared<EventSpec>();
    event->id = fmt::format("w{}-{}", number, writers_[number].next_id++);
    event->content = ++made_;
    event->bare = true;
    record::AppendBytesField(1, event->id, &event->body);
    specs.push_back(std::move(event));
  }
  return Finish(log, number, std::move(specs));
}

void Writers::Unknown(std::unique_ptr<Ticket> ticket) {
  std::vector<std::unique_ptr<Ticket>>& unknown = writers_[ticket->writer].unknown;
  // A writer that was told nothing for long gives up on the oldest.
  if (unknown.size() >= 8) unknown.erase(unknown.begin());
  unknown.push_back(std::move(ticket));
}

}  // namespace graven::crash
