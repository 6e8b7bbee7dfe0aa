#include "journal/journal_scanner.h"

#include <algorithm>

#include "base/status_macros.h"

namespace graven::journal {
namespace {

constexpr uint64_t kWindowBytes = uint64_t{1} << 20;
// What a system reads off a disk at once.
constexpr uint64_t kReadPageBytes = 4096;
constexpr uint64_t kUnreadablePagesMax = 256;

}  // namespace

absl::StatusOr<std::string_view> FrameScanner::View(uint64_t offset, uint64_t size) {
  if (offset < window_at_ || offset + size > window_at_ + window_bytes_) {
    uint64_t wanted = std::min(std::max(size, kWindowBytes), end_ - offset);
    if (wanted > capacity_) {
      window_.reset(new char[wanted]);  // not zero-filled: all of it is read into
      capacity_ = wanted;
    }
    window_bytes_ = 0;
    absl::Status read = file_.ReadAt(offset, {window_.get(), wanted});
    // A bad place further on does not hide what stands before it.
    while (!read.ok() && wanted > size) {
      wanted = std::max(size, wanted / 2);
      read = file_.ReadAt(offset, {window_.get(), wanted});
    }
    RETURN_IF_ERROR(read);
    window_at_ = offset;
    window_bytes_ = wanted;
  }
  return std::string_view(window_.get() + (offset - window_at_), size);
}

FrameScanner::Found FrameScanner::ReadAt(uint64_t offset, uint64_t sequence, Frame* frame) {
  if (offset >= end_ || end_ - offset < kSectorBytes) return Found::kEnd;
  const absl::StatusOr<std::string_view> head = View(offset, kFrameHeaderBytes);
  if (!head.ok()) {
    read_error_ = head.status();
    return Found::kUnreadable;
  }
  const Found otherwise = LooksLikeFrame(*head, sequence) ? Found::kPart : Found::kNothing;
  FrameHeader header;
  if (!DecodeFrameHeader(*head, salt_, &header)) return otherwise;
  if (header.frame_bytes() > end_ - offset) return Found::kPart;
  const absl::StatusOr<std::string_view> whole =
      View(offset, kFrameHeaderBytes + header.body_bytes);
  if (!whole.ok()) {
    read_error_ = whole.status();
    return Found::kUnreadable;
  }
  const std::string_view body = whole->substr(kFrameHeaderBytes);
  if (!CheckFrameBody(whole->substr(0, kFrameHeaderBytes), body, salt_)) return Found::kPart;
  const uint32_t body_offset = static_cast<uint32_t>(offset + kFrameHeaderBytes);
  if (!ParseSections(body, header, number_, body_offset, true, [](const FrameSection&) {})) {
    return Found::kPart;
  }
  *frame = {header, body, offset};
  return Found::kFrame;
}

void FrameScanner::Search(uint64_t offset, absl::FunctionRef<void(const Frame&)> on_frame) {
  uint64_t unreadable_pages = 0;
  while (unreadable_pages < kUnreadablePagesMax) {
    Frame frame;
    const Found found = ReadAt(offset, 0, &frame);
    if (found == Found::kEnd) return;
    if (found == Found::kUnreadable) {
      ++unreadable_pages;
      offset = (offset / kReadPageBytes + 1) * kReadPageBytes;
      continue;
    }
    unreadable_pages = 0;
    if (found == Found::kFrame) {
      offset += frame.header.frame_bytes();
      on_frame(frame);
    } else {
      offset += kSectorBytes;
    }
  }
}

absl::Status FrameScanner::ForEachSection(const Frame& frame,
                                          const SectionCallback& on_section) const {
  absl::Status status;
  ParseSections(frame.body, frame.header, number_,
                static_cast<uint32_t>(frame.offset + kFrameHeaderBytes), false,
                [&](const FrameSection& section) {
                  if (status.ok()) status = on_section(section);
                });
  return status;
}

}  // namespace graven::journal
