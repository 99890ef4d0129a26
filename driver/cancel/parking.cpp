#include "driver/cancel/parking.hpp"

#include <map>
#include <mutex>
#include <utility>

namespace lido::cancel {
namespace {

struct registry {
  std::mutex mutex;
  std::map<std::uint64_t, parked*> places;  // the oldest first
  std::uint64_t last_ticket = 0;

  // Never destroyed: an io_context with static storage may end later.
  static registry& instance() {
    static registry* const r = new registry;
    return *r;
  }
};

}  // namespace

parking_place::parking_place(parked& who) {
  registry& r = registry::instance();
  const std::lock_guard lock(r.mutex);
  if (r.places.size() >= limit) {
    const auto oldest = r.places.begin();
    oldest->second->evict();
    r.places.erase(oldest);
  }
  ticket_ = ++r.last_ticket;
  r.places.emplace(ticket_, &who);
}

parking_place::parking_place(parking_place&& other) noexcept : ticket_(std::exchange(other.ticket_, 0)) {}

parking_place::~parking_place() {
  if (ticket_ == 0) return;
  registry& r = registry::instance();
  const std::lock_guard lock(r.mutex);
  r.places.erase(ticket_);
}

std::size_t parking_place::taken() noexcept {
  registry& r = registry::instance();
  const std::lock_guard lock(r.mutex);
  return r.places.size();
}

}  // namespace lido::cancel
