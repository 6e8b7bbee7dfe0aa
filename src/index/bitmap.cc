#include "index/bitmap.h"

#include <roaring/roaring.h>

#include <utility>

#include "base/check.h"
#include "base/encoding.h"

namespace graven::index {
namespace {

// The portable format (github.com/RoaringBitmap/RoaringFormatSpec), as far as it has to be right
// before libroaring reads it: the library trusts what is inside of a container.
constexpr uint32_t kCookieWithoutRuns = 12346;
constexpr uint32_t kCookieWithRuns = 12347;
constexpr size_t kContainersWithoutOffsets = 4;
constexpr size_t kArrayMax = 4096;
constexpr size_t kBitsetBytes = 8192;

struct Container {
  uint32_t key = 0;
  uint32_t count = 0;
  bool is_run = false;
};

class Walk {
 public:
  Walk(std::string_view bytes, uint64_t limit) : bytes_(bytes), limit_(limit) {}

  bool Holds() {
    std::vector<Container> containers;
    if (!Header(&containers)) return false;
    for (const Container& container : containers) {
      if (!Body(container)) return false;
    }
    return at_ == bytes_.size();
  }

 private:
  bool Has(size_t size) const { return bytes_.size() - at_ >= size; }
  uint32_t Take16() {
    const uint16_t value = GetFixed16(bytes_.data() + at_);
    at_ += 2;
    return value;
  }

  bool Header(std::vector<Container>* containers) {
    if (!Has(8)) return false;
    const uint32_t cookie = GetFixed32(bytes_.data());
    size_t count = 0;
    std::string_view runs;
    if ((cookie & 0xFFFF) == kCookieWithRuns) {
      count = (cookie >> 16) + 1;
      at_ = 4;
      if (!Has((count + 7) / 8)) return false;
      runs = bytes_.substr(at_, (count + 7) / 8);
      at_ += runs.size();
    } else if (cookie == kCookieWithoutRuns) {
      count = GetFixed32(bytes_.data() + 4);
      at_ = 8;
    } else {
      return false;
    }
    if (count > 65536 || !Has(count * 4)) return false;
    for (size_t i = 0; i < count; ++i) {
      Container container;
      container.key = Take16();
      container.count = Take16() + 1;
      container.is_run = !runs.empty() && (static_cast<uint8_t>(runs[i / 8]) >> (i % 8) & 1) != 0;
      if (!containers->empty() && containers->back().key >= container.key) return false;
      containers->push_back(container);
    }
    if (runs.empty() || count >= kContainersWithoutOffsets) return Offsets(*containers);
    return true;
  }

  // Each must name the place where the walk finds its container.
  bool Offsets(const std::vector<Container>& containers) {
    if (!Has(containers.size() * 4)) return false;
    const char* offset = bytes_.data() + at_;
    size_t expected = at_ + containers.size() * 4;
    at_ = expected;
    for (const Container& container : containers) {
      if (GetFixed32(offset) != expected) return false;
      offset += 4;
      if (container.is_run) {
        if (bytes_.size() < expected + 2) return false;
        expected += 2 + size_t{GetFixed16(bytes_.data() + expected)} * 4;
      } else {
        expected += container.count <= kArrayMax ? size_t{container.count} * 2 : kBitsetBytes;
      }
    }
    return true;
  }

  bool InLimit(uint32_t key, uint32_t low) const { return (uint64_t{key} << 16) + low < limit_; }

  bool Body(const Container& container) {
    if (container.is_run) return Runs(container);
    if (container.count <= kArrayMax) return Array(container);
    if (!Has(kBitsetBytes)) return false;
    size_t count = 0;
    for (size_t word = 0; word < kBitsetBytes / 8; ++word) {
      const uint64_t bits = GetFixed64(bytes_.data() + at_ + word * 8);
      count += static_cast<size_t>(__builtin_popcountll(bits));
      if (bits == 0) continue;
      const auto highest = static_cast<uint32_t>(word * 64 + 63 - __builtin_clzll(bits));
      if (!InLimit(container.key, highest)) return false;
    }
    at_ += kBitsetBytes;
    return count == container.count;
  }

  bool Array(const Container& container) {
    if (!Has(size_t{container.count} * 2)) return false;
    int64_t before = -1;
    for (uint32_t i = 0; i < container.count; ++i) {
      const uint32_t low = Take16();
      if (low <= before || !InLimit(container.key, low)) return false;
      before = low;
    }
    return true;
  }

  bool Runs(const Container& container) {
    if (!Has(2)) return false;
    const uint32_t runs = Take16();
    if (runs == 0 || !Has(size_t{runs} * 4)) return false;
    int64_t before = -2;
    uint32_t count = 0;
    for (uint32_t i = 0; i < runs; ++i) {
      const uint32_t low = Take16();
      const uint32_t more = Take16();
      // Runs that touch would be one run.
      if (low <= before + 1 || low + more > 65535 || !InLimit(container.key, low + more)) {
        return false;
      }
      before = low + more;
      count += more + 1;
    }
    return count == container.count;
  }

  const std::string_view bytes_;
  const uint64_t limit_;
  size_t at_ = 0;
};

roaring_bitmap_s* Checked(roaring_bitmap_s* roaring) {
  GRAVEN_CHECK(roaring != nullptr);  // no memory
  return roaring;
}

}  // namespace

Bitmap::Bitmap() : roaring_(Checked(roaring_bitmap_create())) {}
Bitmap::~Bitmap() {
  if (roaring_ != nullptr) roaring_bitmap_free(roaring_);
}
Bitmap::Bitmap(const Bitmap& other) : roaring_(Checked(roaring_bitmap_copy(other.roaring_))) {}
Bitmap& Bitmap::operator=(const Bitmap& other) {
  if (this != &other) *this = Bitmap(other);
  return *this;
}
Bitmap::Bitmap(Bitmap&& other) noexcept : roaring_(std::exchange(other.roaring_, nullptr)) {}
Bitmap& Bitmap::operator=(Bitmap&& other) noexcept {
  std::swap(roaring_, other.roaring_);
  return *this;
}

Bitmap Bitmap::Range(uint32_t low, uint32_t high) {
  if (low >= high) return {};
  return Bitmap(Checked(roaring_bitmap_from_range(low, high, 1)));
}

Bitmap Bitmap::Of(std::span<const uint32_t> leaves) {
  Bitmap bitmap;
  bitmap.Append(leaves);
  return bitmap;
}

void Bitmap::Append(std::span<const uint32_t> leaves) {
  roaring_bitmap_add_many(roaring_, leaves.size(), leaves.data());
}

Bitmap& Bitmap::operator&=(const Bitmap& other) {
  roaring_bitmap_and_inplace(roaring_, other.roaring_);
  return *this;
}
Bitmap& Bitmap::operator|=(const Bitmap& other) {
  roaring_bitmap_or_inplace(roaring_, other.roaring_);
  return *this;
}
Bitmap& Bitmap::operator-=(const Bitmap& other) {
  roaring_bitmap_andnot_inplace(roaring_, other.roaring_);
  return *this;
}

uint64_t Bitmap::count() const { return roaring_bitmap_get_cardinality(roaring_); }
bool Bitmap::empty() const { return roaring_bitmap_is_empty(roaring_); }
bool Bitmap::Contains(uint32_t leaf) const { return roaring_bitmap_contains(roaring_, leaf); }
uint64_t Bitmap::CountBelow(uint32_t leaf) const {
  return leaf == 0 ? 0 : roaring_bitmap_rank(roaring_, leaf - 1);
}
uint64_t Bitmap::CountBoth(const Bitmap& other) const {
  return roaring_bitmap_and_cardinality(roaring_, other.roaring_);
}
std::vector<uint32_t> Bitmap::Leaves() const {
  std::vector<uint32_t> leaves(count());
  roaring_bitmap_to_uint32_array(roaring_, leaves.data());
  return leaves;
}
bool Bitmap::operator==(const Bitmap& other) const {
  return roaring_bitmap_equals(roaring_, other.roaring_);
}

std::string Bitmap::Serialize() const {
  // From an array, so that the kinds of the containers do not depend on how the set came to be.
  const std::vector<uint32_t> leaves = Leaves();
  const Bitmap fresh = Of(leaves);
  roaring_bitmap_run_optimize(fresh.roaring_);
  std::string bytes(roaring_bitmap_portable_size_in_bytes(fresh.roaring_), '\0');
  GRAVEN_CHECK(roaring_bitmap_portable_serialize(fresh.roaring_, bytes.data()) == bytes.size());
  return bytes;
}

std::optional<Bitmap> Bitmap::Parse(std::string_view bytes, uint64_t limit) {
  if (!Walk(bytes, limit).Holds()) return std::nullopt;
  roaring_bitmap_s* roaring = roaring_bitmap_portable_deserialize_safe(bytes.data(), bytes.size());
  if (roaring == nullptr) return std::nullopt;
  return Bitmap(roaring);
}

}  // namespace graven::index
