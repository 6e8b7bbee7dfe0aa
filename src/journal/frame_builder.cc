#include "journal/frame_builder.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/encoding.h"
#include "journal/journal_format.h"

namespace graven::journal {

FrameBuilder::FrameBuilder() { Reset(); }

void FrameBuilder::Reset() {
  used_ = kFrameHeaderBytes;
  section_at_ = 0;
  section_count_ = 0;
  section_records_ = 0;
  last_record_offset_ = 0;
}

void FrameBuilder::Grow(size_t needed) {
  if (needed <= capacity_) return;
  const size_t capacity = std::max<size_t>({needed, capacity_ * 2, size_t{64} << 10});
  char* grown = static_cast<char*>(std::realloc(bytes_.get(), capacity));
  GRAVEN_CHECK(grown != nullptr);
  (void)bytes_.release();  // realloc took it
  bytes_.reset(grown);
  capacity_ = capacity;
}

void FrameBuilder::BeginSection(uint32_t log_number, LogIndex first, TreeSize acknowledged) {
  GRAVEN_CHECK(section_at_ == 0);
  Grow(used_ + kSectionHeaderBytes);
  section_at_ = used_;
  section_records_ = 0;
  FrameSection section;
  section.log_number = log_number;
  section.first = first;
  section.acknowledged = acknowledged;
  EncodeSectionHeader(bytes_.get() + used_, section, 0);
  used_ += kSectionHeaderBytes;
}

char* FrameBuilder::AddRecord(size_t size) {
  GRAVEN_CHECK(section_at_ != 0);
  // Room for the padding to the next sector is kept too, so that Finish never moves the bytes.
  Grow(used_ + kVarintBytesMax + size + kSectorBytes);
  char* const out = PutVarint(bytes_.get() + used_, size);
  last_record_offset_ = static_cast<uint32_t>(out - bytes_.get());
  used_ = last_record_offset_ + size;
  ++section_records_;
  return out;
}

void FrameBuilder::EndSection(const Hash& root) {
  GRAVEN_CHECK(section_at_ != 0 && section_records_ > 0);
  char* const header = bytes_.get() + section_at_;
  PutFixed32(header + 4, section_records_);
  std::memcpy(header + 24, root.bytes.data(), Hash::kSize);
  const size_t records_bytes = used_ - section_at_ - kSectionHeaderBytes;
  GRAVEN_CHECK(records_bytes <= kJournalFileBytesMax);
  PutFixed32(header + 56, static_cast<uint32_t>(records_bytes));
  section_at_ = 0;
  ++section_count_;
}

size_t FrameBuilder::size_bytes() const { return RoundToSector(used_); }

size_t FrameBuilder::SizeWith(size_t record_bytes) const {
  return RoundToSector(used_ + kSectionHeaderBytes + VarintSize(record_bytes) + record_bytes);
}

std::string_view FrameBuilder::body() const {
  return {bytes_.get() + kFrameHeaderBytes, used_ - kFrameHeaderBytes};
}

FrameBuilder::Finished FrameBuilder::Finish(const Place& place) {
  GRAVEN_CHECK(section_at_ == 0 && section_count_ > 0 && used_ <= kJournalFileBytesMax);
  FrameHeader header;
  header.body_bytes = static_cast<uint32_t>(body().size());
  header.sequence = place.sequence;
  header.section_count = section_count_;
  header.previous_check = place.previous_check;
  header.synced_sequence = place.synced_sequence;
  EncodeFrameHeader(bytes_.get(), header, place.salt);
  std::memset(bytes_.get() + used_, 0, size_bytes() - used_);
  return {{bytes_.get(), size_bytes()}, header.check};
}

}  // namespace graven::journal
