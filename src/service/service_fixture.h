#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/random.h"
#include "graven/v1/event.pb.h"
#include "io/simulated_file_system.h"
#include "ledger/ledger.h"

namespace graven::service {

inline constexpr uint32_t kTestUser = 1000;

// A real ledger on a simulated disk.
struct LedgerOnSimulatedDisk {
  io::SimulatedFileSystem disk{1, kTestUser};
  std::unique_ptr<ledger::Ledger> ledger;

  LedgerOnSimulatedDisk() {
    ledger::LedgerOptions options;
    options.folder = "/data";
    options.journal_file_bytes = uint64_t{4} << 20;
    options.disk_reserve_bytes = 0;
    options.effective_user = kTestUser;
    auto opened = ledger::Ledger::Open(disk, SystemClock(), SystemRandom(), options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    ledger = *std::move(opened);
    EXPECT_TRUE(ledger->PrepareJournal().ok());
  }
};

inline graven::v1::Event MakeEvent(std::string id, std::string action = "invoice.approve") {
  graven::v1::Event event;
  event.set_event_id(std::move(id));
  event.mutable_actor()->set_id("alice");
  event.set_action(std::move(action));
  event.mutable_occurred_at()->set_seconds(1'700'000'000);
  return event;
}

}  // namespace graven::service
