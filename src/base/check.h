#pragma once

#include <cstdio>
#include <cstdlib>

// Impossible state ends the process, in release builds too: an audit log that goes on after its own
// invariant broke would sign what it does not know. Wrong input is never checked with this: it is a
// Status.
#define GRAVEN_CHECK(condition)                                                              \
  do {                                                                                       \
    if (!(condition)) [[unlikely]] {                                                         \
      std::fprintf(stderr, "%s:%d: impossible state: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                          \
    }                                                                                        \
  } while (false)
