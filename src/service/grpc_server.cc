#include "service/grpc_server.h"

#include <fmt/format.h>
#include <grpcpp/alarm.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "base/thread_name.h"
#include "engine/error_details.h"
#include "service/follow_calls.h"
#include "service/watch_calls.h"
#include "service/worked_calls.h"

namespace graven::service {
namespace {

// gRPC handles one socket a poll, so an empty poll does not mean that nothing is there.
constexpr int kEmptyPollsMax = 4;
// Under constant load the queue never runs empty: a round is due after so much.
constexpr int kEventsPerDrainMax = 16'384;
constexpr size_t kBytesPerDrainMax = size_t{512} << 10;
// So much is applied at once, while more is still arriving.
constexpr size_t kBytesPerAbsorb = size_t{32} << 10;
// While requests of streams are held, the journal is asked for room so often.
constexpr int64_t kRetryNs = 5'000'000;

constexpr int kWorkers = 2;
constexpr int kMetadataBytesMax = 16 * 1024;

void InitReflection() {
  static std::once_flag once;
  std::call_once(once, [] { grpc::reflection::InitProtoReflectionServerBuilderPlugin(); });
}

std::unique_ptr<search::Searches> OwnSearches(ledger::Ledger& ledger, engine::Engine& engine,
                                              Clock& clock, const GrpcServerOptions& options) {
  if (options.searches != nullptr) return nullptr;
  return std::make_unique<search::Searches>(ledger, engine.hub(), engine.cosigned_hub(), clock);
}

class GrpcServerImpl final : public GrpcServer {
 public:
  GrpcServerImpl(ledger::Ledger& ledger, engine::Engine& engine, Clock& clock, Random& random,
                 const GrpcServerOptions& options, engine::Authenticator authenticator);

  ~GrpcServerImpl() override { Stop(0); }

  absl::Status Listen(const GrpcServerOptions& options);
  const std::vector<std::string>& addresses() const override { return addresses_; }
  uint64_t tailers() const override { return environment_.counters.tailers; }
  uint64_t tailer_lag_records() const override { return follows_.LagRecordsMax(); }
  void WakeWriter() override;
  void Stop(int64_t patience_ms) override;

 private:
  void Configure(const GrpcServerOptions& options, grpc::ServerBuilder* builder);
  void Run();
  bool Drain();
  bool MayHaveRoom();
  bool Next(gpr_timespec deadline, bool* got);
  void OnStop(bool ok);
  void OnWake(bool ok);

  engine::Engine& engine_;
  Clock& clock_;
  const std::unique_ptr<search::Searches> own_searches_;
  search::Searches& searches_;
  const engine::Authenticator authenticator_;
  engine::WorkerPool workers_;
  engine::AppendIntake intake_;
  CallEnvironment environment_;
  CompatCalls compat_;
  GravenServer graven_;
  HealthServer health_;
  // Its events are what the calls wait for; so it goes after them, and the server after it.
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  UnaryAppendPool appends_, sends_;
  AppendStreams streams_;
  FollowCalls follows_;
  WatchCalls watches_;
  WorkedCalls worked_;
  std::vector<std::string> addresses_;
  int empty_polls_max_ = kEmptyPollsMax;  // the loop's own
  int64_t next_try_ns_ = 0;               // the same
  CallTag<GrpcServerImpl> stop_tag_;
  grpc::Alarm stop_alarm_;
  std::promise<void> stop_seen_;
  CallTag<GrpcServerImpl> wake_tag_;
  std::mutex wake_mutex_;
  bool wake_pending_ = false;  // guarded by wake_mutex_
  grpc::Alarm wake_alarm_;     // the same
  std::thread loop_thread_;
};

GrpcServerImpl::GrpcServerImpl(ledger::Ledger& ledger, engine::Engine& engine, Clock& clock,
                               Random& random, const GrpcServerOptions& options,
                               engine::Authenticator authenticator)
    : engine_(engine),
      clock_(clock),
      own_searches_(OwnSearches(ledger, engine, clock, options)),
      searches_(own_searches_ == nullptr ? *options.searches : *own_searches_),
      authenticator_(std::move(authenticator)),
      workers_(kWorkers),
      intake_(ledger, options.rules, clock, random, engine.meter()),
      environment_{
          ledger,         engine.sequencer(), intake_,  engine.hub(),   engine.cosigned_hub(),
          engine.meter(), engine.scrub(),     workers_, authenticator_, clock,
          searches_},
      graven_(environment_, options.facts),
      health_(environment_),
      appends_(options.unary, AppendCallMaker(environment_, graven_)),
      sends_(options.unary, SendAuditLogCallMaker(environment_, compat_)),
      streams_(environment_, graven_, options.streams),
      follows_(options.tailers_max),
      watches_(environment_, health_, options.watchers_max),
      stop_tag_(this, &GrpcServerImpl::OnStop),
      wake_tag_(this, &GrpcServerImpl::OnWake) {}

void GrpcServerImpl::Configure(const GrpcServerOptions& options, grpc::ServerBuilder* builder) {
  builder->RegisterService(&graven_);
  builder->RegisterService(&compat_);
  builder->RegisterService(&health_);
  builder->SetMaxReceiveMessageSize(static_cast<int>(engine::kRequestBytesMax));
  builder->SetMaxSendMessageSize(-1);
  // Without this a second server shares the port in silence.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.streams_per_connection_max);
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  grpc::ResourceQuota quota("graven");
  quota.Resize(options.grpc_memory_bytes).SetMaxThreads(options.sync_threads_max);
  builder->SetResourceQuota(quota);
  builder->SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder->SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder->SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
}

absl::Status GrpcServerImpl::Listen(const GrpcServerOptions& options) {
  InitReflection();
  grpc::ServerBuilder builder;
  Configure(options, &builder);
  std::vector<int> ports(options.listen.size(), 0);
  for (size_t i = 0; i < options.listen.size(); ++i) {
    const GrpcListen& listen = options.listen[i];
    builder.AddListeningPort(
        listen.address, listen.credentials ? listen.credentials : grpc::InsecureServerCredentials(),
        &ports[i]);
  }
  queue_ = builder.AddCompletionQueue();
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) {
    for (size_t i = 0; i < ports.size(); ++i) {
      if (ports[i] != 0) continue;
      return absl::UnavailableError(
          fmt::format("cannot listen on {}: it is in use, or not an address of this machine, or "
                      "not allowed to this user",
                      options.listen[i].address));
    }
    return absl::UnavailableError("gRPC could not be started");
  }
  for (size_t i = 0; i < ports.size(); ++i) {
    const std::string& address = options.listen[i].address;
    addresses_.push_back(
        address.starts_with("unix:")
            ? address
            : fmt::format("{}:{}", address.substr(0, address.rfind(':')), ports[i]));
  }
  environment_.queue = queue_.get();
  appends_.Start();
  sends_.Start();
  streams_.Start();
  follows_.Start(environment_, graven_, compat_);
  watches_.Start();
  worked_.Start(environment_, graven_);
  loop_thread_ = std::thread([this] { Run(); });
  NameThread(loop_thread_, "graven-loop");
  return absl::OkStatus();
}

// False when the queue has been closed and emptied.
bool GrpcServerImpl::Next(gpr_timespec deadline, bool* got) {
  void* tag = nullptr;
  bool ok = false;
  const auto status = queue_->AsyncNext(&tag, &ok, deadline);
  if (status == grpc::CompletionQueue::SHUTDOWN) return false;
  *got = status == grpc::CompletionQueue::GOT_EVENT;
  if (*got) static_cast<Tag*>(tag)->Proceed(ok);
  return true;
}

// Waits for an event, then takes what else is there as long as appends are among it.
bool GrpcServerImpl::Drain() {
  // A moment that has passed: the poll does not block.
  const gpr_timespec past = gpr_time_0(GPR_CLOCK_MONOTONIC);
  gpr_timespec deadline = gpr_inf_future(GPR_CLOCK_MONOTONIC);
  if (engine_.sequencer().queued_bytes() > 0) {
    deadline = past;  // requests that were held went in after the last round
  } else if (streams_.holding()) {
    deadline =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(kRetryNs, GPR_TIMESPAN));
  }
  bool got = false;
  if (!Next(deadline, &got)) return false;
  size_t absorbed = 0;
  int empty_polls = 0;
  for (int events = 0; events < kEventsPerDrainMax && empty_polls < empty_polls_max_; ++events) {
    const size_t queued = engine_.sequencer().queued_bytes();
    if (queued + absorbed == 0 || queued + absorbed > kBytesPerDrainMax) break;
    if (queued >= kBytesPerAbsorb) {
      engine_.loop().Absorb();
      absorbed += queued;
    }
    if (!Next(past, &got)) return false;
    empty_polls = got ? 0 : empty_polls + 1;
  }
  return true;
}

void GrpcServerImpl::Run() {
  bool open = true;
  while (open) {
    open = Drain();
    // A writer that is alone should not wait for others to come.
    size_t answered = engine_.loop().Round();
    empty_polls_max_ = answered == 1 ? 1 : kEmptyPollsMax;
    while (answered > 0) answered = engine_.loop().Round();
    streams_.AfterRound(MayHaveRoom());
  }
}

// What was held because the queue was full finds it empty after a round. What the journal had no
// room for waits until it has: tried again at once it would be put off again, as fast as the loop
// turns.
bool GrpcServerImpl::MayHaveRoom() {
  if (!engine_.loop().put_off()) return true;
  const int64_t now_ns = clock_.SteadyNs();
  if (now_ns < next_try_ns_) return false;
  next_try_ns_ = now_ns + kRetryNs;
  // Only what is held counts: whoever else found no room was told so. Any other state than want of
  // room is for Apply to say.
  const size_t wanted = streams_.BytesWanted();
  return wanted == 0 || !absl::IsResourceExhausted(environment_.ledger.CheckRoom(wanted));
}

void GrpcServerImpl::OnStop(bool) {
  appends_.Stop();
  sends_.Stop();
  streams_.Stop();
  follows_.Stop();
  worked_.Stop();
  watches_.Stop();
  stop_seen_.set_value();
}

void GrpcServerImpl::WakeWriter() {
  std::lock_guard lock(wake_mutex_);
  // An alarm is set again only after its event has been seen.
  if (wake_pending_) return;
  wake_pending_ = true;
  wake_alarm_.Set(queue_.get(), gpr_time_0(GPR_CLOCK_MONOTONIC), static_cast<Tag*>(&wake_tag_));
}

// On the loop's thread, which looks at the sequencer after every event.
void GrpcServerImpl::OnWake(bool) {
  std::lock_guard lock(wake_mutex_);
  wake_pending_ = false;
}

void GrpcServerImpl::Stop(int64_t patience_ms) {
  if (!loop_thread_.joinable()) return;
  environment_.stopping = true;
  // The loop's own objects are told on its thread; after that it arms no more calls.
  stop_alarm_.Set(queue_.get(), gpr_time_0(GPR_CLOCK_MONOTONIC), static_cast<Tag*>(&stop_tag_));
  stop_seen_.get_future().wait();
  // Returns when every call has ended. The loop goes on answering meanwhile.
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(patience_ms));
  // No worker may start an operation on a queue that is closed.
  workers_.Stop();
  searches_.Stop();
  // Whoever still waits for publication was cancelled; the hub must not call what is about to go.
  engine_.hub().Close();
  engine_.cosigned_hub().Close();
  queue_->Shutdown();
  loop_thread_.join();
  engine_.sequencer().Close();
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(ledger::Ledger& ledger,
                                                              engine::Engine& engine, Clock& clock,
                                                              Random& random,
                                                              const GrpcServerOptions& options) {
  ASSIGN_OR_RETURN(engine::Authenticator authenticator,
                   engine::Authenticator::Create(options.authentication));
  auto server = std::make_unique<GrpcServerImpl>(ledger, engine, clock, random, options,
                                                 std::move(authenticator));
  RETURN_IF_ERROR(server->Listen(options));
  return server;
}

}  // namespace graven::service
