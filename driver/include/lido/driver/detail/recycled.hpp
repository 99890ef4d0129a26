// Small building blocks of the hot path: an object that moves as one pointer and whose memory is recycled a thread at a
// time, as Asio does for its own operations; and a list that needs no memory of its own while it is short.
#pragma once

#include <asio/recycling_allocator.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <type_traits>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

template <class T>
struct recycle {
  void operator()(T* object) const noexcept {
    std::destroy_at(object);
    asio::recycling_allocator<T>().deallocate(object, 1);
  }
};

template <class T>
using recycled_ptr = std::unique_ptr<T, recycle<T>>;

template <class T, class... Args>
[[gnu::hot]] recycled_ptr<T> make_recycled(Args&&... args) {
  static_assert(std::is_nothrow_constructible_v<T, Args...>);
  T* const memory = asio::recycling_allocator<T>().allocate(1);
  return recycled_ptr<T>(::new (static_cast<void*>(memory)) T(std::forward<Args>(args)...));
}

// Grows only. The first N elements live inside.
template <class T, std::size_t N>
class short_list {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  using value_type = T;
  using const_iterator = const T*;
  using iterator = const T*;

  short_list() = default;
  short_list(std::initializer_list<T> values) {
    for (const T& each : values) push_back(each);
  }
  short_list(const short_list& other) {
    for (const T& each : other) push_back(each);
  }
  short_list(short_list&& other) noexcept
      : few_(other.few_),
        many_(std::move(other.many_)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, N)) {}
  short_list& operator=(short_list other) noexcept {
    few_ = other.few_;
    many_ = std::move(other.many_);
    size_ = other.size_;
    capacity_ = other.capacity_;
    return *this;
  }
  ~short_list() = default;

  void push_back(T value) {
    if (size_ == capacity_) [[unlikely]]
      grow();
    (many_ ? many_.get() : few_.data())[size_++] = value;
  }
  const T* data() const noexcept { return many_ ? many_.get() : few_.data(); }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const T& operator[](std::size_t i) const noexcept { return data()[i]; }
  void set(std::size_t i, T value) noexcept { (many_ ? many_.get() : few_.data())[i] = value; }
  const T* begin() const noexcept { return data(); }
  const T* end() const noexcept { return data() + size_; }
  template <class Range>
  friend bool operator==(const short_list& a, const Range& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  [[gnu::noinline]] void grow() {
    auto more = std::make_unique_for_overwrite<T[]>(capacity_ * 2);
    std::copy(begin(), end(), more.get());
    many_ = std::move(more);
    capacity_ *= 2;
  }

  std::array<T, N> few_{};
  std::unique_ptr<T[]> many_;
  std::size_t size_ = 0;
  std::size_t capacity_ = N;
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
