#include "journal/journal_format.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "base/encoding.h"
#include "fmt/format.h"

namespace graven::journal {
namespace {

constexpr std::string_view kFileMagic = "GRAVENJ1";
constexpr uint32_t kFormatVersion = 1;
constexpr uint32_t kFrameMagic = 0x4D524647;  // "GFRM"
constexpr size_t kBodyCheckAt = 40;
constexpr size_t kHeaderCheckAt = 56;
constexpr size_t kHeaderCopyBytes = 128;
constexpr size_t kHeaderCopyAt[] = {0, 2048};

// The two halves of the salt seed two checksums: that of a frame's header, which is cheap to try at
// any sector, and that of its body.
uint64_t HeaderSeed(const JournalSalt& salt) {
  return GetFixed64(reinterpret_cast<const char*>(salt.data()) + 8);
}
uint64_t BodySeed(const JournalSalt& salt) {
  return GetFixed64(reinterpret_cast<const char*>(salt.data()));
}

XXH128_canonical_t Check128(std::string_view bytes, uint64_t seed) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_withSeed(bytes.data(), bytes.size(), seed));
  return canonical;
}

void EncodeHeaderCopy(const JournalHeader& header, char* out) {
  std::memcpy(out, kFileMagic.data(), 8);
  PutFixed32(out + 8, kFormatVersion);
  PutFixed32(out + 12, kJournalHeaderBytes);
  PutFixed64(out + 16, header.number);
  PutFixed64(out + 24, header.first_sequence);
  PutFixed64(out + 32, header.first_chain);
  std::memcpy(out + 40, header.salt.data(), 16);
  PutFixed64(out + 56, header.previous_number);
  std::memcpy(out + 64, header.previous_salt.data(), 16);
  PutFixed64(out + 80, header.previous_end);
  const XXH128_canonical_t check = Check128({out, kHeaderCopyBytes - 16}, 0);
  std::memcpy(out + kHeaderCopyBytes - 16, check.digest, 16);
}

HeaderState DecodeHeaderCopy(std::string_view copy, uint64_t number, JournalHeader* header) {
  const char* in = copy.data();
  if (std::all_of(copy.begin(), copy.end(), [](char c) { return c == 0; })) {
    return HeaderState::kUnused;
  }
  const XXH128_canonical_t check = Check128(copy.substr(0, kHeaderCopyBytes - 16), 0);
  if (copy.substr(0, 8) != kFileMagic ||
      std::memcmp(in + kHeaderCopyBytes - 16, check.digest, 16) != 0) {
    return HeaderState::kDamaged;
  }
  if (GetFixed32(in + 8) > kFormatVersion) return HeaderState::kNewer;
  if (GetFixed32(in + 8) != kFormatVersion || GetFixed32(in + 12) != kJournalHeaderBytes) {
    return HeaderState::kDamaged;
  }
  header->number = GetFixed64(in + 16);
  header->first_sequence = GetFixed64(in + 24);
  header->first_chain = GetFixed64(in + 32);
  std::memcpy(header->salt.data(), in + 40, 16);
  header->previous_number = GetFixed64(in + 56);
  std::memcpy(header->previous_salt.data(), in + 64, 16);
  header->previous_end = GetFixed64(in + 80);
  if (header->number == number) {
    return header->previous_number < number ? HeaderState::kValid : HeaderState::kDamaged;
  }
  // A recycled file keeps its old header until it is used; numbers only grow.
  return header->number < number ? HeaderState::kUnused : HeaderState::kDamaged;
}

}  // namespace

std::string JournalFileName(uint64_t number) { return fmt::format("{:016x}", number); }

std::optional<uint64_t> ParseJournalFileName(std::string_view name) {
  if (name.size() != 16) return std::nullopt;
  uint64_t number = 0;
  for (const char c : name) {
    if (c >= '0' && c <= '9') {
      number = number << 4 | static_cast<uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      number = number << 4 | static_cast<uint64_t>(c - 'a' + 10);
    } else {
      return std::nullopt;
    }
  }
  if (number == 0) return std::nullopt;
  return number;
}

std::string EncodeJournalHeader(const JournalHeader& header) {
  std::string bytes(kJournalHeaderBytes, '\0');
  for (const size_t at : kHeaderCopyAt) EncodeHeaderCopy(header, bytes.data() + at);
  return bytes;
}

HeaderState DecodeJournalHeader(std::string_view bytes, uint64_t number, JournalHeader* header) {
  HeaderState worst = HeaderState::kUnused;
  for (const size_t at : kHeaderCopyAt) {
    JournalHeader copy;
    const HeaderState state = DecodeHeaderCopy(bytes.substr(at, kHeaderCopyBytes), number, &copy);
    if (state == HeaderState::kValid || state == HeaderState::kNewer) {
      *header = copy;
      return state;
    }
    if (state == HeaderState::kDamaged) worst = state;
  }
  return worst;
}

void EncodeFrameHeader(char* frame, FrameHeader& header, const JournalSalt& salt) {
  PutFixed32(frame, kFrameMagic);
  PutFixed32(frame + 4, header.body_bytes);
  PutFixed64(frame + 8, header.sequence);
  PutFixed32(frame + 16, header.section_count);
  PutFixed32(frame + 20, 0);
  PutFixed64(frame + 24, header.previous_check);
  PutFixed64(frame + 32, header.synced_sequence);
  const XXH128_canonical_t body_check =
      Check128({frame + kFrameHeaderBytes, header.body_bytes}, BodySeed(salt));
  std::memcpy(frame + kBodyCheckAt, body_check.digest, 16);
  header.check = XXH3_64bits_withSeed(frame, kHeaderCheckAt, HeaderSeed(salt));
  PutFixed64(frame + kHeaderCheckAt, header.check);
}

bool DecodeFrameHeader(std::string_view bytes, const JournalSalt& salt, FrameHeader* header) {
  if (bytes.size() < kFrameHeaderBytes || GetFixed32(bytes.data()) != kFrameMagic) return false;
  header->body_bytes = GetFixed32(bytes.data() + 4);
  header->sequence = GetFixed64(bytes.data() + 8);
  header->section_count = GetFixed32(bytes.data() + 16);
  header->previous_check = GetFixed64(bytes.data() + 24);
  header->synced_sequence = GetFixed64(bytes.data() + 32);
  header->check = GetFixed64(bytes.data() + kHeaderCheckAt);
  return XXH3_64bits_withSeed(bytes.data(), kHeaderCheckAt, HeaderSeed(salt)) == header->check &&
         GetFixed32(bytes.data() + 20) == 0;
}

bool LooksLikeFrame(std::string_view bytes, uint64_t sequence) {
  return bytes.size() >= kFrameHeaderBytes && GetFixed32(bytes.data()) == kFrameMagic &&
         GetFixed64(bytes.data() + 8) == sequence;
}

uint64_t RecordCheck(std::string_view record) { return XXH3_64bits(record.data(), record.size()); }

bool CheckFrameBody(std::string_view header_bytes, std::string_view body, const JournalSalt& salt) {
  const XXH128_canonical_t check = Check128(body, BodySeed(salt));
  return std::memcmp(header_bytes.data() + kBodyCheckAt, check.digest, 16) == 0;
}

void EncodeSectionHeader(char* out, const FrameSection& section, uint32_t records_bytes) {
  PutFixed32(out, section.log_number);
  PutFixed32(out + 4, section.record_count);
  PutFixed64(out + 8, section.first.value);
  PutFixed64(out + 16, section.acknowledged.value);
  std::memcpy(out + 24, section.root.bytes.data(), Hash::kSize);
  PutFixed32(out + 56, records_bytes);
  PutFixed32(out + 60, 0);
}

bool ParseSections(std::string_view body, const FrameHeader& header, uint64_t file,
                   uint32_t body_offset, bool with_records,
                   absl::FunctionRef<void(const FrameSection&)> on_section) {
  const char* const begin = body.data();
  for (uint32_t i = 0; i < header.section_count; ++i) {
    if (body.size() < kSectionHeaderBytes) return false;
    const char* in = body.data();
    FrameSection section;
    section.log_number = GetFixed32(in);
    section.record_count = GetFixed32(in + 4);
    section.first = LogIndex(GetFixed64(in + 8));
    section.acknowledged = TreeSize(GetFixed64(in + 16));
    section.root = Hash::FromBytes(body.substr(24, Hash::kSize));
    section.frame_sequence = header.sequence;
    section.file = file;
    const uint32_t records_bytes = GetFixed32(in + 56);
    body.remove_prefix(kSectionHeaderBytes);
    section.records_offset = body_offset + static_cast<uint32_t>(body.data() - begin);
    if (records_bytes > body.size() || section.record_count == 0 || GetFixed32(in + 60) != 0 ||
        section.first.value >= kLogIndexLimit - section.record_count) {
      return false;
    }
    section.records = body.substr(0, records_bytes);
    body.remove_prefix(records_bytes);
    if (with_records) {
      RecordCursor cursor(section);
      std::string_view record;
      uint32_t count = 0;
      uint64_t bytes = 0;
      while (cursor.Next(&record, nullptr)) {
        ++count;
        bytes += VarintSize(record.size()) + record.size();
      }
      if (count != section.record_count || bytes != records_bytes) return false;
    }
    on_section(section);
  }
  return body.empty();
}

}  // namespace graven::journal
