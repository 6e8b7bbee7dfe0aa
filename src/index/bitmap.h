#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct roaring_bitmap_s;

namespace graven::index {

// A set of leaves of one chunk: offsets from its first one. The only door to libroaring. Plain
// value.
class Bitmap {
 public:
  Bitmap();
  ~Bitmap();
  Bitmap(const Bitmap& other);
  Bitmap& operator=(const Bitmap& other);
  Bitmap(Bitmap&& other) noexcept;
  Bitmap& operator=(Bitmap&& other) noexcept;

  // low <= leaf < high.
  static Bitmap Range(uint32_t low, uint32_t high);
  // REQUIRES: ascending.
  static Bitmap Of(std::span<const uint32_t> leaves);

  // REQUIRES: each above all that are in it.
  void Append(std::span<const uint32_t> leaves);

  Bitmap& operator&=(const Bitmap& other);
  Bitmap& operator|=(const Bitmap& other);
  Bitmap& operator-=(const Bitmap& other);

  uint64_t count() const;
  bool empty() const;
  bool Contains(uint32_t leaf) const;
  // Of those below `leaf`.
  uint64_t CountBelow(uint32_t leaf) const;
  uint64_t CountBoth(const Bitmap& other) const;
  // All of them, ascending.
  std::vector<uint32_t> Leaves() const;
  bool operator==(const Bitmap& other) const;

  // Roaring's portable format, with runs where they are shorter: the same bytes for the same set.
  std::string Serialize() const;
  // Nothing: it is not that format, or holds a leaf at or above `limit`.
  static std::optional<Bitmap> Parse(std::string_view bytes, uint64_t limit);

 private:
  explicit Bitmap(roaring_bitmap_s* roaring) : roaring_(roaring) {}

  roaring_bitmap_s* roaring_;
};

}  // namespace graven::index
