#include <lido/driver/detail/knobs.hpp>
#include <lido/pool/config.hpp>

#include <algorithm>
#include <cmath>

namespace lido {
inline namespace v0 {
namespace {

using nanoseconds = std::chrono::nanoseconds;

constexpr std::size_t most_connections = 100'000;
constexpr std::size_t most_waiters = 10'000'000;
constexpr std::size_t longest_name = 64;
constexpr nanoseconds longest_wait = std::chrono::hours(24);
constexpr nanoseconds longest_age = std::chrono::hours(24 * 365);

void require_that(bool holds, std::string_view what) {
  if (!holds) detail::throw_invalid_config(std::string(what));
}

void require_wait(nanoseconds t, std::string_view name) {
  require_that(t > nanoseconds::zero() && t <= longest_wait,
               std::string(name) + " must be above 0 and at most 24h: no wait is infinite");
}

void require_age(nanoseconds t, std::string_view name) {
  require_that(t >= nanoseconds::zero() && t <= longest_age, std::string(name) + " must be from 0 to a year");
}

// It becomes a label of metrics: nothing that would need escapes there (S13).
bool is_label(std::string_view name) {
  return !name.empty() && name.size() <= longest_name && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

void check_sizes(const pool_config& c) {
  require_that(is_label(c.name), "name must be 1 to 64 letters, digits, - and _");
  require_that(c.max_size >= 1 && c.max_size <= most_connections, "max_size must be from 1 to 100000");
  require_that(c.min_size <= c.max_size, "min_size must not be above max_size");
  require_that(c.max_waiters <= most_waiters, "max_waiters must be at most 10000000");
  require_that(c.connect_concurrency >= 1, "connect_concurrency must be at least 1");
}

void check_times(const pool_config& c) {
  require_wait(c.acquire_timeout, "acquire_timeout");
  require_wait(c.validation_timeout, "validation_timeout");
  require_wait(c.reset_timeout, "reset_timeout");
  require_wait(c.connect_backoff_min, "connect_backoff_min");
  require_wait(c.connect_backoff_max, "connect_backoff_max");
  require_that(c.connect_backoff_min <= c.connect_backoff_max,
               "connect_backoff_min must not be above connect_backoff_max");
  require_age(c.max_lifetime, "max_lifetime");
  require_age(c.idle_timeout, "idle_timeout");
  require_age(c.validate_after_idle, "validate_after_idle");
  require_that(c.max_lifetime_jitter >= 0 && c.max_lifetime_jitter <= 1, "max_lifetime_jitter must be from 0 to 1");
}

void check_recovery(const pool_config& c) {
  require_wait(c.cancel.timeout, "cancel.timeout");
  require_wait(c.cancel.retry_after, "cancel.retry_after");
  require_that(c.cancel.concurrency >= 1, "cancel.concurrency must be at least 1; cancel.after = \"never\" sends none");
  require_that(std::isfinite(c.cancel.rate) && c.cancel.rate >= 0, "cancel.rate must be 0 (unlimited) or above");
  require_wait(c.drain.timeout, "drain.timeout");
  require_that(c.drain.max_bytes >= 1, "drain.max_bytes must be above 0");
}

}  // namespace

void pool_config::validate() const {
  lido::validate(connect);
  check_sizes(*this);
  check_times(*this);
  check_recovery(*this);
}

}  // namespace v0
}  // namespace lido
