#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "ledger/ledger.h"

// Telling others that the server is ready.
namespace graven::server {

// {"pid": ..., "grpc": [...], "http": [...], "logs": {"default": {"origin": ..., "vkey": ...}}}
std::string ReadyText(const std::vector<std::string>& grpc_addresses,
                      const std::vector<std::string>& http_addresses, const ledger::Ledger& ledger);

// The file that is there while the server is ready, and only then. Without a path it does nothing.
class ReadyFile {
 public:
  explicit ReadyFile(std::string path) : path_(std::move(path)) {}
  ~ReadyFile() { Remove(); }
  ReadyFile(const ReadyFile&) = delete;
  ReadyFile& operator=(const ReadyFile&) = delete;

  // Removes what a server left that did not end cleanly. kUnavailable: names the cause, also when
  // the path is something else than a plain file, which is left alone.
  absl::Status Clear();
  // Puts `text` there in one step: whoever finds the file finds it whole.
  // kUnavailable: names the cause; there is no file.
  absl::Status Write(std::string_view text);
  // Removes the file if it was written.
  void Remove();

 private:
  const std::string path_;
  bool written_ = false;
};

// Tells the service manager ("READY=1", "STOPPING=1") when it asked to be told ($NOTIFY_SOCKET).
void NotifyServiceManager(std::string_view message);

}  // namespace graven::server
