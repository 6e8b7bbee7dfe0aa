#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "http/server.h"
#include "verify/producer_sequences.h"
#include "webhook/outbox.h"

namespace graven::audit {

// What a monitor shows of itself: /metrics for Prometheus, and /checkpoint, the newest tree that it
// has seen whole, for a second monitor. Nothing in it is a secret.
class MonitorSite final : public http::Site {
 public:
  struct State {
    uint64_t tree_size = 0;
    uint64_t records = 0;
    uint64_t rounds = 0;
    uint64_t unanswered = 0;
    uint64_t findings = 0;
    std::array<uint64_t, verify::kProducerFindingKinds> producer_findings{};
    int64_t last_good_ns = 0;
    webhook::OutboxCounters webhook;
    std::string note;
  };

  // Listens on HOST:PORT. Errors as of http::Server::Start.
  static absl::StatusOr<std::unique_ptr<MonitorSite>> Start(const std::string& listen,
                                                            std::string origin);
  ~MonitorSite() override;

  // What is shown from now on. Any thread.
  void Show(State state);

  const std::string& address() const { return server_->addresses().front(); }

  http::Admission Admit(const http::Request& head) override;
  void Handle(const http::Request& request, http::Responder responder) override;

 private:
  explicit MonitorSite(std::string origin) : origin_(std::move(origin)) {}

  std::string MetricsText(const State& state) const;

  const std::string origin_;
  Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<http::Server> server_;
};

}  // namespace graven::audit
