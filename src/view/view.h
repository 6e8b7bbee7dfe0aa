// `graven view`: the page, from the auditor's own binary and on his own machine, about a server
// that he does not trust. The page and its memory come from here, records and proofs through
// view/relay.h from the server, the log's key and the quorum from the auditor's policy. So only
// here may the page say that it verifies independently.
//
//   GET  /                 the page, which is told by its first line that it is in a view
//   GET  /view/terms       {"server", "folder", "policy", "version"}
//   GET  /view/seen?key=   POST /view/seen       view/seen_memory.h, over JSON
//   GET  /view/known?log=  POST /view/known
//   GET  /view/findings?log=&key=  POST /view/findings
//   POST /view/forget
//   GET  /logs/...         passed on
//
// All below a prefix that only who can read the folder knows: other users of the machine can reach
// the port, and a page of another site could guess it.
//
// Threads: those of http::Server and of the relay. Listens on loopback only.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "http/server.h"
#include "view/relay.h"
#include "view/seen_memory.h"
#include "web/page_files.h"
#include "web/routes.h"

namespace graven::view {

struct ViewOptions {
  std::string listen = "127.0.0.1:0";  // loopback, HOST:PORT
  std::string policy_text;             // what SeenMemory's policy was parsed from
  std::string version;
  RelayOptions relay;
  // web::PageFiles().
  std::vector<web::PageFile> page;
};

class View final : public http::Site {
 public:
  // Listens and serves until it is destroyed. The memory outlives it. kInvalidArgument: the URL, or
  // an address that is not loopback. kFailedPrecondition: there is no page in this program, or one
  // that does not know of views. kUnavailable: cannot listen.
  static absl::StatusOr<std::unique_ptr<View>> Start(SeenMemory& memory, ViewOptions options);
  ~View() override;

  // With the secret in it, and a final slash.
  std::string address() const { return server_->addresses().front() + "/"; }
  const std::string& server() const { return relay_->server(); }

  http::Admission Admit(const http::Request& head) override;
  void Handle(const http::Request& request, http::Responder responder) override;
  http::Response Error(int status, std::string_view reason, std::string_view message) override;

 private:
  View(SeenMemory& memory, ViewOptions options) : memory_(memory), options_(std::move(options)) {}

  absl::Status AddPage();
  void AddOwnRoutes();
  void AddPost(std::string pattern, size_t body_bytes_max, web::DirectHandler handler);
  absl::StatusOr<http::Response> Terms() const;
  absl::StatusOr<http::Response> GetSeen(const web::Call& call) const;
  absl::StatusOr<http::Response> PostSeen(const web::Call& call);
  absl::StatusOr<http::Response> GetKnown(const web::Call& call) const;
  absl::StatusOr<http::Response> PostKnown(const web::Call& call);
  absl::StatusOr<http::Response> GetFindings(const web::Call& call) const;
  absl::StatusOr<http::Response> PostFinding(const web::Call& call);
  absl::StatusOr<http::Response> PostForget(const web::Call& call);
  LogName NameOf(const std::string& log) const { return {relay_->server(), log}; }

  SeenMemory& memory_;
  const ViewOptions options_;
  std::string index_;  // the page's first file, with its mark
  web::Routes routes_;
  std::unique_ptr<Relay> relay_;
  std::unique_ptr<http::Server> server_;
};

// Whether HOST:PORT listens where only this machine gets to.
bool IsLoopback(std::string_view listen);

}  // namespace graven::view
