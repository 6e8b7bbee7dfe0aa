#pragma once

#include <string_view>

#include "ledger/ledger.h"
#include "model.h"
#include "world.h"

// Holds a ledger against the model. Every call ends the process when a promise is broken
// (ReportViolation).
namespace graven::crash {

// What anybody may look at, at any time: the published state of a log is one that the model knows,
// is signed by the log's key, never shrinks, and is not beyond what is durable.
void LookAtPublished(World& world, const ledger::Ledger& ledger, LogModel& log);
void LookAtAllPublished(World& world, const ledger::Ledger& ledger, Model& model);

// One record as it was read: exactly what was submitted, at its place in the chain.
void CheckRecord(const LogModel& log, uint64_t index, std::string_view bytes, const Hash& hash);

// Reads [first, first + count) of what is published and checks each. `damage_allowed`: a read may
// end with kDataLoss, but never show anything else than what was stored.
uint64_t CheckRecords(const ledger::Ledger& ledger, const LogModel& log, uint64_t first,
                      uint64_t count, bool damage_allowed = false);

// A random inclusion and a random consistency proof.
void CheckProofs(World& world, const ledger::Ledger& ledger, const LogModel& log);
void CheckFindEvent(World& world, const ledger::Ledger& ledger, const LogModel& log);

// Takes a receipt to keep.
void TakeReceipt(World& world, const ledger::Ledger& ledger, Model& model, const LogModel& log);
// A receipt that was handed out at any time verifies, with nothing but the log's public key, and
// its tree is a prefix of today's.
void CheckReceipt(const KeptReceipt& receipt, const LogModel& log);

// After the ledger was opened: takes into the model what turned out to be stored, then checks that
// everything acknowledged is there, once, in order, and nothing else. Publishes what is durable.
// `whole`: every record of large logs too.
void JudgeReopened(World& world, ledger::Ledger& ledger, Model& model, bool whole);

}  // namespace graven::crash
