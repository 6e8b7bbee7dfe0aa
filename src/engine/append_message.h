#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "ledger/ledger.h"

// The messages of the hot path, read and written without the protobuf library. Pure functions.
namespace graven::engine {

inline constexpr size_t kRequestBytesMax = size_t{4} << 20;
inline constexpr size_t kReplyBytesMax = size_t{1} << 20;
inline constexpr size_t kEventsPerRequestMax = 8192;
inline constexpr size_t kLogNameBytesMax = 63;
inline constexpr int64_t kWaitNsDefault = 1'000'000'000;
inline constexpr int64_t kWaitNsMax = 60'000'000'000;

// Values of graven.v1.ReceiptLevel.
inline constexpr uint64_t kLevelDurable = 1;
inline constexpr uint64_t kLevelPublished = 2;
inline constexpr uint64_t kLevelCosigned = 3;

enum class AppendShape { kUnary, kStream };

// An AppendRequest or AppendStreamRequest, taken apart; the views point into its bytes.
struct AppendMessage {
  // Every field was read, so that `log` is what the sender meant, even when the request is refused
  // for something else.
  bool whole = false;
  std::string_view log;
  std::vector<std::string_view> events;
  std::string_view expected_last_hash;
  bool want_record_hashes = false;      // of a stream
  uint64_t wait_level = kLevelDurable;  // of a unary call
  int64_t wait_ns = kWaitNsDefault;

  void Clear();
};

// Takes a request apart. The events themselves are not looked into. Unknown fields are skipped.
// kInvalidArgument, with a field violation: malformed, no events, too many, a wrong hash, level or
// time.
absl::Status DecodeAppendMessage(std::string_view bytes, AppendShape shape, AppendMessage* message);

// Appends one Receipt as a field of AppendResponse.
void EncodeReceipt(std::string_view log, const ledger::EventReceipt& receipt,
                   std::string_view event_id, std::string_view tlog_proof, std::string* response);
// Ends an AppendResponse.
void EncodeLevel(uint64_t level, std::string* response);

// The minimal contract's Response.
std::string EncodeCompatResponse(const ledger::EventReceipt& receipt, std::string_view event_id);

// One AppendStreamResponse, made from the answers of consecutive requests.
class AckMessage {
 public:
  // The request `number` was accepted. Without duplicates its records are `count` from `first` on.
  // `hashes`: 32 bytes of each, when asked for.
  void Accepted(uint64_t number, LogIndex first, uint64_t count, std::string_view hashes);
  // The same for one with duplicates: the index of each event's record.
  void AcceptedWithDuplicates(uint64_t number, const std::vector<uint64_t>& indexes,
                              uint64_t duplicates, std::string_view hashes);
  // `rpc_status`: the bytes of a google.rpc.Status.
  void Refused(uint64_t number, std::string_view rpc_status);

  // Upper bound of what Finish yields.
  size_t bytes() const { return out_.size() + hashes_.size() + 128; }
  bool empty() const { return out_.empty() && range_requests_ == 0; }
  // The message; every request below `requests_done` has been answered. Starts anew.
  std::string Finish(uint64_t requests_done);

 private:
  void EndRange();

  std::string out_;
  // The range being put together.
  uint64_t range_request_ = 0;
  uint64_t range_requests_ = 0;
  uint64_t range_index_ = 0;
  uint64_t range_records_ = 0;
  std::string hashes_;
};

}  // namespace graven::engine
