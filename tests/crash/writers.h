#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model.h"
#include "world.h"

// What clients send: events with ids of their own, retries of what they got no answer for,
// duplicates in the same and in other bytes, conflicts, preconditions right and stale.
namespace graven::crash {

class Writers {
 public:
  Writers(World& world, uint64_t count) : world_(world), writers_(count) {}

  // The next request of some writer to `log`. Never fails.
  std::unique_ptr<Ticket> Compose(const LogModel& log);
  // Many new small events in one request.
  std::unique_ptr<Ticket> ComposeLarge(const LogModel& log, uint64_t events);

  // The outcome of `ticket` is not known: its writer will send the same events again.
  void Unknown(std::unique_ptr<Ticket> ticket);

 private:
  struct Writer {
    uint64_t next_id = 0;
    std::vector<std::unique_ptr<Ticket>> unknown;
  };

  EventPointer NewEvent(uint64_t writer);
  EventPointer OldEvent(const LogModel& log);
  EventPointer Encode(std::string id, uint64_t content, bool id_assigned, bool other_order) const;
  std::unique_ptr<Ticket> Finish(const LogModel& log, uint64_t writer,
                                 std::vector<EventPointer> specs);
  void AddPrecondition(const LogModel& log, Ticket& ticket);

  World& world_;
  std::vector<Writer> writers_;
  uint64_t made_ = 0;
};

}  // namespace graven::crash
