#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "http/server.h"

// An HTTP door that hands on what a log server answers, its page too, and changes one bit of one
// record wherever it stands: what a server that was taken over can do, and ours will not. For
// rehearsals.
//
// Threads: the HTTP server's own. The live stream is not handed on (404); whoever wants to follow
// has to ask.
namespace graven::rehearse {

class LyingDoor {
 public:
  // `listen`: HOST:PORT. `upstream`: URL of a log server's HTTP port, without a slash at the end.
  // The record must be published. kUnavailable: the server does not answer, or `listen` is taken.
  // kNotFound: no such record, or it holds no word to change.
  static absl::StatusOr<std::unique_ptr<LyingDoor>> Open(const std::string& listen,
                                                         const std::string& upstream,
                                                         const std::string& log, uint64_t index);
  LyingDoor(const LyingDoor&) = delete;
  LyingDoor& operator=(const LyingDoor&) = delete;
  ~LyingDoor();

  // Answers that held the changed record.
  uint64_t told() const { return site_->told; }

 private:
  struct Site final : http::Site {
    http::Admission Admit(const http::Request& head) override;
    void Handle(const http::Request& request, http::Responder responder) override;

    std::string upstream;
    std::string truth;  // the record in base64, as it stands in the server's JSON
    std::string lie;
    std::atomic<uint64_t> told{0};
  };

  LyingDoor() : site_(std::make_unique<Site>()) {}

  std::unique_ptr<Site> site_;
  std::unique_ptr<http::Server> server_;
};

}  // namespace graven::rehearse
