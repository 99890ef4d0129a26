// Time that passes only when nothing else is left to do. While a virtual_time lives on a thread, std::chrono's steady
// clock reads it there: the real pool runs on it unchanged.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

namespace simulation {

using instant = std::chrono::steady_clock::time_point;

class virtual_time {
 public:
  virtual_time();
  ~virtual_time();
  virtual_time(const virtual_time&) = delete;
  virtual_time& operator=(const virtual_time&) = delete;

  [[nodiscard]] static virtual_time* of_this_thread() noexcept;
  [[nodiscard]] instant now() const noexcept { return now_; }

  // What happens at one instant happens in the order in which it was planned.
  using key = std::pair<instant, std::uint64_t>;
  key at(instant when, std::function<void()> what);
  key after(std::chrono::nanoseconds delay, std::function<void()> what) { return at(now_ + delay, std::move(what)); }
  void forget(const key& planned) noexcept { events_.erase(planned); }

  // The next planned thing happens, if it is due by then; else time is `until`, and false.
  bool step(instant until);
  [[nodiscard]] std::uint64_t happened() const noexcept { return happened_; }
  void forget_all() noexcept { events_.clear(); }

 private:
  instant now_{std::chrono::hours{1}};
  std::map<key, std::function<void()>> events_;
  std::uint64_t planned_ = 0;
  std::uint64_t happened_ = 0;
};

}  // namespace simulation
