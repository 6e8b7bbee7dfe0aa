#pragma once

#include <cstddef>
#include <cstdint>

#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "journal/journal_recovery.h"

// The journal's bytes, shared by writer and reader. docs/format.md, section "Journal", has the same
// in words. Pure functions.

namespace graven::journal {

inline constexpr size_t kSectorBytes = 512;
inline constexpr size_t kJournalHeaderBytes = 4096;
inline constexpr size_t kFrameHeaderBytes = 64;
inline constexpr size_t kSectionHeaderBytes = 64;
inline constexpr uint64_t kJournalFileBytesMax = (uint64_t{1} << 32) - 4096;

constexpr uint64_t RoundToSector(uint64_t n) {
  return (n + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
}

// 16 hex digits.
std::string JournalFileName(uint64_t number);
std::optional<uint64_t> ParseJournalFileName(std::string_view name);
// The name under which a new file is filled with zeros before it gets a number.
inline constexpr std::string_view kJournalTemporaryName = "spare.tmp";

struct JournalHeader {
  uint64_t number = 0;
  uint64_t first_sequence = 0;  // of the first frame in this file
  uint64_t first_chain = 0;     // names the frame before it, in an earlier file
  JournalSalt salt{};
  uint64_t previous_number = 0;  // 0: none
  JournalSalt previous_salt{};
  uint64_t previous_end = 0;  // bytes of the previous file behind this are cut
};

// kJournalHeaderBytes bytes: the header twice, in sectors that a crash treats apart.
std::string EncodeJournalHeader(const JournalHeader& header);

enum class HeaderState {
  kValid,
  kUnused,   // zeros, or the header of an earlier life under another number
  kDamaged,  // neither
  kNewer,    // of a format that this program does not know
};
HeaderState DecodeJournalHeader(std::string_view bytes, uint64_t number, JournalHeader* header);

struct FrameHeader {
  uint32_t body_bytes = 0;
  uint64_t sequence = 0;
  uint32_t section_count = 0;
  uint64_t previous_check = 0;
  uint64_t synced_sequence = 0;  // frames below it were durable when this one was written
  uint64_t check =
      0;  // covers all of the frame, the body through its own checksum; names the frame

  uint64_t frame_bytes() const { return RoundToSector(kFrameHeaderBytes + body_bytes); }
};

// Writes `header` in front of the body at `frame`; computes its `check`.
void EncodeFrameHeader(char* frame, FrameHeader& header, const JournalSalt& salt);

// Whether kFrameHeaderBytes bytes begin a frame of this incarnation. Says nothing about the body.
bool DecodeFrameHeader(std::string_view bytes, const JournalSalt& salt, FrameHeader* header);

// Whether bytes look like the beginning of a frame with this sequence number, damaged or not.
bool LooksLikeFrame(std::string_view bytes, uint64_t sequence);

// Whether a body (without padding) carries the checksum in its header's bytes.
bool CheckFrameBody(std::string_view header_bytes, std::string_view body, const JournalSalt& salt);

void EncodeSectionHeader(char* out, const FrameSection& section, uint32_t records_bytes);

// Cuts a body into its sections, `body_offset` being where it stands in its file. False when the
// lengths do not add up. `with_records`: check each record's length too.
bool ParseSections(std::string_view body, const FrameHeader& header, uint64_t file,
                   uint32_t body_offset, bool with_records,
                   absl::FunctionRef<void(const FrameSection&)> on_section);

}  // namespace graven::journal
