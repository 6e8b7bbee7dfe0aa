// One load against one server, through the C++ client: appends in a closed loop for some seconds,
// prints one JSON object, and checks that everything acknowledged is really there.
//
// usage: bench_load --address ADDR --mode unary|stream [--window N] [--batch N] [--logs N]
//                   [--seconds S] [--warm-up S] [--events N] [--server-pid PID] [--discard]
//
// Everything runs on the client library's own thread: callbacks append the next. A second thread
// would take a core from the server.

#include <ctime>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "bench/latency_histogram.h"
#include "client/appender.h"
#include "client/async_client.h"
#include "client/client.h"
#include "fmt/format.h"
#include "record/event_id.h"

namespace graven::bench {
namespace {

constexpr uint64_t kSampleEvery = 997;
constexpr size_t kSamplesMax = 500;
constexpr absl::Duration kPatience = absl::Seconds(60);

struct Options {
  std::string address;
  std::string mode = "unary";
  size_t window = 1;
  size_t batch = 1;
  size_t logs = 1;
  double seconds = 2;
  double warm_up = 0.3;
  uint64_t events = 0;  // > 0: ends after so many, whatever the time
  pid_t server_pid = 0;
  bool discard = false;
};

// A record that was acknowledged under an id that we chose.
struct Sample {
  std::string log;
  uint64_t index = 0;
  std::string event_id;
};

// Some 200 bytes on the wire with the id that the client adds: an ordinary event.
std::vector<v1::Event> MakeEvents() {
  static constexpr const char* kActions[] = {"invoice.approve", "user.login", "file.download",
                                             "role.grant"};
  std::vector<v1::Event> events(1000);
  for (size_t i = 0; i < events.size(); ++i) {
    v1::Event& event = events[i];
    event.mutable_actor()->set_id(fmt::format("user-{:05}", i * 7919 % 100'000));
    event.mutable_actor()->set_type("user");
    event.set_action(kActions[i % 4]);
    v1::Target* target = event.add_targets();
    target->set_type("invoice");
    target->set_id(fmt::format("inv-2026-{:08}", i * 104'729 % 100'000'000));
    event.mutable_occurred_at()->set_seconds(1'764'000'000 + static_cast<int64_t>(i));
    event.mutable_occurred_at()->set_nanos(static_cast<int32_t>(i * 1'000'003 % 1'000'000'000));
    event.set_outcome(i % 10 == 0 ? v1::OUTCOME_DENIED : v1::OUTCOME_SUCCESS);
    event.mutable_source()->set_service("billing");
    event.mutable_source()->set_ip(fmt::format("10.0.{}.{}", i % 256, i * 31 % 256));
    event.set_request_id(fmt::format("req-{:012x}", i * 2'654'435'761u));
    v1::Label* label = event.add_labels();
    label->set_key("tenant");
    label->set_value(fmt::format("tenant-{:03}", i % 512));
  }
  return events;
}

int64_t ClockNs(clockid_t clock) {
  timespec time{};
  if (clock_gettime(clock, &time) != 0) return 0;
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// Processor time of a whole process, or 0.
int64_t CpuNs(pid_t pid) {
  clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
  if (pid != 0 && clock_getcpuclockid(pid, &clock) != 0) return 0;
  return ClockNs(clock);
}

// The closed loop. `window` appends are in flight; each answer starts the next one.
class Load {
 public:
  Load(const Options& options, client::Client* client)
      : options_(options), client_(client), events_(MakeEvents()) {}

  absl::Status Run();
  std::string Report() const;

 private:
  struct Counts {
    uint64_t events = 0;
    int64_t at_ns = 0;
    int64_t client_cpu_ns = 0;
    int64_t server_cpu_ns = 0;
  };

  absl::Status Start();
  absl::Status AppendOne();
  void Answered(int64_t started_ns, const absl::Status& status, uint64_t events,
                std::unique_ptr<Sample> sample, uint64_t index);
  void Next();
  std::span<const v1::Event> NextEvents(std::unique_ptr<Sample>* sample);
  std::string NextLog();
  Counts Take() const;
  absl::Status CheckAllThere(const std::map<std::string, uint64_t>& before);
  absl::StatusOr<std::map<std::string, uint64_t>> Sizes();
  absl::Status MakeLogs();

  const Options options_;
  client::Client* const client_;
  std::vector<v1::Event> events_;
  std::vector<v1::Event> sampled_events_;
  record::EventIdMaker ids_{SystemClock(), SystemRandom()};
  size_t next_event_ = 0;
  uint64_t requests_ = 0;
  bool window_filled_ = false;
  std::vector<std::string> logs_;
  std::vector<Sample> samples_;
  absl::Status failed_;
  LatencyHistogram latency_;

  std::atomic<uint64_t> acknowledged_ = 0;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> measuring_ = false;
  Counts begin_;
  Counts end_;
  size_t checked_ = 0;

  // Last: their threads use the rest.
  std::unique_ptr<client::AsyncClient> async_;
  std::unique_ptr<client::Appender> appender_;
};

std::string Load::NextLog() { return logs_[requests_ % logs_.size()]; }

// The next events in turn; now and then with an id of ours, to look for afterwards.
std::span<const v1::Event> Load::NextEvents(std::unique_ptr<Sample>* sample) {
  if (next_event_ + options_.batch > events_.size()) next_event_ = 0;
  const std::span<const v1::Event> events(&events_[next_event_], options_.batch);
  next_event_ += options_.batch;
  if (++requests_ % kSampleEvery != 1 || samples_.size() >= kSamplesMax) return events;
  sampled_events_.assign(events.begin(), events.end());
  *sample = std::make_unique<Sample>();
  (*sample)->event_id = ids_.Next();
  (*sample)->log = NextLog();
  sampled_events_[0].set_event_id((*sample)->event_id);
  return sampled_events_;
}

absl::Status Load::AppendOne() {
  std::unique_ptr<Sample> sample;
  const std::span<const v1::Event> events = NextEvents(&sample);
  const int64_t now = ClockNs(CLOCK_MONOTONIC);
  if (async_ != nullptr) {
    client::AppendOptions append;
    append.log = NextLog();
    return async_->Append(
        events,
        [this, now,
         sample = std::move(sample)](const absl::StatusOr<v1::AppendResponse>& answer) mutable {
          const bool has_receipt = answer.ok() && answer->receipts_size() > 0;
          Answered(now, answer.status(), options_.batch, std::move(sample),
                   has_receipt ? answer->receipts(0).index() : 0);
        },
        append);
  }
  auto done = [this, now,
               sample = std::move(sample)](const absl::StatusOr<client::Appended>& answer) mutable {
    Answered(now, answer.status(), options_.batch, std::move(sample),
             answer.ok() ? answer->first_index.value : 0);
  };
  if (options_.batch == 1) return appender_->Append(events[0], std::move(done));
  return appender_->AppendGroup(events, std::move(done));
}

void Load::Answered(int64_t started_ns, const absl::Status& status, uint64_t events,
                    std::unique_ptr<Sample> sample, uint64_t index) {
  if (!status.ok()) {
    if (failed_.ok()) failed_ = status;
    stop_ = true;
    return;
  }
  if (measuring_.load(std::memory_order_relaxed)) {
    latency_.Add(ClockNs(CLOCK_MONOTONIC) - started_ns);
  }
  const uint64_t all = acknowledged_.load(std::memory_order_relaxed) + events;
  acknowledged_.store(all, std::memory_order_relaxed);
  if (sample != nullptr) {
    sample->index = index;
    samples_.push_back(std::move(*sample));
  }
  if (options_.events > 0 && all + options_.window * options_.batch > options_.events) stop_ = true;
  if (!std::exchange(window_filled_, true)) {
    for (size_t i = 1; i < options_.window; ++i) Next();
  }
  Next();
}

void Load::Next() {
  if (stop_.load(std::memory_order_relaxed)) return;
  const absl::Status status = AppendOne();
  if (status.ok() || stop_) return;  // stopped in between: the client is closed by now
  if (failed_.ok()) failed_ = status;
  stop_ = true;
}

absl::Status Load::MakeLogs() {
  if (options_.logs == 1) {
    logs_.push_back("default");
    return absl::OkStatus();
  }
  for (size_t i = 0; i < options_.logs; ++i) {
    logs_.push_back(fmt::format("bench-{:04}", i));
    if (options_.discard) continue;
    v1::CreateLogRequest request;
    request.set_name(logs_.back());
    const auto log = client_->CreateLog(request);
    if (!log.ok() && !absl::IsAlreadyExists(log.status())) return log.status();
  }
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, uint64_t>> Load::Sizes() {
  std::map<std::string, uint64_t> sizes;
  if (options_.discard) return sizes;
  for (const std::string& name : logs_) {
    ASSIGN_OR_RETURN(const v1::Log log, client_->GetLog(name));
    sizes[name] = log.durable_size();
  }
  return sizes;
}

// Sizes have grown by exactly what was acknowledged, and the sampled records stand where the
// answers said, under a hash that fits their bytes.
absl::Status Load::CheckAllThere(const std::map<std::string, uint64_t>& before) {
  if (options_.discard) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto after, Sizes());
  uint64_t grown = 0;
  for (const auto& [name, size] : after) grown += size - before.at(name);
  if (grown != acknowledged_) {
    return absl::DataLossError(
        fmt::format("{} events acknowledged, the logs grew by {}", acknowledged_.load(), grown));
  }
  for (const Sample& sample : samples_) {
    ASSIGN_OR_RETURN(const auto reply,
                     client_->GetRecord(LogIndex(sample.index), false, false, sample.log));
    const std::string& record = reply.record().record();
    if (record.find(sample.event_id) == std::string::npos ||
        reply.record().record_hash() != Sha256Prefixed(0, record).view()) {
      return absl::DataLossError(
          fmt::format("record {} of {} is not the event {} that was acknowledged", sample.index,
                      sample.log, sample.event_id));
    }
    ++checked_;
  }
  return absl::OkStatus();
}

Load::Counts Load::Take() const {
  return {acknowledged_, ClockNs(CLOCK_MONOTONIC), CpuNs(0),
          options_.server_pid == 0 ? 0 : CpuNs(options_.server_pid)};
}

absl::Status Load::Start() {
  if (options_.mode == "unary") {
    ASSIGN_OR_RETURN(async_, client::AsyncClient::Open(*client_, options_.window));
  } else {
    ASSIGN_OR_RETURN(appender_,
                     client::Appender::Open(*client_, {.window_requests = options_.window,
                                                       .window_bytes = size_t{256} << 20}));
  }
  return absl::OkStatus();
}

absl::Status Load::Run() {
  RETURN_IF_ERROR(MakeLogs());
  ASSIGN_OR_RETURN(const auto before, Sizes());
  RETURN_IF_ERROR(Start());
  // The first one alone: from its answer on, the library's thread does it all.
  RETURN_IF_ERROR(AppendOne());
  const auto wait = [this](double seconds) {
    const absl::Time end = absl::Now() + absl::Seconds(seconds);
    while (!stop_ && absl::Now() < end) absl::SleepFor(absl::Milliseconds(5));
  };
  wait(options_.warm_up);
  begin_ = Take();
  measuring_ = true;
  wait(options_.events > 0 ? 3600 : options_.seconds);
  end_ = Take();
  measuring_ = false;
  stop_ = true;
  RETURN_IF_ERROR(async_ != nullptr ? async_->Close(kPatience) : appender_->Close(kPatience));
  RETURN_IF_ERROR(failed_);
  return CheckAllThere(before);
}

std::string Load::Report() const {
  const double seconds = static_cast<double>(end_.at_ns - begin_.at_ns) / 1e9;
  const double events = static_cast<double>(end_.events - begin_.events);
  const auto micros = [&](int64_t from, int64_t to) {
    return events == 0 ? 0 : static_cast<double>(to - from) / 1000 / events;
  };
  return fmt::format(
      R"({{"events": {}, "seconds": {:.3f}, "rate": {:.0f}, "p50_us": {:.1f}, "p99_us": {:.1f}, )"
      R"("client_cpu_us": {:.3f}, "server_cpu_us": {:.3f}, "acknowledged": {}, "samples": {}}})",
      end_.events - begin_.events, seconds, events / seconds, latency_.Quantile(0.5) / 1000,
      latency_.Quantile(0.99) / 1000, micros(begin_.client_cpu_ns, end_.client_cpu_ns),
      micros(begin_.server_cpu_ns, end_.server_cpu_ns), acknowledged_.load(), checked_);
}

absl::StatusOr<Options> ParseOptions(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--discard") {
      options.discard = true;
      continue;
    }
    if (++i == argc) return absl::InvalidArgumentError(fmt::format("{}: no value", name));
    const char* value = argv[i];
    if (name == "--address") {
      options.address = value;
    } else if (name == "--mode") {
      options.mode = value;
    } else if (name == "--window") {
      options.window = std::strtoull(value, nullptr, 10);
    } else if (name == "--batch") {
      options.batch = std::strtoull(value, nullptr, 10);
    } else if (name == "--logs") {
      options.logs = std::strtoull(value, nullptr, 10);
    } else if (name == "--events") {
      options.events = std::strtoull(value, nullptr, 10);
    } else if (name == "--seconds") {
      options.seconds = std::strtod(value, nullptr);
    } else if (name == "--warm-up") {
      options.warm_up = std::strtod(value, nullptr);
    } else if (name == "--server-pid") {
      options.server_pid = static_cast<pid_t>(std::strtol(value, nullptr, 10));
    } else {
      return absl::InvalidArgumentError(fmt::format("{}: unknown", name));
    }
  }
  const bool known_mode = options.mode == "unary" || options.mode == "stream";
  if (options.address.empty() || !known_mode || options.window == 0 || options.batch == 0 ||
      options.batch > 1000 || options.logs == 0 || (options.logs > 1 && options.mode == "stream")) {
    return absl::InvalidArgumentError("see the head of bench/load.cc for the arguments");
  }
  return options;
}

absl::Status Main(int argc, char** argv) {
  ASSIGN_OR_RETURN(const Options options, ParseOptions(argc, argv));
  client::ClientOptions connect;
  connect.address = options.address;
  ASSIGN_OR_RETURN(auto client, client::Client::Connect(connect));
  RETURN_IF_ERROR(client->WaitUntilConnected(kPatience));
  Load load(options, client.get());
  RETURN_IF_ERROR(load.Run());
  std::puts(load.Report().c_str());
  return absl::OkStatus();
}

}  // namespace
}  // namespace graven::bench

int main(int argc, char** argv) {
  // Debian's Abseil has its lock-order detector on; gRPC's locks pay for it.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const absl::Status status = graven::bench::Main(argc, argv);
  if (status.ok()) return 0;
  std::fprintf(stderr, "bench_load: %s\n", status.ToString().c_str());
  return 1;
}
