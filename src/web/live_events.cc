#include "web/live_events.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "base/encoding.h"
#include "base/status_macros.h"
#include "engine/error_details.h"
#include "engine/published_reads.h"
#include "json/object_text.h"
#include "query/parser.h"
#include "search/scan.h"
#include "web/arguments.h"
#include "web/errors.h"

namespace graven::web {
namespace {

constexpr uint64_t kRowsMax = 256;
// Of rows in one piece: more waits until the peer has taken it.
constexpr uint64_t kPieceRecordsMax = 8 * kRowsMax;
constexpr size_t kPieceBytesMax = size_t{1} << 20;
constexpr uint64_t kBehindMax = 10'000;
// A page draws 20 batches a second without effort, and thousands of single events with much.
constexpr int64_t kRowsIntervalNs = 50'000'000;
constexpr int64_t kStatsIntervalNs = 1'000'000'000;
constexpr int64_t kHeartbeatNs = 15'000'000'000;
// Not all who lost the server at once come back at once.
constexpr int64_t kRetryMsMin = 1'000;
constexpr int64_t kRetryMsSpread = 2'000;
constexpr std::string_view kHeartbeat = ":\n\n";

void AppendEvent(std::string_view name, std::string_view data, std::string* out) {
  *out += fmt::format("event: {}\ndata: {}\n\n", name, data);
}

// One subscriber's place in one log. Next and the hub's calls come from different threads, one at a
// time but for Cancel.
class LiveStream final : public std::enable_shared_from_this<LiveStream> {
 public:
  // `filtered`: only what matches is shown; nothing: all. `place`: of one that is filtered.
  LiveStream(const LiveParts& parts, ledger::LogRef log, uint64_t position,
             std::optional<search::ScanSource> filtered, search::Admission::Ticket place)
      : parts_(parts),
        log_(log),
        position_(position),
        filtered_(std::move(filtered)),
        place_(std::move(place)),
        said_position_(position) {}

  void Next(http::BodySource::Give give) {
    absl::StatusOr<std::string> piece = Compose();
    if (!piece.ok() || !piece->empty()) {
      last_said_ns_ = parts_.clock.SteadyNs();
      give(std::move(piece));
      return;
    }
    bool cancelled = false;
    {
      const std::lock_guard lock(mutex_);
      cancelled = cancelled_;
      if (!cancelled) give_ = std::move(give);
    }
    if (cancelled) {
      give("");
    } else {
      Wait();
    }
  }

  void Cancel() {
    uint64_t ticket = 0;
    {
      const std::lock_guard lock(mutex_);
      cancelled_ = true;
      ticket = ticket_;
    }
    if (ticket != 0) parts_.hub.Cancel(ticket);
    Give("");
  }

 private:
  // What there is to say now; empty when it is nothing.
  absl::StatusOr<std::string> Compose();
  void AppendHello(std::string* out);
  absl::Status AppendRows(std::string* out);
  absl::Status AppendMatches(uint64_t end, std::string* out);
  // Matches, and how far it has come.
  void AppendLooked(std::string_view records, std::string* out);
  // Where nothing matches, it is said now and then how far it has come, so that who comes back does
  // not begin where he was long ago.
  bool OwesPosition(int64_t now_ns) const {
    return filtered_ && position_ != said_position_ &&
           now_ns - said_position_ns_ >= kStatsIntervalNs;
  }
  // Those that are larger than what was said last, and one that got its cosignatures anew.
  void AppendCheckpoints(std::string* out);
  void AppendStats(int64_t now_ns, std::string* out);

  uint64_t published() const { return parts_.ledger.GetPublished(log_)->size.value; }
  bool HasNews() const;

  // Until there is something to say, or time for a sign of life.
  void Wait();
  void Wake(engine::PublicationOutcome outcome);

  // Hands over what Next owes, unless that was done.
  void Give(std::string piece) {
    http::BodySource::Give give;
    {
      const std::lock_guard lock(mutex_);
      give = std::exchange(give_, nullptr);
    }
    if (give) give(std::move(piece));
  }

  const LiveParts& parts_;
  const ledger::LogRef log_;
  uint64_t position_;
  const std::optional<search::ScanSource> filtered_;
  const search::Admission::Ticket place_;
  // With a query: how far it was said to have come, and when.
  uint64_t said_position_;
  int64_t said_position_ns_ = 0;
  bool greeted_ = false;
  int64_t last_said_ns_ = 0;
  int64_t last_rows_ns_ = 0;
  int64_t last_stats_ns_ = 0;
  uint64_t stats_size_ = 0;
  uint64_t stats_durable_ = 0;
  std::shared_ptr<const ledger::Published> said_published_;
  std::shared_ptr<const ledger::Published> said_cosigned_;

  std::mutex mutex_;  // guards what follows
  http::BodySource::Give give_;
  uint64_t ticket_ = 0;
  bool cancelled_ = false;
};

absl::StatusOr<std::string> LiveStream::Compose() {
  const int64_t now_ns = parts_.clock.SteadyNs();
  std::string out;
  if (!greeted_) AppendHello(&out);
  if (position_ < published() && now_ns - last_rows_ns_ >= kRowsIntervalNs) {
    last_rows_ns_ = now_ns;
    RETURN_IF_ERROR(AppendRows(&out));
  }
  if (OwesPosition(now_ns)) AppendLooked("[]", &out);
  AppendCheckpoints(&out);
  if (now_ns - last_stats_ns_ >= kStatsIntervalNs) AppendStats(now_ns, &out);
  return out;
}

void LiveStream::AppendHello(std::string* out) {
  greeted_ = true;
  const ledger::LogInfo info = parts_.ledger.Info(log_);
  const int64_t spread = parts_.clock.SteadyNs() / 1'000 % kRetryMsSpread;
  *out += fmt::format("retry: {}\n", kRetryMsMin + spread);
  json::ObjectText hello;
  hello.Text("log", info.name).Text("origin", info.origin).Text("vkey", info.vkey);
  hello.Bytes("genesisHash", info.genesis_hash.view()).Text("version", parts_.version);
  hello.Uint64("size", info.published_size.value).Uint64("durableSize", info.durable_size.value);
  AppendEvent("hello", hello.Finish(), out);
}

absl::Status LiveStream::AppendRows(std::string* out) {
  const uint64_t size = published();
  if (size - position_ > kBehindMax) {
    json::ObjectText gap;
    gap.Uint64("from", position_).Uint64("to", size);
    *out += fmt::format("id: {}\n", size);
    AppendEvent("gap", gap.Finish(), out);
    position_ = said_position_ = size;
    return absl::OkStatus();
  }
  const uint64_t end = std::min(size, position_ + kPieceRecordsMax);
  if (filtered_) return AppendMatches(end, out);
  while (position_ < end && out->size() < kPieceBytesMax) {
    const uint64_t first = position_;
    json::ArrayText records;
    RETURN_IF_ERROR(
        parts_.ledger.ReadRecords(log_, LogIndex(first), std::min(kRowsMax, end - first),
                                  [&](LogIndex index, std::string_view record, const Hash&) {
                                    records.Bytes(record);
                                    position_ = index.value + 1;
                                    return records.bytes() < kPieceBytesMax;
                                  }));
    if (position_ == first) {
      return absl::DataLossError(fmt::format("record {} is published and cannot be read", first));
    }
    json::ObjectText rows;
    rows.Uint64("first", first).Raw("records", records.Finish());
    *out += fmt::format("id: {}\n", position_);
    AppendEvent("rows", rows.Finish(), out);
  }
  return absl::OkStatus();
}

absl::Status LiveStream::AppendMatches(uint64_t end, std::string* out) {
  json::ArrayText records;
  uint64_t count = 0;
  search::Scan scan = search::Scan::Within(*filtered_, position_, end);
  // What is left when the turn is over is looked at with the next piece: the door has few threads.
  const search::Turn turn{&parts_.clock, parts_.clock.SteadyNs() + search::kTurnNs};
  RETURN_IF_ERROR(scan.Step(turn, [&](const search::Hit& hit) {
    json::ObjectText one;
    one.Uint64("index", hit.index.value).Bytes("record", hit.record);
    records.Raw(one.Finish());
    const bool full = ++count == kRowsMax || records.bytes() >= kPieceBytesMax;
    return full ? search::Verdict::kStop : search::Verdict::kGoOn;
  }));
  position_ = scan.done() ? end : scan.position();
  if (count > 0) AppendLooked(records.Finish(), out);
  return absl::OkStatus();
}

void LiveStream::AppendLooked(std::string_view records, std::string* out) {
  json::ObjectText rows;
  rows.Raw("records", records).Uint64("next", position_);
  *out += fmt::format("id: {}\n", position_);
  AppendEvent("rows", rows.Finish(), out);
  said_position_ = position_;
  said_position_ns_ = parts_.clock.SteadyNs();
}

void LiveStream::AppendCheckpoints(std::string* out) {
  const auto append = [&](ledger::CheckpointLevel level, std::string_view name,
                          std::shared_ptr<const ledger::Published>* said) {
    auto checkpoint = parts_.ledger.GetCheckpoint(log_, level);
    if (checkpoint == nullptr || checkpoint == *said || checkpoint->checkpoint.empty()) return;
    json::ObjectText body;
    body.Text("level", name).Uint64("size", checkpoint->size.value);
    body.Text("note", checkpoint->checkpoint);
    AppendEvent("checkpoint", body.Finish(), out);
    *said = std::move(checkpoint);
  };
  append(ledger::CheckpointLevel::kPublished, "published", &said_published_);
  append(ledger::CheckpointLevel::kCosigned, "cosigned", &said_cosigned_);
}

void LiveStream::AppendStats(int64_t now_ns, std::string* out) {
  const uint64_t size = published();
  const uint64_t durable = parts_.ledger.DurableSize(log_).value;
  const bool first = last_stats_ns_ == 0;
  const double seconds = static_cast<double>(now_ns - last_stats_ns_) / 1e9;
  const uint64_t rate =
      first ? 0 : static_cast<uint64_t>(static_cast<double>(size - stats_size_) / seconds);
  if (!first && size == stats_size_ && durable == stats_durable_) return;
  json::ObjectText stats;
  stats.Uint64("size", size).Uint64("durableSize", durable).Uint64("rate", rate);
  AppendEvent("stats", stats.Finish(), out);
  last_stats_ns_ = now_ns;
  stats_size_ = size;
  stats_durable_ = durable;
}

bool LiveStream::HasNews() const {
  return position_ < published() || OwesPosition(parts_.clock.SteadyNs()) ||
         parts_.ledger.GetPublished(log_) != said_published_ ||
         parts_.ledger.GetCheckpoint(log_, ledger::CheckpointLevel::kCosigned) != said_cosigned_;
}

void LiveStream::Wait() {
  const int64_t now_ns = parts_.clock.SteadyNs();
  // Records that are there already wait for the next turn; so does a cosignature, which nobody
  // calls out.
  const bool rows_wait = position_ < published();
  const uint64_t size = rows_wait ? UINT64_MAX : position_ + 1;
  const int64_t until_ns = rows_wait ? last_rows_ns_ + kRowsIntervalNs : now_ns + kStatsIntervalNs;
  const uint64_t ticket = parts_.hub.Await(
      log_, TreeSize(size), until_ns,
      [self = shared_from_this()](engine::PublicationOutcome outcome) { self->Wake(outcome); });
  bool cancelled = false;
  {
    const std::lock_guard lock(mutex_);
    ticket_ = ticket;
    cancelled = cancelled_;
  }
  if (cancelled && ticket != 0) parts_.hub.Cancel(ticket);
}

// On the publisher's thread, which must not read records: the server asks for them on a thread of
// its own once it has something to send, be it a comment.
void LiveStream::Wake(engine::PublicationOutcome outcome) {
  if (outcome == engine::PublicationOutcome::kStopping) {
    Give("");
  } else if (HasNews() || parts_.clock.SteadyNs() - last_said_ns_ >= kHeartbeatNs) {
    last_said_ns_ = parts_.clock.SteadyNs();
    Give(std::string(kHeartbeat));
  } else {
    Wait();
  }
}

class LiveSource final : public http::BodySource {
 public:
  explicit LiveSource(std::shared_ptr<LiveStream> stream) : stream_(std::move(stream)) {}
  void Next(Give give) override { stream_->Next(std::move(give)); }
  void Cancel() override { stream_->Cancel(); }

 private:
  const std::shared_ptr<LiveStream> stream_;
};

// Where to begin: after the last event that the peer has seen, if it says so.
absl::StatusOr<uint64_t> BeginOf(const Call& call, const Arguments& arguments,
                                 const ledger::Ledger& ledger, ledger::LogRef log) {
  const uint64_t size = ledger.GetPublished(log)->size.value;
  uint64_t begin = size;
  if (const auto last = call.request.Find("last-event-id")) {
    const auto index = ParseDecimal(*last);
    if (!index) return engine::InvalidField("Last-Event-ID", "must be an index");
    begin = *index;
  } else if (const auto from = arguments.Text("from"); from && *from != "now") {
    const auto index = ParseDecimal(*from);
    if (!index) return engine::InvalidField("from", "must be an index or \"now\"");
    begin = *index;
  }
  if (begin <= size) return begin;
  return engine::InvalidField("from", fmt::format("is {}; the log has {} records", begin, size));
}

}  // namespace

void AddLiveRoute(LiveParts parts, Routes* routes) {
  const auto shared = std::make_shared<const LiveParts>(std::move(parts));
  const DirectHandler handler = [shared](const Call& call) -> absl::StatusOr<http::Response> {
    ASSIGN_OR_RETURN(const Arguments arguments, Arguments::Take(call.query, {"from", "q"}));
    const engine::PublishedReads reads(shared->ledger, shared->hub, shared->hub);
    ASSIGN_OR_RETURN(const ledger::LogRef log, reads.FindLog(call.parameters[0]));
    ASSIGN_OR_RETURN(const uint64_t begin, BeginOf(call, arguments, shared->ledger, log));
    std::optional<search::ScanSource> filtered;
    search::Admission::Ticket place;
    if (const auto text = arguments.Text("q"); text && !text->empty()) {
      absl::StatusOr<query::Query> read = query::Parse(*text);
      if (!read.ok()) {
        return engine::InvalidField("q", std::string(read.status().message()));
      }
      if (shared->followers != nullptr) {
        ASSIGN_OR_RETURN(place, shared->followers->Admit(
                                    search::PeerName(call.identity, call.request.peer.address)));
      }
      filtered.emplace(search::ScanSource{
          .ledger = &shared->ledger, .log = log, .filter = shared->filters.Share(log, *read)});
      filtered->query = *std::move(read);
    }
    http::Response response;
    response.content_type = "text/event-stream";
    // Proxies that gather what they pass on would hold events back.
    response.headers.push_back({"X-Accel-Buffering", "no"});
    response.source = std::make_unique<LiveSource>(
        std::make_shared<LiveStream>(*shared, log, begin, std::move(filtered), std::move(place)));
    return response;
  };
  routes->Add({"GET", "/logs/{log}/live", Directly(handler)});
}

}  // namespace graven::web
