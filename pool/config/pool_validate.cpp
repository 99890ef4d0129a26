#include "pool/config/pool_knobs.hpp"

#include <algorithm>

namespace lido {
inline namespace v0 {
namespace {

constexpr std::size_t longest_name = 64;

void require_that(bool holds, std::string_view what) {
  if (!holds) detail::throw_invalid_config(std::string(what));
}

// What no single knob's bounds say.
void check_together(const pool_config& c) {
  require_that(detail::is_pool_name(c.name),
               "name must be 1 to 64 of a-z, 0-9 and _, with no _ at its ends and no __ within (it is a part of "
               "LIDO__NAME__MAX_SIZE)");
  using target = target_session_attrs;
  const target wanted = c.connect.target_session_attrs;
  require_that(
      c.replica.max_size == 0 || wanted == target::any || wanted == target::primary || wanted == target::read_write,
      "replica.max_size goes with target_session_attrs any, primary or read-write: the rest of the pool is "
      "connections to the primary");
  require_that(c.min_size <= c.max_size, "min_size must not be above max_size");
  require_that(c.min_idle <= c.max_size, "min_idle must not be above max_size");
  require_that(c.reserved_slots < c.max_size, "reserved_slots must be below max_size");
  require_that(c.leak_reclaim == c.leak_reclaim.zero() || c.leak_reclaim >= c.leak_threshold,
               "leak_reclaim must not be below leak_threshold: what is taken away is told of before");
  require_that(c.connect_backoff_min <= c.connect_backoff_max,
               "connect_backoff_min must not be above connect_backoff_max");
}

}  // namespace

// It becomes a label of metrics and, in capitals, a part of the names of environment variables: nothing that would need
// escapes there (S13), and no doubt where it ends.
bool detail::is_pool_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= longest_name && name.find("__") == std::string_view::npos &&
         name.front() != '_' && name.back() != '_' &&
         std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

void pool_config::validate() const {
  lido::validate(connect);
  detail::check_bounds(detail::pool_knobs(), *this);
  check_together(*this);
}

}  // namespace v0
}  // namespace lido
