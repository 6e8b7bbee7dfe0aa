#pragma once

namespace graven::server {

// What the process of a server ends with; docs/errors.md.
inline constexpr int kExitDone = 0;
inline constexpr int kExitWritesStopped = 1;  // it ran, until a write failed
inline constexpr int kExitUsage = 2;          // the command line or the configuration is wrong
inline constexpr int kExitCannotOpen = 3;     // the folder, a key or an address

}  // namespace graven::server
