// What may be said of an acquire besides its deadline: what it is worth, what it is for, and whose it is.
//
//   auto db = co_await pool.async_acquire(lido::tagged("checkout", lido::within(250ms)));
//   auto db = co_await pool.async_acquire(lido::with_priority(lido::priority::high, lido::within(1s)).tag("health"));
//
//   auto db = co_await pool.async_acquire(lido::bounded_by(request.deadline));  // and all that the lease does
//
//   lido::task_scope me;                                             // one a request or job
//   auto db = co_await pool.async_acquire(lido::tagged("report").task(me));
#pragma once

#include <lido/driver/options.hpp>

#include <cstdint>
#include <source_location>
#include <string_view>

namespace lido {
inline namespace v0 {

/// Who is served first. Within one priority it is first come, first served; of those with less, one is served after
/// eight connections that went past them, so that nobody starves. `high` alone may use the `reserved_slots`: it is for
/// health checks and administration, not for whatever is in a hurry.
enum class priority : std::uint8_t { high, normal, low };
[[nodiscard]] std::string_view to_string(priority p) noexcept;

/// Names a task, so that the pool notices when tasks wait for each other's connections: when every connection is held
/// by a named task that waits for a further one, the one whose deadline comes first completes with
/// errc::nested_acquire at once. The promise that goes with it: a task is sequential, it gives nothing back while it
/// waits. Any thread; not copyable, so that no two tasks share a name by accident.
class task_scope {
 public:
  task_scope() noexcept;
  task_scope(const task_scope&) = delete;
  task_scope& operator=(const task_scope&) = delete;
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }

 private:
  std::uint64_t id_;
};

/// Trivially destructible: safe as a temporary in a co_await expression with g++ 12.
class acquire_options {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): implicit, so that the plain options do wherever these are wanted
  acquire_options(op_options plain, std::source_location where = std::source_location::current()) noexcept
      : plain_(plain), place_(where) {}

  /// What the connection is for: a label of metrics, log lines and errors. A short printable ASCII text; it is copied
  /// when the acquire begins. The first `max_tags` different ones are kept apart, the rest is "other".
  acquire_options& tag(std::string_view name) noexcept {
    tag_ = name;
    return *this;
  }
  acquire_options& priority(lido::priority p) noexcept {
    priority_ = p;
    return *this;
  }
  acquire_options& task(const task_scope& whose) noexcept {
    task_ = whose.id();
    return *this;
  }
  /// The deadline is the lease's, too: as connection::set_deadline() with the same time, without a moment in between.
  acquire_options& bounds_lease(bool on = true) noexcept {
    bounds_lease_ = on;
    return *this;
  }
  /// Where the acquire is said to be, for errors and the table of holders; by itself the place where these options were
  /// made.
  acquire_options& at(std::source_location where) noexcept {
    place_ = where;
    return *this;
  }

  [[nodiscard]] const op_options& plain() const noexcept { return plain_; }
  [[nodiscard]] std::string_view tag() const noexcept { return tag_; }
  [[nodiscard]] lido::priority priority() const noexcept { return priority_; }
  [[nodiscard]] std::uint64_t task() const noexcept { return task_; }
  [[nodiscard]] const std::source_location& place() const noexcept { return place_; }
  [[nodiscard]] bool is_lease_bounded() const noexcept { return bounds_lease_; }

 private:
  op_options plain_;
  std::string_view tag_;
  std::uint64_t task_ = 0;
  std::source_location place_;
  lido::priority priority_ = lido::priority::normal;
  bool bounds_lease_ = false;
};

[[nodiscard]] inline acquire_options tagged(std::string_view name, op_options plain = {},
                                            std::source_location where = std::source_location::current()) noexcept {
  return acquire_options(plain, where).tag(name);
}
[[nodiscard]] inline acquire_options with_priority(
    priority p, op_options plain = {}, std::source_location where = std::source_location::current()) noexcept {
  return acquire_options(plain, where).priority(p);
}

/// One deadline from a request's edge on: it bounds the acquire, and every operation of the lease, COMMIT included.
/// What is left to clean up afterwards has the pool's own budgets, out of the request's time (contract I13).
[[nodiscard]] inline acquire_options bounded_by(time_point deadline,
                                                std::source_location where = std::source_location::current()) noexcept {
  return acquire_options(until(deadline), where).bounds_lease();
}
[[nodiscard]] inline acquire_options bounded_by(op_options plain,
                                                std::source_location where = std::source_location::current()) noexcept {
  return acquire_options(plain, where).bounds_lease();
}

namespace detail {

// An acquire as the pool wants it: the tag as a number.
struct acquire_terms {
  time_point deadline = time_point::max();
  std::source_location place;
  std::uint64_t task = 0;
  std::uint16_t tag = 0;
  lido::priority worth = lido::priority::normal;
  bool bounds_lease = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
