#include "io/simulated_content.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "io/simulated_file_system.h"

namespace graven::io {

Survival::Survival(Dice& dice, uint64_t count)
    : dice_(dice), manner_(static_cast<Manner>(dice.Below(7))), boundary_(dice.Below(count + 1)) {}

bool Survival::Next() {
  const uint64_t at = asked_++;
  switch (manner_) {
    case Manner::kNone:
      return false;
    case Manner::kAll:
      return true;
    case Manner::kFirst:
      return at < boundary_;
    case Manner::kLast:
      return at >= boundary_;
    case Manner::kFew:
      return dice_.OneIn(8);
    case Manner::kHalf:
      return dice_.OneIn(2);
    case Manner::kMost:
      return !dice_.OneIn(8);
  }
  return false;
}

const SimulatedContent::PagePointer& SimulatedContent::ZeroPage() {
  static const PagePointer page = std::make_shared<Page>(Page{});
  return page;
}

SimulatedContent::Page& SimulatedContent::Writable(PagePointer& page) {
  if (page == nullptr) {
    page = std::make_shared<Page>(Page{});
  } else if (page.use_count() > 1) {
    page = std::make_shared<Page>(*page);
  }
  return *page;
}

void SimulatedContent::CutPages(std::vector<PagePointer>& pages, uint64_t size) {
  const uint64_t count = (size + kPageBytes - 1) / kPageBytes;
  if (pages.size() > count) pages.resize(count);
  const uint64_t tail = size % kPageBytes;
  if (tail != 0 && pages.size() == count && pages.back() != nullptr) {
    std::memset(Writable(pages.back()).data() + tail, 0, kPageBytes - tail);
  }
}

uint64_t SimulatedContent::PagesNeeded(uint64_t offset, uint64_t bytes) const {
  if (bytes == 0) return 0;
  uint64_t needed = 0;
  for (uint64_t p = offset / kPageBytes; p <= (offset + bytes - 1) / kPageBytes; ++p) {
    if (p >= cached_.size() || cached_[p] == nullptr) ++needed;
  }
  return needed;
}

void SimulatedContent::MarkDirty(uint64_t page, uint8_t sectors) {
  if (dirty_.size() <= page) {
    dirty_.resize(page + 1);
    lost_.resize(page + 1);
  }
  if (dirty_[page] == 0) dirty_pages_.push_back(page);
  dirty_[page] |= sectors;
}

void SimulatedContent::WriteBack(uint64_t page, uint8_t sectors) {
  if (sectors == 0) return;
  if (disk_.size() <= page) disk_.resize(page + 1);
  const PagePointer from = page < cached_.size() ? cached_[page] : nullptr;
  PagePointer& to = disk_[page];
  // The whole page, unless some sector of it stays as it was.
  const uint8_t differing = static_cast<uint8_t>(dirty_[page] | lost_[page]);
  lost_[page] = static_cast<uint8_t>(lost_[page] & ~sectors);
  if ((differing & ~sectors) == 0) {
    to = from;
    return;
  }
  Page& target = Writable(to);
  for (uint64_t s = 0; s < kSectorsPerPage; ++s) {
    if ((sectors >> s & 1) == 0) continue;
    char* out = target.data() + s * kSectorBytes;
    if (from == nullptr) {
      std::memset(out, 0, kSectorBytes);
    } else {
      std::memcpy(out, from->data() + s * kSectorBytes, kSectorBytes);
    }
  }
}

void SimulatedContent::Read(uint64_t offset, std::span<char> out) const {
  size_t done = 0;
  while (done < out.size()) {
    const uint64_t page = (offset + done) / kPageBytes;
    const uint64_t begin = (offset + done) % kPageBytes;
    const size_t n = std::min<size_t>(kPageBytes - begin, out.size() - done);
    if (page >= cached_.size() || cached_[page] == nullptr) {
      std::memset(out.data() + done, 0, n);
    } else {
      std::memcpy(out.data() + done, cached_[page]->data() + begin, n);
    }
    done += n;
  }
}

void SimulatedContent::Write(uint64_t offset, std::string_view data, Dice& dice,
                             FaultCounts& counts) {
  GRAVEN_CHECK(offset + data.size() <= kSizeMax);
  if (data.empty()) return;
  const uint64_t end = offset + data.size();
  const uint64_t page_count = (end + kPageBytes - 1) / kPageBytes;
  if (cached_.size() < page_count) cached_.resize(page_count);
  while (!data.empty()) {
    const uint64_t page = offset / kPageBytes;
    const uint64_t begin = offset % kPageBytes;
    const size_t n = std::min<size_t>(kPageBytes - begin, data.size());
    const uint64_t first = begin / kSectorBytes;
    const uint64_t last = (begin + n - 1) / kSectorBytes;
    const uint8_t sectors = static_cast<uint8_t>((0xFFu >> (7 - (last - first))) << first);
    MarkDirty(page, 0);  // makes room in the tables; the bits follow below
    const uint8_t again = static_cast<uint8_t>(dirty_[page] & sectors);
    if (again != 0 && dice.OneIn(4)) {
      // The page cache had written the version that is now being replaced.
      WriteBack(page, again);
      counts.early_writebacks += static_cast<uint64_t>(std::popcount(again));
    }
    dirty_[page] |= sectors;
    PagePointer& target = cached_[page];
    if (target == nullptr) ++pages_used_;
    if (n == kPageBytes && std::memcmp(data.data(), ZeroPage()->data(), kPageBytes) == 0) {
      target = ZeroPage();
    } else {
      std::memcpy(Writable(target).data() + begin, data.data(), n);
    }
    offset += n;
    data.remove_prefix(n);
  }
  if (end > size_) {
    size_ = end;
    size_dirty_ = true;
  }
}

void SimulatedContent::Truncate(uint64_t size) {
  if (size == size_) return;
  if (size < size_) {
    // What is cut becomes zeros if the file grows again, on the disk only once synced.
    for (uint64_t p = size / kPageBytes; p * kPageBytes < size_; ++p) {
      const uint64_t begin = std::max(size, p * kPageBytes) - p * kPageBytes;
      MarkDirty(p, static_cast<uint8_t>(0xFFu << (begin / kSectorBytes)));
    }
    const uint64_t count = (size + kPageBytes - 1) / kPageBytes;
    for (uint64_t p = count; p < cached_.size(); ++p) {
      if (cached_[p] != nullptr) --pages_used_;
    }
    CutPages(cached_, size);
  }
  size_ = size;
  size_dirty_ = true;
}

void SimulatedContent::Sync() {
  for (const uint64_t page : dirty_pages_) {
    WriteBack(page, dirty_[page]);
    dirty_[page] = 0;
  }
  dirty_pages_.clear();
  WriteBackSize();
}

void SimulatedContent::WriteBackSize() {
  if (size_dirty_) {
    disk_size_ = size_;
    CutPages(disk_, disk_size_);
  }
  size_dirty_ = false;
}

SimulatedContent::Outcome SimulatedContent::RollSectors(Dice& dice, bool mark_lost) {
  std::sort(dirty_pages_.begin(), dirty_pages_.end());
  uint64_t count = 0;
  for (const uint64_t page : dirty_pages_) {
    count += static_cast<uint64_t>(std::popcount(dirty_[page]));
  }
  Survival survival(dice, count);
  Outcome outcome;
  for (const uint64_t page : dirty_pages_) {
    uint8_t kept = 0;
    for (uint64_t s = 0; s < kSectorsPerPage; ++s) {
      if ((dirty_[page] >> s & 1) != 0 && survival.Next()) kept |= static_cast<uint8_t>(1u << s);
    }
    WriteBack(page, kept);
    const uint8_t lost = static_cast<uint8_t>(dirty_[page] & ~kept);
    if (mark_lost) lost_[page] |= lost;
    outcome.kept += static_cast<uint64_t>(std::popcount(kept));
    outcome.lost += static_cast<uint64_t>(std::popcount(lost));
    dirty_[page] = 0;
  }
  dirty_pages_.clear();
  return outcome;
}

void SimulatedContent::FailSync(Dice& dice, FaultCounts& counts) {
  const Outcome outcome = RollSectors(dice, /*mark_lost=*/true);
  counts.sync_sectors_kept += outcome.kept;
  counts.sync_sectors_lost += outcome.lost;
  if (dice.OneIn(2)) WriteBackSize();
  size_dirty_ = false;
}

void SimulatedContent::Crash(Dice& dice, FaultCounts& counts) {
  if (!dirty_pages_.empty()) {
    const Outcome outcome = RollSectors(dice, /*mark_lost=*/false);
    counts.sectors_kept += outcome.kept;
    counts.sectors_lost += outcome.lost;
    if (outcome.kept != 0 && outcome.lost != 0) ++counts.files_torn;
  }
  if (size_dirty_ && size_ != disk_size_) {
    const uint64_t low = std::min(size_, disk_size_);
    const uint64_t high = std::max(size_, disk_size_);
    switch (dice.Below(3)) {
      case 0:
        ++counts.sizes_lost;
        break;
      case 1:
        ++counts.sizes_kept;
        disk_size_ = size_;
        break;
      default:
        ++counts.sizes_torn;
        disk_size_ = low + dice.Below(high - low + 1);
        break;
    }
  }
  CutPages(disk_, disk_size_);
  cached_ = disk_;
  size_ = disk_size_;
  size_dirty_ = false;
  std::fill(dirty_.begin(), dirty_.end(), uint8_t{0});
  std::fill(lost_.begin(), lost_.end(), uint8_t{0});
  pages_used_ = static_cast<uint64_t>(std::count_if(
      cached_.begin(), cached_.end(), [](const PagePointer& p) { return p != nullptr; }));
}

void SimulatedContent::FlipBit(uint64_t bit) {
  const uint64_t page = bit / 8 / kPageBytes;
  const uint64_t byte = bit / 8 % kPageBytes;
  const char mask = static_cast<char>(1u << (bit % 8));
  if (page >= cached_.size()) cached_.resize(page + 1);
  if (page >= disk_.size()) disk_.resize(page + 1);
  const bool shared = cached_[page] == disk_[page];
  if (cached_[page] == nullptr) ++pages_used_;
  Writable(cached_[page])[byte] ^= mask;
  if (shared) {
    disk_[page] = cached_[page];
  } else {
    Writable(disk_[page])[byte] ^= mask;
  }
}

}  // namespace graven::io
