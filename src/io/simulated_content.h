// One file of the simulated disk: its bytes as programs see them and as they are on the disk.
// Private to the simulated file system, which holds its lock around every call.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace graven::io {

struct FaultCounts;

// The source of every decision of the simulated disk (splitmix64).
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // 0 to n - 1. REQUIRES: n > 0.
  uint64_t Below(uint64_t n) { return Next() % n; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }

 private:
  uint64_t state_;
};

// Which of several unsynced things survive a crash.
class Survival {
 public:
  // Rolls a manner: none, all, the first ones, the last ones, one of eight, half, seven of eight.
  // `count` things will be asked about, in their order.
  Survival(Dice& dice, uint64_t count);

  bool Next();

 private:
  enum class Manner { kNone, kAll, kFirst, kLast, kFew, kHalf, kMost };
  Dice& dice_;
  Manner manner_;
  uint64_t asked_ = 0;
  uint64_t boundary_ = 0;
};

class SimulatedContent {
 public:
  static constexpr uint64_t kSectorBytes = 512;
  static constexpr uint64_t kPageBytes = 4096;
  static constexpr uint64_t kSizeMax = uint64_t{1} << 30;

  uint64_t size() const { return size_; }
  uint64_t pages_used() const { return pages_used_; }

  // Pages that a write there would newly take.
  uint64_t PagesNeeded(uint64_t offset, uint64_t bytes) const;

  // REQUIRES: offset + out.size() <= size().
  void Read(uint64_t offset, std::span<char> out) const;
  // REQUIRES: offset + data.size() <= kSizeMax.
  void Write(uint64_t offset, std::string_view data, Dice& dice, FaultCounts& counts);
  void Truncate(uint64_t size);
  void Sync();
  void FailSync(Dice& dice, FaultCounts& counts);
  void Crash(Dice& dice, FaultCounts& counts);
  // REQUIRES: bit / 8 < size().
  void FlipBit(uint64_t bit);

 private:
  using Page = std::array<char, kPageBytes>;
  using PagePointer = std::shared_ptr<Page>;
  static constexpr uint64_t kSectorsPerPage = kPageBytes / kSectorBytes;

  static const PagePointer& ZeroPage();
  static Page& Writable(PagePointer& page);
  static void CutPages(std::vector<PagePointer>& pages, uint64_t size);

  void MarkDirty(uint64_t page, uint8_t sectors);
  // Writes the cached version of these sectors of a page to the disk.
  void WriteBack(uint64_t page, uint8_t sectors);
  void WriteBackSize();
  // What the disk makes of the unsynced sectors and size, by the dice.
  struct Outcome {
    uint64_t kept = 0;
    uint64_t lost = 0;
  };
  Outcome RollSectors(Dice& dice, bool mark_lost);

  uint64_t size_ = 0;
  uint64_t disk_size_ = 0;
  bool size_dirty_ = false;
  uint64_t pages_used_ = 0;
  std::vector<PagePointer> cached_;  // null: zeros that take no room
  std::vector<PagePointer> disk_;    // shares pages with cached_ until one is written
  // By page, one bit a sector.
  std::vector<uint8_t> dirty_;         // written since the last sync
  std::vector<uint8_t> lost_;          // said to be clean by a failed sync, not on the disk
  std::vector<uint64_t> dirty_pages_;  // those with a bit in dirty_, each once
};

}  // namespace graven::io
