#include "bench/storm/pool_rest.hpp"

#include "bench/storm/runtime.hpp"

#include <asio/use_future.hpp>

#include <future>

namespace lido::storm {
namespace {

std::uint64_t in_use(const pool_stats& s) { return std::uint64_t{s.leased} + s.recovering + s.validating + s.closing; }

}  // namespace

std::chrono::nanoseconds longest_recovery(const pool_config& c) {
  // Cancel and drain side by side, once more for a second attempt, then the reset, then the close; and some room for a
  // busy machine.
  return 2 * (c.cancel.timeout + c.drain.timeout) + c.cancel.retry_after + c.reset.timeout + c.connect.close_timeout +
         std::chrono::seconds{2};
}

std::uint64_t slots_in_use(const pool& p, std::chrono::nanoseconds budget) {
  (void)holds_within(budget, [&p] { return in_use(p.stats()) == 0; });
  return in_use(p.stats());
}

std::uint64_t slots_left_by_close(pool& p, std::chrono::nanoseconds budget) {
  const std::future<void> closed = p.async_close(budget, asio::use_future);
  // The close has a bound of its own; this one is for a close that breaks it.
  (void)closed.wait_for(2 * budget);
  return p.stats().size();
}

}  // namespace lido::storm
