#pragma once

#include <atomic>
#include <cstddef>

namespace graven::search {

// So many bytes of memory, shared by all who count. Thread-safe.
class ByteBudget {
 public:
  explicit ByteBudget(size_t bytes_max) : bytes_max_(bytes_max) {}

  // False: there are not so many left; none is taken.
  bool Take(size_t bytes) {
    if (taken_.fetch_add(bytes) + bytes <= bytes_max_) return true;
    taken_.fetch_sub(bytes);
    return false;
  }
  void GiveBack(size_t bytes) { taken_.fetch_sub(bytes); }
  size_t taken() const { return taken_; }

 private:
  const size_t bytes_max_;
  std::atomic<size_t> taken_ = 0;
};

}  // namespace graven::search
