#pragma once

#include "http/server.h"
#include "witness/witness.h"

namespace graven::witness {

// A witness over HTTP:
//
//   POST /add-checkpoint                          C2SP tlog-witness
//   GET  /<hex of SHA-256(origin)>/checkpoint     the last cosigned note, 404 when there is none
//   GET  /                                        the witness's public key, and its logs
//   GET  /healthz
class WitnessSite final : public http::Site {
 public:
  explicit WitnessSite(Witness& witness) : witness_(witness) {}

  http::Admission Admit(const http::Request& head) override;
  void Handle(const http::Request& request, http::Responder responder) override;

 private:
  http::Response Answer(const http::Request& request);

  Witness& witness_;
};

}  // namespace graven::witness
