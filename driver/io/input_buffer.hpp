// The bytes that came and were not read yet, in one piece. Grows with what really came, never with what a header
// announces (B57); gives the memory back when small answers follow.
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
      if (capacity_ != smallest) [[unlikely]]
        fit();
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

  // A receive filled the buffer, and was processed but for a cut frame: read more at a time from now on, if there is
  // memory for it.
  void was_filled() noexcept {
    unfilled_ = 0;
    try {
      if (capacity_ < largest_idle) resize(capacity_ * 2);
    } catch (const std::bad_alloc&) {
      return;
    }
  }

 private:
  static constexpr std::size_t smallest = 4096;
  static constexpr std::size_t largest_idle = 64U << 10;
  static constexpr unsigned patience = 64;  // receives

  [[gnu::noinline]] void fit() {
    if (capacity_ != 0 && capacity_ <= largest_idle && ++unfilled_ < patience) return;
    unfilled_ = 0;
    resize(smallest);
  }

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
  unsigned unfilled_ = 0;  // receives since one filled it
};

}  // namespace lido::io
