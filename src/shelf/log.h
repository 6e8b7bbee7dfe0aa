#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/hash.h"
#include "base/log_index.h"
#include "merkle/frontier.h"
#include "note/keys.h"
#include "shelf/published.h"
#include "shelf/segments.h"
#include "shelf/tail.h"
#include "store/log_meta.h"

// One log on its shelf: what a process holds of it in memory, and where each of its records stands.
// A record is in the journal first and in a segment later; the shelf knows which, and reads records
// and nodes of the tree wherever they are (shelf/stored_records.h).
//
// Threads: each part says whose it is. The room is driven like the ledger, which is above it and
// decides when a log grows; it owns no thread and reads no clock.
//
// Invariants: what readers are handed was durable before (SetDurable, SetPublished); a record that
// is below a size that was handed out can always be found, while it moves too.
namespace graven::shelf {

// How far a log has come, with what is needed to go on from there.
struct LogEnd {
  TreeSize size;
  Hash root;
  int64_t last_received_at_ns = 0;
};

// One log. Its parts belong to different threads; each says to which.
class Log {
 public:
  Log(store::LogMeta log_meta, note::SignerKey signer_key);
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // --- constant since creation ---
  const store::LogMeta meta;
  const note::SignerKey signer;
  const Hash genesis_hash;

  // --- the writer's own: the end that the next event is put behind ---
  struct Sequenced {
    merkle::Frontier frontier;
    Hash last_hash;
    int64_t last_received_at_ns = 0;

    TreeSize size() const { return frontier.size(); }
  };
  Sequenced sequenced;

  // --- the background thread's own ---
  // Whether this process has synced the names of the segments. Until then a name that recovery
  // found may be in the page cache only, left there by a process that died before its sync.
  bool segment_names_synced = false;

  // --- any thread ---
  LogEnd durable() const;
  std::shared_ptr<const Published> published() const;
  // The newest that meets the witnesses' quorum; null until one did.
  std::shared_ptr<const Published> cosigned() const;
  // The newest that has a time stamp token; null until one has.
  std::shared_ptr<const Published> stamped() const;
  std::shared_ptr<const SegmentList> segments() const;
  // Where unsealed records are found; never null after recovery.
  Tail& tail() { return *tail_; }
  const Tail& tail() const { return *tail_; }
  bool read_only() const { return read_only_.load(std::memory_order_acquire); }
  std::string read_only_reason() const;

  // The writer, after the sync.
  void SetDurable(const LogEnd& end);
  // The publisher, after the guard was synced.
  void SetPublished(std::shared_ptr<const Published> published);
  // Whoever holds the ledger's lock of kept checkpoints, after it was kept.
  void SetCosigned(std::shared_ptr<const Published> cosigned);
  void SetStamped(std::shared_ptr<const Published> stamped);
  // The background thread, after the files are durable.
  void SetSegments(std::shared_ptr<const SegmentList> segments);
  // The writer, under the ledger's lock of grown logs: true when the log was not marked yet.
  bool MarkDirty() { return !std::exchange(dirty_, true); }
  // The publisher, under the same lock.
  void ClearDirty() { dirty_ = false; }
  // Recovery.
  void SetTail(std::unique_ptr<Tail> tail) { tail_ = std::move(tail); }
  void SetReadOnly(std::string reason);

 private:
  std::unique_ptr<Tail> tail_;
  bool dirty_ = false;
  mutable std::mutex mutex_;  // guards what follows; held for a few assignments only
  LogEnd durable_;
  std::shared_ptr<const Published> published_;
  std::shared_ptr<const Published> cosigned_;
  std::shared_ptr<const Published> stamped_;
  std::shared_ptr<const SegmentList> segments_;
  std::string read_only_reason_;
  std::atomic<bool> read_only_{false};
};

}  // namespace graven::shelf
