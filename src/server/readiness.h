#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "ledger/ledger.h"

// Telling others that the server is ready.
namespace graven::server {

// {"pid": ..., "grpc": [...], "http": [], "logs": {"default": {"origin": ..., "vkey": ...}}}
std::string ReadyText(const std::vector<std::string>& addresses, const ledger::Ledger& ledger);

// Puts `text` at `path` in one step: whoever finds the file finds it whole.
// kUnavailable: names the cause; `path` is as it was.
absl::Status WriteReadyFile(const std::string& path, std::string_view text);

// Tells the service manager ("READY=1", "STOPPING=1") when it asked to be told ($NOTIFY_SOCKET).
void NotifyServiceManager(std::string_view message);

}  // namespace graven::server
