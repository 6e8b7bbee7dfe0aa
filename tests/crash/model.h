#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "base/hash.h"
#include "base/log_index.h"
#include "merkle/frontier.h"
#include "sequencer/request.h"

// What must be true, written down as plainly as possible: the list of what was acknowledged, and
// the append rules over it. Knows nothing of files. One thread.
namespace graven::crash {

// One event as a writer made it. Two with the same id say the same when `content` is the same, in
// whatever order of fields.
struct EventSpec {
  std::string id;
  uint64_t content = 0;
  record::BodyKind kind = record::BodyKind::kEvent;
  bool id_assigned = false;
  bool wants_traceparent = false;
  bool bare = false;  // nothing but its id
  std::string body;
};
using EventPointer = std::shared_ptr<const EventSpec>;

// One request on its way, with the memory that it points to.
struct Ticket {
  sequencer::Request request;
  std::vector<EventPointer> specs;
  std::vector<sequencer::NewEvent> events;
  std::string log;
  uint64_t writer = 0;
  bool retry = false;
};

// A record that is stored, or is about to be.
struct ModelRecord {
  EventPointer event;
  std::string_view written_by;   // of constants
  std::string_view traceparent;  // of constants
  Hash hash;                     // as the ledger answered; reading checks it against the bytes
  int64_t received_at_ns = 0;
  std::optional<uint64_t> earlier;  // the record that had this id before
};

struct ExpectedReceipt {
  uint64_t index = 0;
  bool duplicate = false;
};

struct ExpectedResult {
  absl::StatusCode code = absl::StatusCode::kOk;
  std::vector<ExpectedReceipt> receipts;
};

class LogModel {
 public:
  LogModel(std::string log_name, std::string log_origin, uint64_t log_window);

  const std::string name;
  const std::string origin;
  const uint64_t window;
  Hash genesis;
  // Known once the log was seen.
  std::string vkey;
  uint32_t number = 0;
  // Whether CreateLog said OK; otherwise it may be there or not.
  bool acknowledged = false;

  // Acknowledged or read back: must be there for ever.
  uint64_t size() const { return durable_; }
  const ModelRecord& at(uint64_t index) const { return records_[index]; }
  // The same for records that are applied only.
  const ModelRecord& applied(uint64_t index) const { return records_[index]; }
  const Hash& hash(uint64_t index) const { return hashes_[index]; }
  // Of the last record, applied ones included.
  Hash LastHash() const;
  uint64_t applied_size() const { return records_.size(); }

  // The rules, on one request; what it adds is applied, not acknowledged. The hashes of new records
  // come from the ledger's answer, by SetApplied: reading checks them against the bytes.
  ExpectedResult Apply(const Ticket& ticket);
  void SetApplied(uint64_t index, const Hash& hash);
  // Everything applied was made durable.
  void Acknowledge();
  // Everything applied is gone.
  void Forget();

  // The newest acknowledged record with this id.
  std::optional<uint64_t> Find(const std::string& id) const;

  // The root that the tree of `size` has. REQUIRES: size <= size().
  Hash RootAt(uint64_t size) const;
  // Whether a batch ended at `size`, so that it may be published.
  bool IsBatchEnd(uint64_t size) const { return roots_.contains(size); }
  uint64_t RandomBatchEnd(uint64_t dice) const;
  // The size before the last batch: what the frame of the last one names as acknowledged.
  uint64_t LastBatchBegin() const;

  // The largest published size that anybody saw.
  uint64_t published_seen = 0;
  // The tailer's place.
  uint64_t tailed = 0;

 private:
  std::vector<ModelRecord> records_;  // the first durable_ ones are acknowledged
  std::vector<Hash> hashes_;
  uint64_t durable_ = 0;
  std::unordered_map<std::string, uint64_t> newest_;
  merkle::Frontier frontier_;
  std::map<uint64_t, Hash> roots_;  // at the ends of batches
};

// A receipt file that was handed out.
struct KeptReceipt {
  std::string log;
  uint64_t index = 0;
  std::string file;
};

struct Model {
  std::map<std::string, std::unique_ptr<LogModel>> logs;
  std::vector<KeptReceipt> receipts;
  // Whether a batch is applied of which it is not known whether it will be durable.
  bool batch_open = false;
};

}  // namespace graven::crash
