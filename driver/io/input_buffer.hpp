// The bytes that came and were not read yet, in one piece. Grows with what really came, never with what a header
// announces (B57); shrinks when idle (W8).
#pragma once

#include <asio/buffer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>

namespace lido::io {

class input_buffer {
 public:
  std::string_view data() const noexcept { return {bytes_.get() + begin_, end_ - begin_}; }
  bool empty() const noexcept { return begin_ == end_; }
  asio::mutable_buffer room() noexcept { return {bytes_.get() + end_, capacity_ - end_}; }

  void commit(std::size_t n) noexcept { end_ += n; }
  void consume(std::size_t n) noexcept {
    begin_ += n;
    if (begin_ == end_) begin_ = end_ = 0;
  }

  // Room for the next receive: the rest of a cut frame moves to the front; a buffer that was filled doubles.
  void make_room() {
    if (begin_ == 0 && end_ == 0) {
      if (capacity_ == 0) resize(smallest);
      if (capacity_ > largest_idle) resize(smallest);
      return;
    }
    if (capacity_ - end_ >= capacity_ / 4) return;
    if (begin_ > 0) {
      std::memmove(bytes_.get(), bytes_.get() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    if (capacity_ - end_ < capacity_ / 4) resize(capacity_ * 2);
  }

  // What filled the buffer was all processed: read more at a time from now on, if there is memory for it.
  void was_filled() noexcept {
    try {
      if (empty() && capacity_ < largest_idle) resize(capacity_ * 2);
    } catch (const std::bad_alloc&) {
      return;
    }
  }

 private:
  static constexpr std::size_t smallest = 4096;
  static constexpr std::size_t largest_idle = 64U << 10;

  void resize(std::size_t capacity) {
    auto bigger = std::make_unique_for_overwrite<char[]>(capacity);
    if (end_ > begin_) std::memcpy(bigger.get(), bytes_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    bytes_ = std::move(bigger);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace lido::io
