#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "base/hash.h"
#include "base/log_index.h"
#include "journal/journal_recovery.h"

namespace graven::journal {

// Builds one journal frame in place: the records of one batch, grouped by log. Records are encoded
// straight into the bytes that Journal::Append hands to the disk, so a record is copied once.
// Used by one thread, over and over: the memory stays between batches.
//
// Order of calls: (BeginSection AddRecord+ EndSection)+, then Journal::Append, then Reset.
// A log may have several sections in a frame, one behind the other.
class FrameBuilder {
 public:
  FrameBuilder();

  // Forgets the frame, keeps the memory.
  void Reset();

  // Opens the section of one log. `first` is the index of its first record here; `acknowledged`
  // the size of this log that somebody may already have been told is durable.
  void BeginSection(uint32_t log_number, LogIndex first, TreeSize acknowledged);

  // Room for exactly `size` bytes of one record, for the caller to fill. Valid until the next call.
  char* AddRecord(size_t size);

  // Where the last added record's bytes begin, from the beginning of the frame. Its place in the
  // file is this plus the offset that Journal::Append returns.
  uint32_t last_record_offset() const { return last_record_offset_; }

  // Bytes of a record added before, at a place that last_record_offset named. Valid until the next
  // AddRecord.
  std::string_view Bytes(uint32_t offset, uint32_t length) const {
    return {bytes_.get() + offset, length};
  }

  // Closes the section; `root` is that of the log's tree with these records in it.
  void EndSection(const Hash& root);

  // What the frame takes in the file, its header and padding included.
  size_t size_bytes() const;
  // What it would take with another record of `record_bytes` in a section of its own.
  size_t SizeWith(size_t record_bytes) const;

  bool empty() const { return section_count_ == 0; }

  // What the frame's place in the journal adds.
  struct Place {
    uint64_t sequence = 0;
    uint64_t previous_check = 0;   // names the frame before
    uint64_t synced_sequence = 0;  // frames below it are durable
    JournalSalt salt{};            // of the file
  };
  struct Finished {
    std::string_view bytes;  // as they stand in the file; valid until Reset
    uint64_t check = 0;      // names this frame
  };
  // Called by Journal::Append. REQUIRES: not empty, no open section.
  Finished Finish(const Place& place);
  // What stands so far and changes no more, but for the header at its beginning. REQUIRES: no open
  // section.
  std::string_view unfinished() const { return {bytes_.get(), used_}; }
  uint32_t section_count() const { return section_count_; }
  // The sections, without padding. REQUIRES: as Finish.
  std::string_view body() const;

 private:
  struct Free {
    void operator()(char* p) const { std::free(p); }
  };

  void Grow(size_t needed);

  std::unique_ptr<char, Free>
      bytes_;  // never zero-filled as a whole: only what is written is touched
  size_t capacity_ = 0;
  size_t used_ = 0;
  size_t section_at_ = 0;  // where the open section's header stands; 0: none is open
  uint32_t section_count_ = 0;
  uint32_t section_records_ = 0;
  uint32_t last_record_offset_ = 0;
};

}  // namespace graven::journal
