// Where cancel sockets stay that nobody waits for any more: cutting one before the server's EOF crashes PgBouncer 1.18
// for everybody (M3), keeping all of them would be unbounded. At most 64 in the process; one more closes the oldest.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lido::cancel {

class parked {
 public:
  virtual void evict() noexcept = 0;  // runs under the parking's lock: closes, calls nobody

 protected:
  ~parked() = default;
};

// A place taken; held by whatever keeps the parked one alive, so that one whose io_context goes is not evicted
// afterwards.
class parking_place {
 public:
  static constexpr std::size_t limit = 64;

  explicit parking_place(parked& who);
  parking_place(parking_place&& other) noexcept;
  parking_place(const parking_place&) = delete;
  parking_place& operator=(const parking_place&) = delete;
  ~parking_place();

  static std::size_t taken() noexcept;

 private:
  std::uint64_t ticket_;  // 0: moved from
};

}  // namespace lido::cancel
